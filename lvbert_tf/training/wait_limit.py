"""A limit to how long a worker waits for the others."""

import threading
import time
from collections.abc import Callable
from typing import Self


class WaitLimit:
    """Ends the process if the next sign of life of the other workers takes too long.

    TensorFlow notices within some ten seconds that a worker was killed or that its machine is gone, and
    raises an error in the others. It does not notice one that lives but does not take part, for example
    because a disk does not answer. A computation that waits for such a worker does not return, and no
    exception can be raised in it; so a thread ends the process.

    Args:
      seconds: how long to wait after the context was entered, and after each call of `start_again`.
      message: what has been waited for, for the user.
      give_up: called with the message, in a thread of its own. It has to end the process.
    """

    def __init__(self, seconds: float, message: str, give_up: Callable[[str], object]):
        self._seconds = seconds
        self._message = message
        self._give_up = give_up
        self._over = threading.Event()
        self._deadline = 0.0

    def start_again(self) -> None:
        """Notes that the others have answered."""
        self._deadline = time.monotonic() + self._seconds

    def __enter__(self) -> Self:
        self.start_again()
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *exception) -> None:
        self._over.set()

    def _watch(self) -> None:
        while (left := self._deadline - time.monotonic()) > 0:
            if self._over.wait(left):
                return
        self._give_up(f"{self._message} for {self._seconds:g} seconds (worker_timeout)")
