"""Progress bars of what goes to buckets and comes from them.

Imported where it is used: fsspec takes a fifth of a second, and programs without buckets need not wait.
"""

from typing import Any

from fsspec.callbacks import Callback
from tqdm import tqdm


class OfFiles(Callback):
    """Moves a bar by the bytes of every file, which fsspec reports to a callback of its own."""

    def __init__(self, bar: tqdm):
        super().__init__()
        self._bar = bar

    def branched(self, path_1: Any, path_2: Any, **_: Any) -> Callback:
        return _OfOneFile(self._bar)


class _OfOneFile(Callback):
    def __init__(self, bar: tqdm):
        super().__init__()
        self._bar = bar

    def relative_update(self, inc: int = 1) -> None:
        self._bar.update(inc)
