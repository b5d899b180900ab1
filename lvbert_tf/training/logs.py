"""The log of a run: `metrics.jsonl`, events for TensorBoard, and a progress bar."""

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tqdm import tqdm

from lvbert_tf.errors import InputError, reason
from lvbert_tf.io.mirrors import Mirror
from lvbert_tf.io.paths import parse_path
from lvbert_tf.io.whole import replace_file

TRAIN, EVAL = "train", "eval"
METRICS = "metrics.jsonl"


class MetricsFile:
    """A file with one JSON object a line: `{"step": 100, "split": "train", ...}`, in order of steps."""

    def __init__(self, path: str | Path):
        self.path = parse_path(path)

    def append(self, step: int, split: str, values: Mapping[str, Any]) -> None:
        """Adds a line. A metric that is not finite becomes null, because JSON has no NaN."""
        line = without_nan({"step": step, "split": split, **values})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def truncate(self, step: int, evaluated_step: int) -> None:
        """Removes the lines that a continued run will write again, and those that cannot be read.

        A kill cuts the last line short; others may have been damaged since.

        Args:
          step: the step from which the run continues.
          evaluated_step: the step of the last evaluation that its checkpoint knows of.
        """
        if not self.path.exists():
            return
        lines = self.path.read_bytes().splitlines()
        kept = [line + b"\n" for line in lines if _is_before(line, step, evaluated_step)]
        replace_file(self.path, b"".join(kept))


def _is_before(line: bytes, step: int, evaluated_step: int) -> bool:
    """Whether a line can be read and is of a step that will not be done again."""
    try:
        record = json.loads(line)
        return record["step"] <= (step if record["split"] == TRAIN else evaluated_step)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


class TrainingLog:
    """Writes the metrics of a run to its file and to TensorBoard, and moves the progress bar.

    Args:
      model_dir: the directory that gets `metrics.jsonl` and `tensorboard/{train,eval}/`.
      total_steps: the length of the progress bar.
      step: the step from which the run starts or continues.
      evaluated_step: see `MetricsFile.truncate`.
      writer: whether this process writes; of several workers only one does.
      description: the text before the progress bar.
    """

    def __init__(
        self,
        model_dir: str | Path,
        total_steps: int,
        step: int = 0,
        evaluated_step: int = -1,
        writer: bool = True,
        description: str = "pre-training",
    ):
        self._directory = parse_path(model_dir)
        self._mirror = Mirror(self._directory)
        self._file = MetricsFile(self._mirror.local / METRICS) if writer else None
        self._events: dict[str, tf.summary.SummaryWriter] = {}
        self._bar = tqdm(
            total=total_steps,
            initial=step,
            desc=description,
            unit="step",
            file=sys.stderr,
            disable=not writer,
            dynamic_ncols=True,
        )
        if self._file:
            self._mirror.fetch(METRICS)
            self._file.truncate(step, evaluated_step)

    def __enter__(self) -> "TrainingLog":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        """Closes the bar and the event files. It may be called twice."""
        self._bar.close()
        for events in self._events.values():
            events.close()
        self._mirror.close()

    def progress(
        self, step: int, loss: float, examples_per_second: float | None = None, skipped: int = 0
    ) -> None:
        """Moves the bar, which shows the number of skipped steps if there are any."""
        self._bar.update(step - self._bar.n)
        shown = {"loss": f"{loss:.4g}"}
        if examples_per_second:
            shown["examples/s"] = f"{examples_per_second:.4g}"
        if skipped:
            shown["skipped"] = str(skipped)
        self._bar.set_postfix(shown)

    def metrics(self, step: int, split: str, values: Mapping[str, Any]) -> None:
        """Writes the metrics of a step. TensorBoard gets those that are finite numbers.

        Args:
          step: the step that they belong to.
          split: `train` or `eval`.
          values: the metrics by name.

        Raises:
          InputError: they cannot be written, for example on a full disk.
        """
        if not self._file:
            return
        try:
            self._file.append(step, split, values)
            self._plot(step, split, values)
            self._mirror.push()
        except (OSError, tf.errors.OpError) as error:
            raise InputError(
                f"cannot write the metrics of step {step} to {self._directory}: {reason(error)}"
            ) from error

    def _plot(self, step: int, split: str, values: Mapping[str, Any]) -> None:
        if split not in self._events:
            directory = str(self._mirror.local / "tensorboard" / split)
            self._events[split] = tf.summary.create_file_writer(directory)
        with self._events[split].as_default(step=step):
            for name, value in values.items():
                if isinstance(value, (int, float)) and math.isfinite(value):
                    tf.summary.scalar(name, value)
        self._events[split].flush()

    def message(self, text: str) -> None:
        """Prints a line above the progress bar."""
        if self._file:
            self._bar.write(text, file=sys.stderr)


def without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with None in place of NaN and infinities, which JSON does not have."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
