"""An object store for tests: gs:// in a directory of this machine, which several processes share.

It has what object stores have in common and no more: an object is put as a whole, and read, listed and
removed as soon as it is. There are no directories, no renaming and no appending. fsspec finds it by the
entry point beside this file where this folder is on the path of Python, as it finds any other package.

The environment variable OBJECT_STORE names the directory. One object is one file, whose name is the
quoted name of the object.
"""

import io
import os
import urllib.parse
import uuid
from pathlib import Path

from fsspec.spec import AbstractFileSystem


class DirectoryStore(AbstractFileSystem):
    protocol = "gs"
    cachable = False

    @property
    def _root(self):
        return Path(os.environ["OBJECT_STORE"])

    @classmethod
    def _strip_protocol(cls, path):
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return path.removeprefix("gs://").rstrip("/")

    def _file(self, path):
        return self._root / urllib.parse.quote(self._strip_protocol(path), safe="")

    def _objects(self):
        for entry in os.scandir(self._root):
            if not entry.name.startswith("~"):
                try:
                    yield urllib.parse.unquote(entry.name), entry.stat().st_size
                except FileNotFoundError:  # removed or replaced meanwhile
                    continue

    def info(self, path, **_):
        name = self._strip_protocol(path)
        try:
            status = self._file(path).stat()
            return {"name": name, "type": "file", "size": status.st_size, "mtime": status.st_mtime}
        except FileNotFoundError:
            if any(other.startswith(f"{name}/") for other, _ in self._objects()):
                return {"name": name, "type": "directory", "size": 0}
            raise FileNotFoundError(path) from None

    def ls(self, path, detail=True, **_):
        name = self._strip_protocol(path)
        found = {}
        for other, size in self._objects():
            if other.startswith(f"{name}/"):
                first, slash, _rest = other[len(name) + 1 :].partition("/")
                kind = "directory" if slash else "file"
                found[first] = {
                    "name": f"{name}/{first}",
                    "type": kind,
                    "size": 0 if slash else size,
                }
        if not found:
            found = {name: self.info(path)}
        return list(found.values()) if detail else [one["name"] for one in found.values()]

    def cat_file(self, path, start=None, end=None, **options):
        if start is not None and start >= self.info(path)["size"]:
            raise OSError(22, "The requested range is not satisfiable")
        return super().cat_file(path, start, end, **options)

    def _open(self, path, mode="rb", **_):
        if mode == "rb":
            return self._file(path).open("rb")
        if mode in ("wb", "xb"):
            return _Upload(self, path, new=mode == "xb")
        raise NotImplementedError(f"an object store has no mode {mode}")

    def pipe_file(self, path, value, mode="overwrite", **_):
        """Puts an object; with mode "create" the store refuses one that is there."""
        self.put_object(path, value, new=mode == "create")

    def put_object(self, path, content, new):
        temporary = self._root / f"~{uuid.uuid4().hex}"
        temporary.write_bytes(content)
        try:
            if new:
                os.link(temporary, self._file(path))
            else:
                os.replace(temporary, self._file(path))
        finally:
            temporary.unlink(missing_ok=True)

    def rm_file(self, path):
        self._file(path).unlink()

    def mkdir(self, path, create_parents=True, **_):
        raise NotImplementedError("an object store has no directories")

    def makedirs(self, path, exist_ok=False):
        """Nothing: `put` calls it for every file."""

    def mv(self, *_, **__):
        raise NotImplementedError("an object store has no renaming")

    cp_file = mv


class _Upload(io.BytesIO):
    def __init__(self, store, path, new):
        super().__init__()
        self._put = lambda content: store.put_object(path, content, new)

    def __exit__(self, kind, *rest):
        if kind is None:
            self._put(self.getvalue())
        super().close()

    def close(self):
        raise AssertionError(
            "an upload that is not in a with block would appear after an exception"
        )
