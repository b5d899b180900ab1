"""Files that grow, such as logs, also in buckets, where nothing can be appended."""

import contextlib
from pathlib import Path

from lvbert_tf.io.paths import BucketPath
from lvbert_tf.io.temporary import scratch_directory


class Mirror:
    """A directory of files that grow. Those of a bucket are written on this machine, and copied whole.

    Args:
      directory: the directory in which others find the files.

    Attributes:
      local: the directory to write in: `directory` itself where it is on this machine.
    """

    def __init__(self, directory: Path):
        self._bucket = directory if isinstance(directory, BucketPath) else None
        self._scratch = contextlib.ExitStack()
        self.local = directory
        if self._bucket:
            self.local = self._scratch.enter_context(scratch_directory())
        self._pushed: dict[
            Path, tuple[int, int]
        ] = {}  # file -> its size and time when it was copied

    def fetch(self, name: str) -> None:
        """Copies a file of the directory to this machine, if there is one."""
        if self._bucket and (self._bucket / name).exists():
            self._bucket.download({name: self.local / name})

    def push(self) -> None:
        """Copies to the bucket the files that have changed since the last time.

        Raises:
          OSError: the store cannot be used.
        """
        if not self._bucket:
            return
        paths = [path for path in self.local.rglob("*") if path.is_file()]
        states = {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}
        changed = [path for path, state in states.items() if self._pushed.get(path) != state]
        if changed:
            self._bucket.upload({path: path.relative_to(self.local).as_posix() for path in changed})
            self._pushed = states

    def close(self) -> None:
        """Copies what has changed. It may be called twice.

        Raises:
          OSError: the store cannot be used.
        """
        if self._bucket and self.local.exists():
            self.push()
            self._scratch.close()
