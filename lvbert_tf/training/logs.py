"""What a run leaves to read: `metrics.jsonl`, TensorBoard events, and a progress bar."""

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tqdm import tqdm

from lvbert_tf.errors import InputError, reason
from lvbert_tf.files import replace_file

TRAIN, EVAL = "train", "eval"


class MetricsFile:
    """A JSON object a line, in the order of the steps: `{"step": 100, "split": "train", ...}`."""

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def append(self, step: int, split: str, values: Mapping[str, Any]) -> None:
        """Adds a line; a figure that is not finite becomes null, as JSON has no NaN."""
        line = without_nan({"step": step, "split": split, **values})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def truncate(self, step: int, evaluated_step: int) -> None:
        """Removes what a continued run will write again, and a line that a kill cut short.

        Args:
          step: where the run continues.
          evaluated_step: the last evaluation that its checkpoint knows of.
        """
        if not self.path.exists():
            return
        kept = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            if record["step"] <= (step if record["split"] == TRAIN else evaluated_step):
                kept.append(line + "\n")
        replace_file(self.path, "".join(kept))


class TrainingLog:
    """Writes a run's figures everywhere they belong.

    Args:
      model_dir: gets `metrics.jsonl` and `tensorboard/{train,eval}/`.
      total_steps: length of the progress bar.
      step: where the run starts or continues.
      evaluated_step: see `MetricsFile.truncate`.
      writer: false for the workers that write nothing.
      description: stands before the progress bar.
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
        self._file = MetricsFile(Path(model_dir) / "metrics.jsonl") if writer else None
        self._events: dict[str, tf.summary.SummaryWriter] = {}
        self._event_directory = Path(model_dir) / "tensorboard"
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
            self._file.truncate(step, evaluated_step)

    def __enter__(self) -> "TrainingLog":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        """Ends the bar and the event files; closing twice does no harm."""
        self._bar.close()
        for events in self._events.values():
            events.close()

    def progress(self, step: int, loss: float, examples_per_second: float | None = None) -> None:
        """Moves the bar."""
        self._bar.update(step - self._bar.n)
        figures = {"loss": f"{loss:.4g}"}
        if examples_per_second:
            figures["examples/s"] = f"{examples_per_second:.4g}"
        self._bar.set_postfix(figures)

    def figures(self, step: int, split: str, values: Mapping[str, Any]) -> None:
        """Records the figures of a step; `split` is `train` or `eval`. Only numbers are plotted.

        Raises:
          InputError: they cannot be written, e.g. on a full disk.
        """
        if not self._file:
            return
        try:
            self._file.append(step, split, values)
            self._plot(step, split, values)
        except (OSError, tf.errors.OpError) as error:
            raise InputError(
                f"cannot write the figures of step {step} to {self._file.path.parent}:"
                f" {reason(error)}"
            ) from error

    def _plot(self, step: int, split: str, values: Mapping[str, Any]) -> None:
        if split not in self._events:
            directory = str(self._event_directory / split)
            self._events[split] = tf.summary.create_file_writer(directory)
        with self._events[split].as_default(step=step):
            for name, value in values.items():
                if isinstance(value, (int, float)) and math.isfinite(value):
                    tf.summary.scalar(name, value)
        self._events[split].flush()

    def message(self, text: str) -> None:
        """Prints a line without tearing the bar."""
        if self._file:
            self._bar.write(text, file=sys.stderr)


def without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with null for numbers that JSON does not have: NaN and infinities."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
