"""SIGTERM and SIGINT as requests to save and to end."""

import signal
from types import FrameType
from typing import Any


class StopRequest:
    """Records the first SIGTERM or SIGINT while its context is open; a second SIGINT ends the process.

    Attributes:
      signal: the number of the signal, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._previous: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 + the signal, as a shell reports it: 143 for SIGTERM, 130 for SIGINT."""
        return 128 + (self.signal or signal.SIGTERM)

    def __enter__(self) -> "StopRequest":
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
