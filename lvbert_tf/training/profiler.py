"""A profile of some steps of a run, for TensorBoard."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from lvbert_tf.io.mirrors import Mirror
from lvbert_tf.settings.schedule import StepRange


class Profiler:
    """Records what host and devices do during some steps.

    Args:
      directory: TensorBoard's directory, which gets `plugins/profile/TIME/`. Unused without `steps`.
      steps: the steps to record; None records nothing.
    """

    def __init__(self, directory: Path | None = None, steps: StepRange | None = None):
        self.directory = directory
        self.steps = steps
        self._mirror: Mirror | None = None
        self._running = False

    @contextlib.contextmanager
    def around(self, step: int) -> Iterator[None]:
        """Wraps the call of the step function that starts after `step`.

        Within `steps` each call must do one step, so that the profile shows it under its number.
        """
        if self.steps is None or step not in self.steps:
            yield
            return
        if not self._running:
            assert self.directory is not None
            self._mirror = Mirror(self.directory)
            tf.profiler.experimental.start(str(self._mirror.local))
            self._running = True
        with tf.profiler.experimental.Trace("train", step_num=step + 1, _r=1):
            yield
        if step + 1 not in self.steps:
            self.close()

    def close(self) -> None:
        """Writes the profile, also of a run that ends before the last of the steps."""
        if self._running:
            tf.profiler.experimental.stop()
            self._running = False
            assert self._mirror is not None
            self._mirror.close()


NO_PROFILE = Profiler()
