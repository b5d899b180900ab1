"""One implementation at one setting: a process of its own, whose last line of output is JSON."""

import json
import statistics
import subprocess
from dataclasses import dataclass, field

from lvbert_tf.errors import InputError


@dataclass
class Contestant:
    """One implementation at one setting, and what its runs printed."""

    name: str
    layers: str
    precision: str
    command: list[str]
    results: list[dict] = field(default_factory=list)

    def run(self, common: list[str]) -> None:
        """Runs it once more.

        Args:
          common: arguments of all contestants.

        Raises:
          InputError: it failed, with the last line it wrote.
        """
        process = subprocess.run([*self.command, *common], capture_output=True, text=True)
        lines = process.stdout.strip().splitlines()
        if process.returncode or not lines:
            reason = (process.stderr.strip().splitlines() or ["no output"])[-1]
            raise InputError(f"{' '.join(self.command[:2])} failed: {reason}")
        self.results.append(json.loads(lines[-1]))

    @property
    def seconds(self) -> float:
        """Median over the steps of all rounds."""
        return statistics.median(s for result in self.results for s in result["all"])
