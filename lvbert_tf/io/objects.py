"""What the packages of object stores give, in Python's terms: files, times, errors."""

import contextlib
import datetime
import errno
import io
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from lvbert_tf.errors import InputError


class StoreError(OSError, InputError):
    """An object store refused an operation, or could not be reached."""

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


class MissingObject(FileNotFoundError, InputError):
    """There is no such object, or no such bucket."""

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


def store_of(path: PurePath) -> Any:
    """The fsspec file system of a path in a bucket."""
    import fsspec  # here, because it takes a fifth of a second

    # Other processes write there too: no listing may be remembered.
    return fsspec.filesystem(path.parts[0][:-1], use_listings_cache=False)


class ObjectReader(io.RawIOBase):
    """An object as a file, whose errors are those of files."""

    def __init__(self, path: PurePath):
        super().__init__()
        self._path = path
        with explained(path):
            self._file = store_of(path).open(str(path), "rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        with explained(self._path):
            content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def nanoseconds(info: dict[str, Any]) -> int:
    """When an object was written, by the names under which stores say it; 0 if none does."""
    when = info.get("LastModified") or info.get("mtime") or info.get("updated") or 0
    if isinstance(when, str):
        when = datetime.datetime.fromisoformat(when)
    if isinstance(when, datetime.datetime):
        when = when.timestamp()
    return int(when * 1e9)


@contextlib.contextmanager
def explained(path: PurePath) -> Iterator[None]:
    """Turns whatever a store's package raises into an OSError that names the path."""
    try:
        yield
    except (InputError, InterruptedError):
        raise
    except FileNotFoundError as error:
        raise MissingObject(errno.ENOENT, "No such object or bucket", str(path)) from error
    except FileExistsError as error:
        raise FileExistsError(errno.EEXIST, "There is such an object", str(path)) from error
    except Exception as error:
        number = error.errno if isinstance(error, OSError) and error.errno else errno.EIO
        said = " ".join(str(error).split()) or type(error).__name__
        raise StoreError(number, said, str(path)) from error
