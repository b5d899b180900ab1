"""Directories that are removed in the end: by the next process, if theirs is killed.

Each holds a lock file, whose lock the system frees when the process ends.
"""

import contextlib
import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lvbert_tf.errors import InputError, reason
from lvbert_tf.io import locks
from lvbert_tf.io.paths import parse_path

LOCK_NAME = ".lock"
_MKDTEMP_CHARACTERS = 8 * "[a-z0-9_]"


@contextlib.contextmanager
def locked_directory(parent: Path, beginning: str) -> Iterator[Path]:
    """Yields a new directory with a lock file, and removes it in the end, if it was not renamed.

    Args:
      parent: where it is made.
      beginning: of its name, which eight characters follow.
    """
    with contextlib.ExitStack() as stack:
        while True:
            directory = parse_path(tempfile.mkdtemp(prefix=beginning, dir=parent))
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            # Until it is locked, `remove_left` of another process takes it for one that was left.
            with contextlib.suppress(FileNotFoundError, locks.Held):
                stack.enter_context(locks.holding(directory / LOCK_NAME))
                break
        yield directory


def remove_left(parent: Path, beginning: str, without_locks: bool) -> bool:
    """Removes what processes that were killed left of `locked_directory`, as far as that is possible.

    Args:
      parent: where it was made.
      beginning: of its name.
      without_locks: whether to remove it also where the file system has no locks. There, a directory
        that is in use looks the same.

    Returns:
      whether another process has such a directory.
    """
    in_use = False
    for directory in parent.glob(glob.escape(beginning) + _MKDTEMP_CHARACTERS):
        try:
            with locks.holding(directory / LOCK_NAME) as locked:
                if locked or without_locks:
                    shutil.rmtree(directory, ignore_errors=True)
        except locks.Held:
            in_use = True
        except OSError:  # it was just renamed or removed, or it is another user's
            continue
    return in_use


@contextlib.contextmanager
def scratch_directory() -> Iterator[Path]:
    """Yields an empty directory on this machine, for copies of what is in a bucket.

    Raises:
      InputError: see `private_folder`.
    """
    folder, beginning = private_folder(), "copy-"
    remove_left(folder, beginning, without_locks=False)
    with locked_directory(folder, beginning) as directory:
        files = directory / "files"  # beside the lock file
        files.mkdir()
        yield files


@contextlib.contextmanager
def plain_prefix(prefix: Path) -> Iterator[Path]:
    """Yields a checkpoint's prefix without the characters that TensorFlow takes for wildcards.

    TensorFlow writes a checkpoint whose path has `*`, `?` or `[`, but does not find it again. So it
    reads such a one through links.
    """
    if glob.escape(str(prefix)) == str(prefix):
        yield prefix
        return
    with scratch_directory() as directory:
        for file in prefix.parent.glob(f"{glob.escape(prefix.name)}.*"):
            link = directory / f"checkpoint{file.name.removeprefix(prefix.name)}"
            link.symlink_to(file.absolute())
        yield directory / "checkpoint"


def private_folder() -> Path:
    """The folder of this user in the directory for temporary files, where nobody else can write.

    Raises:
      InputError: it cannot be created, or what is there is somebody else's.
    """
    folder = Path(tempfile.gettempdir()) / f"lvbert_tf-{os.getuid()}"
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(0o700)
        status = folder.lstat()
    except OSError as error:
        raise InputError(f"cannot create {folder}: {reason(error)}") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise InputError(
            f"{folder} is not a directory of this user; remove it, or set TMPDIR to another directory"
        )
    return folder
