"""A directory that takes long to write, and whose writing goes on after a kill.

While `OUT` is written there is `.tmp-OUT-unfinished` beside it, with a lock, the files written so far
and `state.json`: what the writer needs to continue. The state is replaced as a whole, after what it
speaks of is on the disk. So a kill or a crash of the machine at any moment leaves a state that is true:
the files may have more than it says, never less. When all is written, the files get the name `OUT` in
one step.

For an output in a bucket the unfinished directory may be anywhere on this machine, since `publish` then
copies the files; such a writer continues on the same machine only.
"""

import contextlib
import errno
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.io import locks, whole
from lvbert_tf.io.sealed import read_sealed_json, write_sealed_json

_STATE_NAME = "state.json"
_LOCK_NAME = ".lock"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass
class Unfinished:
    """The directory that is being written.

    Attributes:
        directory: where the files are written.
        key: what the files depend on; a state is of use only to a writer with the same key.
        state: what was saved last, by this process or by one that was killed; None if nothing was.
    """

    directory: Path
    key: Mapping[str, Any]
    state: Any = None

    def save(self, state: Any) -> None:
        """Replaces the state.

        Args:
            state: a value for JSON. All that it says of the files must be on the disk already: they are
                flushed, but the directory need not be.
        """
        whole.flush(self.directory)
        write_sealed_json(self._file, {"key": dict(self.key), "state": state})
        self.state = state

    def begin_again(self) -> None:
        """Removes the state and all files."""
        self.state = None
        self._file.unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir()

    def load(self) -> str | None:
        """Takes up the state that is there, if it has this key; otherwise removes it.

        Returns:
            Why it was removed; None if it was not.
        """
        why = None
        if self._file.exists():
            try:
                saved = read_sealed_json(self._file)
                changed = [name for name in self.key if saved["key"].get(name) != self.key[name]]
                why = f"{changed[0]} changed" if changed else None
                self.state = saved["state"]
            except (InputError, KeyError, AttributeError):
                why = f"{self._file} is damaged"
        if why or self.state is None or not self.directory.is_dir():
            self.begin_again()
        return why

    @property
    def _file(self) -> Path:
        return self.directory.with_name(_STATE_NAME)


@contextlib.contextmanager
def unfinished_output(
    path: Path,
    key: Mapping[str, Any],
    overwrite: bool,
    is_ours: Callable[[str], bool],
    on_note: Callable[[str], object],
) -> Iterator[Unfinished]:
    """Yields the unfinished directory of an output, which gets the name `path` when the block ends.

    When the block fails, what was saved stays for the next call, as after a kill.

    Args:
        path: the directory to make. An empty one may exist.
        key: names, and values for JSON, of all that the files depend on.
        overwrite: whether to replace a directory that is not empty.
        is_ours: takes the name of a file in the old directory; returns whether it may be replaced.
        on_note: called with a line for the user about an earlier state that is of no use, and about one
            that stays.

    Raises:
        InputError: the directory exists, holds other files, is being written by another process, cannot
            be created, or the disk is full.
    """
    whole.check_replaceable(path, overwrite, is_ours)
    place = whole.local_place(path)
    root = place.with_name(f".tmp-{place.name}-unfinished")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_locked(root))
            if place is path:
                whole.restore_replaced(path)
            else:  # other machines may write it too
                stack.enter_context(locks.holding(path.with_name(f".{path.name}.lease")))
            unfinished = Unfinished(root / "files", key)
            why = unfinished.load()
        except locks.Held:
            raise InputError(f"{path} is being written by another process") from None
        except OSError as error:
            raise InputError(f"cannot write to {path}: {error.strerror}") from error
        if why:
            on_note(f"starting again, not continuing what an earlier run left of {path}: {why}")
        stack.callback(_leave, root, unfinished, on_note)
        try:
            yield unfinished
            whole.check_replaceable(path, overwrite, is_ours)
            whole.publish(unfinished.directory, path, replace=overwrite)
            unfinished.state = None
        except OSError as error:
            if error.errno not in _FULL:
                raise
            kept = unfinished.state is not None
            rest = "make room, and the same command continues" if kept else "nothing was written"
            raise InputError(f"{error.strerror}: {path}; {rest}") from error


def _leave(root: Path, unfinished: Unfinished, on_note: Callable[[str], object]) -> None:
    if unfinished.state is None:
        shutil.rmtree(root, ignore_errors=True)
    else:
        on_note(f"what was written so far stays in {root}, and the same command continues it")


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Creates a directory and locks it."""
    with contextlib.ExitStack() as stack:
        while True:
            root.mkdir(parents=True, exist_ok=True)
            # Another process may publish and remove the directory at any of these moments.
            with contextlib.suppress(FileNotFoundError):
                stack.enter_context(locks.holding(root / _LOCK_NAME))
                break
        yield
