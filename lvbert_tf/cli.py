"""What all command-line programs share: flags, messages and exit codes."""

import errno
import io
import os
import select
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from absl import app, flags

from lvbert_tf.commands import named_as_called
from lvbert_tf.errors import InputError
from lvbert_tf.io.files import expand_home
from lvbert_tf.settings.devices import STRATEGIES

# The flags that functions here define are the program's: --help lists them there.
flags.disclaim_key_flags()

EXIT_FAILURE = 1
EXIT_INPUT_ERROR = 2
# 128 + the signal, as a shell reports it: SIGINT, and SIGPIPE, which ends other Unix tools.
EXIT_INTERRUPTED = 130
EXIT_NO_READER = 141
_HELP_FLAGS = ("--help", "-h", "-help", "--helpshort", "--helpfull")
# The user's disk, permissions or paths, not our code.
_ENVIRONMENT_ERRORS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.EMFILE, errno.ENFILE),
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP),
}


class _PathParser(flags.ArgumentParser):
    """Reads a path. Also after `=`, where shells leave `~` as it is, `~` is a home directory."""

    syntactic_help = "a path"

    def parse(self, argument: str) -> str:
        path = expand_home(argument)
        try:
            path.encode()
        except UnicodeEncodeError as error:
            raise ValueError("not a UTF-8 path, which TensorFlow cannot open") from error
        return path


def define_path(name: str, default: str | None, help_text: str, required: bool = False) -> None:
    """Defines a flag that is the path of a file or a directory."""
    flags.DEFINE(_PathParser(), name, default, help_text, required=required)


def refuse_unused(names: Iterable[str], why: str) -> None:
    """Refuses flags that were given although nothing would make use of them.

    Args:
      names: the names of the flags.
      why: the end of the error, after "is of no use".

    Raises:
      InputError: one of the flags has another value than its default.
    """
    for name in names:
        flag = flags.FLAGS[name]
        if flag.present and flag.value != flag.default:
            raise InputError(f"--{name} is of no use {why}")


DEVICE_FLAGS = ("strategy", "virtual_devices", "tpu")


def define_device_flags() -> None:
    """Defines `DEVICE_FLAGS`."""
    flags.DEFINE_enum(
        "strategy",
        "auto",
        STRATEGIES,
        "Where to compute; auto takes what the machine has: a TPU that is named, the workers of"
        " TF_CONFIG or of Slurm, all GPUs, or the one device.",
    )
    flags.DEFINE_integer("virtual_devices", 0, "Split the CPU into this many devices, for tests.")
    flags.DEFINE_string("tpu", None, "Name or address of a TPU; `local` on a TPU VM.")


def _underscore(argument: str) -> str:
    """Turns `--data-dir` into `--data_dir`: the reference's spelling of the same flag."""
    if not argument.startswith("--") or argument == "--":
        return argument
    name, separator, value = argument.partition("=")
    return "--" + name[2:].replace("-", "_") + separator + value


def _parse(arguments: Sequence[str]) -> list[str]:
    try:
        return flags.FLAGS([arguments[0], *map(_underscore, arguments[1:])])
    except flags.Error as error:
        raise InputError(f"{error}; --help lists the flags") from error


def say(text: str) -> None:
    """Prints progress on standard error. Results go to standard output."""
    print(text, file=sys.stderr, flush=True)


def stay_silent(text: str) -> None:
    """Takes the place of `say` in all workers but the first."""


def fail(message: str, status: int = EXIT_INPUT_ERROR) -> NoReturn:
    """Prints one line on standard error and exits."""
    line = named_as_called(" ".join(message.split()), os.path.basename(sys.argv[0]))
    print(f"error: {line}", file=sys.stderr, flush=True)
    sys.exit(status)


def end_at_once(message: str) -> NoReturn:
    """As `fail`, from any thread, though the main thread waits in TensorFlow and cannot be woken."""
    from tqdm import tqdm  # whoever calls this has it; `--help` need not wait for it

    with tqdm.external_write_mode(sys.stderr, nolock=True):  # the line may be that of a bar
        try:
            fail(message)
        finally:
            os._exit(EXIT_INPUT_ERROR)


def run(main: Callable[[], int | None], define_flags: Callable[[], None] = lambda: None) -> None:
    """Parses the flags, calls `main()` and ends the process with an exit code.

    --help shows the docstring of the file that `main` is in, and the flags that this file defines. Flags
    belong to the process, so a file that may be imported defines them in `define_flags`, when it is run.

    The exit code is 0 after --help or if `main` returns None, and else what `main` returned. It is 2
    after bad usage or bad input, which is one line on standard error, 130 after Ctrl-C, and 141 if the
    output has no reader any more, as after `head`. A fault of the program ends with a traceback and 1.
    """

    def guarded(remaining: Sequence[str]) -> int | None:
        if len(remaining) > 1:
            raise InputError(f"unexpected argument {remaining[1]!r}; --help lists the flags")
        return main()

    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that lacks a character shows its number, as on standard error.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        define_flags()
        for argument in sys.argv[1:]:
            if argument in _HELP_FLAGS:
                print(_help(main.__module__, full=argument == "--helpfull"))
                _flush_and_exit(0)
        try:
            app.run(guarded, flags_parser=_parse)
        except SystemExit as end:
            _flush_and_exit(end.code)
    except InputError as error:
        fail(str(error))
    except KeyboardInterrupt:
        _drop_outputs_without_reader()  # Ctrl-C has ended it too
        say("interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        if error.errno == errno.EPIPE and _drop_outputs_without_reader():
            sys.exit(EXIT_NO_READER)
        if error.errno not in _ENVIRONMENT_ERRORS:
            raise
        fail(f"{error.strerror}: {error.filename or 'while writing'}")
    except Exception as error:
        if said := _said_of_environment(error):
            fail(said)
        raise


def _said_of_environment(error: Exception) -> str | None:
    """What to tell of an error of TensorFlow's, or of memory, that is no fault of ours; None of others.

    TensorFlow may not have been imported, so its errors are known by their words: the path, a semicolon
    and what the system said.
    """
    said = (getattr(error, "message", None) or str(error)).partition("\n")[0].partition(" [Op:")[0]
    if isinstance(error, MemoryError) or "OOM when allocating" in said:
        return f"there is not enough memory for what was asked for: {said or 'none is left'}"
    ends = tuple(f"; {os.strerror(number)}" for number in _ENVIRONMENT_ERRORS)
    return said if said.endswith(ends) else None


def _help(module: str, full: bool) -> str:
    owner = sys.argv[0] if module == "__main__" else module  # of flags, as absl names it
    listed = flags.FLAGS.get_help() if full else flags.FLAGS.module_help(owner)
    sections = listed.strip("\n").split("\n\n")
    sections.sort(
        key=lambda section: not section.startswith(f"{owner}:")
    )  # the program's own first
    shown = "\n\n".join(sections).replace(f"{owner}:", f"{sys.argv[0]}:", 1)
    text = f"{sys.modules[module].__doc__}\nflags:\n\n{shown}"
    return named_as_called(text, os.path.basename(sys.argv[0]))


def _flush_and_exit(status: Any) -> NoReturn:
    """Exits after writing the output. Python would write it later, where errors cannot be handled."""
    if sys.stdout is not None:
        sys.stdout.flush()
    sys.exit(status)


def _drop_outputs_without_reader() -> bool:
    """Discards further output on standard output and standard error where nobody reads it any more.

    Returns:
      whether it was so for one of the two. Otherwise another pipe is broken.
    """
    found = False
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        if any(events & select.POLLERR for _, events in poll.poll(0)):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
            found = True
    return found
