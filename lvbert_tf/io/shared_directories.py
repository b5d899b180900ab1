"""Directories that many machines write to at the same time, and that appear whole or not at all.

On a disk that all of them mount this is a draft, as for one process. In a bucket, where one process
would write on its own disk first and copy all of it, every machine writes its objects to their final
place, and the marker says that they are not whole until all are there.
"""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from lvbert_tf.errors import InputError
from lvbert_tf.io import locks
from lvbert_tf.io.bucket_directories import begin_directory, complete_directory, remove_directory
from lvbert_tf.io.paths import BucketPath
from lvbert_tf.io.whole import check_replaceable, draft, new_output


@contextlib.contextmanager
def shared_output(path: Path, overwrite: bool, is_ours: Callable[[str], bool]) -> Iterator[Path]:
    """As `new_output`; yields the directory that all machines write to, with `shared_file`.

    In a bucket, a directory that is replaced is gone when the block begins.
    """
    if not isinstance(path, BucketPath):
        with new_output(path, overwrite, is_ours) as directory:
            yield directory
            for leftover in directory.glob(".*.part"):  # of machines that were lost
                leftover.unlink()
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locks.holding(path.with_name(f".{path.name}.lease")))
        except locks.Held as held:
            raise InputError(f"{path} is being written by another process, {held}") from None
        check_replaceable(path, overwrite, is_ours)
        begin_directory(path, overwrite)
        try:
            yield path
            complete_directory(path, {})
        except BaseException:
            remove_directory(path)
            raise


@contextlib.contextmanager
def shared_draft(path: Path) -> Iterator[Path]:
    """Yields an empty directory beside a path, to which all machines can write; then removes it."""
    if not isinstance(path, BucketPath):
        with draft(path) as directory:
            yield directory
        return
    directory = path.with_name(f".tmp-{path.name}-{secrets.token_hex(4)}")
    try:
        yield directory
    finally:
        remove_directory(directory)


@contextlib.contextmanager
def shared_file(directory: Path, name: str) -> Iterator[BinaryIO]:
    """A file in a shared directory that gets its name when it is whole.

    Several machines may write the same file at the same time, if its content is the same.
    """
    place = None if isinstance(directory, BucketPath) else directory
    with tempfile.NamedTemporaryFile(
        dir=place, prefix=f".{name}.", suffix=".part", delete=False
    ) as file:
        temporary = Path(file.name)
        try:
            yield cast(BinaryIO, file)
            file.flush()
            if isinstance(directory, BucketPath):
                directory.upload({temporary: name})
            else:
                os.fchmod(file.fileno(), 0o644)
                os.replace(temporary, directory / name)
        finally:
            temporary.unlink(missing_ok=True)
