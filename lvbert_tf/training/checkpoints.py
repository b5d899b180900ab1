"""Checkpoints that a kill at any moment cannot corrupt.

A checkpoint is a directory `step-00001234/` holding one TensorFlow checkpoint. It is written under
a temporary name, flushed to disk and renamed, so a directory with the final name is always whole. In a
bucket it is whole when its marker says so (`io/bucket_directories`).
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from lvbert_tf.errors import InputError, reason
from lvbert_tf.io import whole
from lvbert_tf.io.bucket_directories import is_half_written, is_whole, local_copy
from lvbert_tf.io.objects import StoreError
from lvbert_tf.io.paths import parse_path
from lvbert_tf.io.temporary import plain_prefix

_NAME = re.compile(r"step-\d+")
_PREFIX = "state"
# What TensorFlow raises on a truncated, altered or missing file (IndexError: shorter than its index).
_UNREADABLE = (tf.errors.OpError, OSError, ValueError, RuntimeError, IndexError)


class Checkpoints:
    """The checkpoints of one run.

    Args:
      directory: the directory of the checkpoints; it is created at the first save.
      keep: how many of the newest checkpoints are kept; 0 or None keeps all.
      writer: whether this process writes. With several workers only one does, and all of them must
        see the same directory.
      io_device: the device that reads and writes files, see `distribution.io_device`. By default each
        variable is written where it is.
      **state: the objects to save, each under its keyword: a dict of Keras variables, an optimizer, a
        tf.Module or a tf.Variable. The weights of the model are `weights=`, a dict by name, and their
        averages, if there are any, `averages=`, a dict with the same names.
    """

    def __init__(
        self,
        directory: str | Path,
        keep: int | None,
        writer: bool = True,
        io_device: str | None = None,
        **state,
    ):
        self.directory = parse_path(directory)
        self.keep = keep
        self.writer = writer
        self._checkpoint = tf.train.Checkpoint(**state)
        self._options = tf.train.CheckpointOptions(experimental_io_device=io_device)
        self._damaged: list[int] = []  # steps whose checkpoints were passed over

    def steps(self) -> list[int]:
        """The steps that have a checkpoint, oldest first."""
        return [step_of(path) for path in step_paths(self.directory)]

    def path(self, step: int) -> Path:
        """The directory of a step's checkpoint."""
        return self.directory / f"step-{step:08d}"

    def save(self, step: int) -> Path:
        """Writes the state as the checkpoint of `step`, then removes the oldest ones beyond `keep`.

        Damaged checkpoints that `restore_latest` passed over are renamed `damaged-step-...` before, so
        that they neither count as one of `keep` nor stand in the way of a whole one.

        Raises:
          InputError: the checkpoint cannot be written, for example on a full disk; older ones stay.
        """
        path = self.path(step)
        if not self.writer:
            return path
        try:
            for damaged in map(self.path, self._damaged):
                whole.move_away(damaged, damaged.with_name(f"damaged-{damaged.name}"))
            self._damaged.clear()
            if is_whole(path):
                return path
            # Drafts of all steps share one name, so that a save also removes the draft of another step
            # that a killed process left behind.
            with whole.draft(self.directory / "checkpoint") as temporary:
                self._checkpoint.write(str(temporary / _PREFIX), self._options)
                whole.publish(temporary, path)
        except (OSError, tf.errors.OpError) as error:
            raise InputError(f"cannot write {path}: {reason(error)}") from error
        for old in self.steps()[: -self.keep] if self.keep else []:
            whole.remove(self.path(old))
        for leftover in self.directory.iterdir():
            # Of earlier releases, or what a killed process wrote of a checkpoint in a bucket.
            if leftover.name.startswith(".writing-") or is_half_written(leftover):
                whole.remove(leftover)
        return path

    def restore_latest(self, report: Callable[[str], None]) -> int | None:
        """Restores the newest readable checkpoint.

        Args:
          report: called with one line for each damaged checkpoint that is passed over.

        Returns:
          its step, or None if there are no checkpoints.

        Raises:
          InputError: there are checkpoints but none can be read, or the newest holds less than the
            state of a run.
        """
        steps = self.steps()
        self._damaged.clear()
        for step in reversed(steps):
            with local_copy(self.path(step), wholly=False) as local:
                damage = find_damage(local)
                if damage is None:
                    self._read(local, step)
                    return step
            report(f"checkpoint {self.path(step)} is damaged ({damage}); using an older one")
            self._damaged.append(step)
        if steps:
            raise InputError(
                f"no checkpoint in {self.directory} can be read; put a good copy back, or move"
                " the directory away to start from the beginning"
            )
        return None

    def _read(self, local: Path, step: int) -> None:
        with plain_prefix(local / _PREFIX) as prefix:
            status = self._checkpoint.read(str(prefix), self._options)
        try:
            status.assert_existing_objects_matched()
        except AssertionError as error:
            raise InputError(
                f"{self.path(step)} has the weights of a model, but no run to continue;"
                " start another run and name it as init_checkpoint"
            ) from error


def step_paths(directory: str | Path) -> list[Path]:
    """The checkpoints in a `checkpoints/` directory, oldest first."""
    directory = parse_path(directory)
    paths = directory.iterdir() if directory.is_dir() else ()
    named = (path for path in paths if _NAME.fullmatch(path.name))
    return sorted((path for path in named if not is_half_written(path)), key=step_of)


def is_checkpoint(path: Path) -> bool:
    """Whether a path is the directory of a checkpoint, of which files may be missing."""
    return _NAME.fullmatch(path.name) is not None or any(path.glob(f"{_PREFIX}.*"))


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """The weights in a checkpoint as arrays, by name: their averages where the run has kept them."""
    found = {}
    with local_copy(path) as local, plain_prefix(local / _PREFIX) as prefix:
        reader = tf.train.load_checkpoint(str(prefix))
        keys = reader.get_variable_to_shape_map()
        kept = "averages/" if any(key.startswith("averages/") for key in keys) else "weights/"
        for key in keys:
            if key.startswith(kept):
                name = key.removeprefix(kept).removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
                found[name.replace("..", ".")] = reader.get_tensor(key)  # TensorFlow doubles dots
    return found


def find_damage(path: Path) -> str | None:
    """Reads every array of a checkpoint and checks its checksum.

    Returns:
      what is damaged, or None if the checkpoint is whole.
    """
    try:
        with local_copy(path, wholly=False) as local, plain_prefix(local / _PREFIX) as prefix:
            reader = tf.train.load_checkpoint(str(prefix))
            for name in reader.get_variable_to_shape_map():
                reader.get_tensor(name)
    except StoreError:  # which says nothing of the checkpoint
        raise
    except _UNREADABLE as error:
        return " ".join(str(error).split())[:120]
    return None


def step_of(path: Path) -> int:
    """The step that a checkpoint's directory is named after."""
    return int(path.name.removeprefix("step-"))
