"""Requests to save and to end: SIGTERM, SIGINT, and the end of the time that a run may take."""

import math
import signal
import time
from types import FrameType
from typing import Any


class StopRequest:
    """Records the first SIGTERM or SIGINT while its context is open; a second SIGINT ends the process.

    Args:
      max_hours: the time after which the request is made without a signal; None waits for a signal.
      since: the `time.monotonic()` from which that time counts; None: when the context is entered.

    Attributes:
      signal: the number of the signal, or None.
    """

    def __init__(self, max_hours: float | None = None, since: float | None = None) -> None:
        self.signal: int | None = None
        self._seconds = math.inf if max_hours is None else max_hours * 3600
        self._start, self._since = math.inf, since
        self._previous: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self.signal is not None or self.time_is_over

    @property
    def time_is_over(self) -> bool:
        """Whether `max_hours` have passed."""
        return time.monotonic() - self._start >= self._seconds

    @property
    def exit_code(self) -> int:
        """128 + the signal: 143 for SIGTERM or the end of the time, 130 for SIGINT."""
        return 128 + (self.signal or signal.SIGTERM)

    def __enter__(self) -> "StopRequest":
        self._start = time.monotonic() if self._since is None else self._since
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = self.signal or number
        # Whoever interrupts twice does not want to wait; the checkpoints on disk stay whole.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
