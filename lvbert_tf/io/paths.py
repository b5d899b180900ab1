"""Paths that a user gives: on this machine, or in a bucket of an object store (gs://, s3://).

`parse_path` makes a path of a text, and nothing else in the package does: `pathlib.Path("gs://bucket/file")`
would be a local path. A `BucketPath` is a `Path` whose operations go to the store. Those that no store
has, such as renaming, and everything that hands a path to the operating system or to a library, raise an
InputError: a path in a bucket is never taken for a local one by mistake.
"""

import fnmatch
import io
import os
import re
import stat
from collections.abc import Callable, Generator, Iterator
from pathlib import Path, PosixPath, PurePath, PurePosixPath
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.io.objects import ObjectReader, explained, nanoseconds, store_of

# The scheme of a store -> the extra of this package that reads it, and the package of that extra.
_STORES = {"gs": ("gcs", "gcsfs"), "s3": ("s3", "s3fs")}
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_MISSPELT_URL = re.compile(rf"({'|'.join(_STORES)}):/")
MAGIC = re.compile(r"[*?[]")
"""What makes a name a pattern."""


def parse_path(text: "str | os.PathLike[str]") -> Path:
    """Makes a path of a text that a user gave.

    Args:
      text: a local path, `gs://BUCKET/...` or `s3://BUCKET/...`; or a path, which is returned as it is.

    Raises:
      InputError: the scheme is another one, there is no bucket, or the package is missing that reads
        from the store.
    """
    if isinstance(text, Path):
        return text
    text = os.fspath(text)
    url = _URL.match(text)
    if not url:
        if _MISSPELT_URL.match(text):
            raise InputError(
                f"{text}: a path in a bucket is written {text.replace(':/', '://', 1)}"
            )
        return Path(text)
    scheme, key = url.groups()
    if scheme not in _STORES:
        known = " or ".join(f"{store}://BUCKET/..." for store in _STORES)
        raise InputError(f"{text}: {scheme}:// is not supported; give a local path, {known}")
    parts = key.split("/")
    if not parts[0] or ".." in parts:
        raise InputError(f"{text}: expected {scheme}://BUCKET/... without '..'")
    extra, package = _STORES[scheme]
    import fsspec  # here, because it takes a fifth of a second

    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        raise InputError(
            f"{text}: {scheme}:// needs the package {package}: pip install 'lvbert_tf[{extra}]'"
        ) from error
    return BucketPath(text)


def resolved(text: "str | os.PathLike[str]") -> Path:
    """The path of a text with what its links lead to in their place.

    Raises:
      InputError: the links lead in a circle; or see `parse_path`.
    """
    path = parse_path(text)
    try:
        return path.resolve()
    except (RuntimeError, OSError) as error:  # a RuntimeError in Python 3.11
        raise InputError(f"{path}: the links of this path lead in a circle") from error


def in_bucket(text: "str | os.PathLike[str]") -> bool:
    """Whether a text or a path names something in a bucket; see `parse_path`."""
    return isinstance(text, BucketPath) or (isinstance(text, str) and bool(_URL.match(text)))


def under(directory: Path, text: str) -> Path:
    """A path that a user gave in a file: an absolute one, one in a bucket, or one under a directory."""
    return parse_path(text) if in_bucket(text) or text.startswith("/") else directory / text


class BucketPath(PosixPath):
    """An object in a bucket, or all objects whose names begin with `PATH/`, which are its directory.

    There are no directories in a bucket: `mkdir` does nothing, and what no object is in does not exist.
    An object appears when it is written whole, and is never changed, only replaced.
    """

    def __str__(self) -> str:
        scheme, *names = self.parts
        return f"{scheme}//{'/'.join(names)}"

    def __fspath__(self) -> str:
        raise InputError(f"{self} is in a bucket, but a path on this machine is needed here")

    # === Names ===

    def is_absolute(self) -> bool:
        """Always: it is relative to nothing."""
        return True

    def absolute(self) -> "BucketPath":
        """The path itself."""
        return self

    def resolve(self, strict: bool = False) -> "BucketPath":
        """The path itself: there are no links."""
        return self

    def relative_to(self, *other: Any) -> Any:
        """The names that follow those of a directory, as a `PurePosixPath`."""
        return PurePosixPath(*self.parts).relative_to(
            *(PurePosixPath(*PurePath(p).parts) for p in other)
        )

    # === What is there ===

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """The kind of what is at the path, its size in bytes, and when it was written, if known.

        Raises:
          FileNotFoundError: there is nothing.
        """
        info = self._call(lambda store: store.info(str(self)))
        mode = stat.S_IFDIR if info["type"] == "directory" else stat.S_IFREG
        written = nanoseconds(info)
        seconds = written // 1_000_000_000
        fields = (mode | 0o666, 0, 0, 1, 0, 0, info.get("size") or 0, seconds, seconds, seconds)
        return os.stat_result(fields, {"st_mtime_ns": written})

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Whether there is an object, or a directory."""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Whether there are objects in the directory."""
        try:
            return stat.S_ISDIR(self.stat().st_mode)
        except FileNotFoundError:
            return False

    def is_file(self) -> bool:
        """Whether there is an object."""
        try:
            return stat.S_ISREG(self.stat().st_mode)
        except FileNotFoundError:
            return False

    def is_symlink(self) -> bool:
        """Never."""
        return False

    def iterdir(self) -> Generator["BucketPath", None, None]:
        """The objects and directories in the directory; none where nothing is."""
        try:
            names = self._call(lambda store: store.ls(str(self), detail=False))
        except FileNotFoundError:
            return
        own = "/".join(self.parts[1:])  # stores list an object, or a folder, in itself
        keys = {name.removeprefix(f"{self.parts[0]}//").strip("/") for name in names}
        for key in sorted(keys - {own}):
            yield self / key.rpartition("/")[2]

    def glob(self, pattern: str) -> Generator["BucketPath", None, None]:
        """What matches a pattern of names with wildcards; `**` is not among them."""
        first, _, rest = pattern.partition("/")
        if not MAGIC.search(first):
            found: Iterator[BucketPath] = iter([self / first])
        else:
            found = (child for child in self.iterdir() if fnmatch.fnmatchcase(child.name, first))
        for child in found:
            if rest:
                yield from child.glob(rest)
            elif MAGIC.search(first) or child.exists():
                yield child

    def objects(self) -> dict[str, int]:
        """The names of all objects below the directory, relative to it, and their sizes in bytes.

        Raises:
          InputError: a name leads out of the directory.
        """
        found = self._call(lambda store: store.find(str(self), detail=True))
        start = len(self.parts) - 1
        sizes = {}
        for full, info in found.items():
            names = full.rstrip("/").split("/")[start:]
            if not names or full.endswith(
                "/"
            ):  # the object itself, or what consoles write for a folder
                continue
            if ".." in names or "" in names or "." in names:
                raise InputError(
                    f"{self}: an object in it is named {full!r}, which is no file's name"
                )
            sizes["/".join(names)] = int(info["size"])
        return dict(sorted(sizes.items()))

    # === Reading and writing ===

    def open(  # type: ignore[override]
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        """Opens an object for reading; modes that write raise an InputError."""
        if mode not in ("r", "rt", "rb"):
            raise InputError(f"{self} is in a bucket, where files can only be written as a whole")
        raw = ObjectReader(self)
        if mode == "rb" and buffering == 0:
            return raw
        buffered = io.BufferedReader(raw, buffering if buffering > 1 else 1 << 20)
        return buffered if mode == "rb" else io.TextIOWrapper(buffered, encoding, errors, newline)

    def read_bytes(self, start: int | None = None, end: int | None = None) -> bytes:
        """The content of an object, or its bytes from `start` on and before `end`."""
        return self._call(lambda store: store.cat_file(str(self), start=start, end=end))

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """The content of an object as text."""
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def write_bytes(self, data: Any, new: bool = False) -> int:
        """Writes a whole object.

        Args:
          data: its content.
          new: whether to raise a FileExistsError if there is one of this name. Of several processes that
            try at the same time one succeeds.
        """
        content = bytes(data)
        mode = "create" if new else "overwrite"
        self._call(lambda store: store.pipe_file(str(self), content, mode=mode))
        return len(content)

    def write_text(
        self,
        data: str,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> int:
        """Writes a whole object of text."""
        return self.write_bytes(data.encode(encoding or "utf-8", errors or "strict"))

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Does nothing."""

    def unlink(self, missing_ok: bool = False) -> None:
        """Removes an object."""
        try:
            self._call(lambda store: store.rm_file(str(self)))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def upload(self, files: dict[Path, str], callback: Any = None) -> None:
        """Writes local files to names below the directory, many at a time.

        Args:
          files: local file -> its name here.
          callback: of fsspec, told of progress.
        """
        extra = {"callback": callback} if callback else {}
        names = [f"{self}/{name}" for name in files.values()]
        self._call(lambda store: store.put([str(file) for file in files], names, **extra))

    def download(self, files: dict[str, Path], callback: Any = None) -> None:
        """Writes objects below the directory to local files, many at a time.

        Args:
          files: the name of an object -> the local file, whose directory is created.
          callback: of fsspec, told of progress.
        """
        extra = {"callback": callback} if callback else {}
        for file in files.values():
            file.parent.mkdir(parents=True, exist_ok=True)
        names = [f"{self}/{name}" for name in files]
        self._call(lambda store: store.get(names, [str(file) for file in files.values()], **extra))

    def remove(self, names: list[str]) -> None:
        """Removes objects below the directory."""
        for name in names:
            (self / name).unlink(missing_ok=True)

    def _call(self, operation: Callable[[Any], Any]) -> Any:
        with explained(self):
            return operation(store_of(self))
