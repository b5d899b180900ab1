"""What the workers of a Beam pipeline leave in a file for the process that started it."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from lvbert_tf.io.whole import write_json
from lvbert_tf.records.documents import Tally
from lvbert_tf.records.manifest import Counts, Split, split_of

RESULT_NAME = "beam_result.json"


@dataclass(frozen=True)
class BuildResult:
    """What became of a build.

    Attributes:
        training: the training records.
        held_out: the held-out records.
        tally: what was read.
        error: why a section could not be read, of the first such section; otherwise None.
        refused: the counts of both splits at which most of the text was found to be unknown to the
            vocabulary; otherwise None.
    """

    training: Split
    held_out: Split
    tally: Tally
    error: str | None = None
    refused: tuple[Counts, Counts] | None = None

    def write(self, directory: Path) -> None:
        """Writes the file."""
        write_json(directory / RESULT_NAME, dataclasses.asdict(self))

    @classmethod
    def take(cls, directory: Path) -> "BuildResult":
        """Reads the file, and removes it."""
        values = json.loads((directory / RESULT_NAME).read_bytes())
        (directory / RESULT_NAME).unlink()
        refused = values["refused"] and tuple(Counts(**counts) for counts in values["refused"])
        return cls(
            split_of(values["training"]),
            split_of(values["held_out"]),
            Tally(**values["tally"]),
            values["error"],
            refused,
        )
