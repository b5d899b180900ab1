"""Apache Beam: its options, and running a pipeline so that what a user can change is one line."""

import contextlib
import io
import logging
import re
import shlex
from collections.abc import Callable

from lvbert_tf.errors import InputError

_LOGGER = logging.getLogger("apache_beam")
_LOGGER.setLevel(logging.ERROR)  # when it is imported, it tells what else it could read and write
try:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
    from apache_beam.runners.runner import PipelineState
except ImportError as error:
    raise InputError(
        f"--engine beam needs Apache Beam ({error}): pip install 'lvbert_tf[beam]'"
    ) from error

# These ask a service what options it has, so that some of theirs are not known here.
_RUNNERS_WITH_OPTIONS_OF_THEIR_OWN = ("flink", "spark", "portable", "prism", ".")
# Exceptions of workers that nobody but a programmer can do something about.
_FAULTS = ("TypeError", "AttributeError", "AssertionError", "KeyError", "IndexError", "NameError")
# What Beam writes below the message of an exception.
_ANNOTATION = re.compile(r"\[while running |Note: |\[while executing |\s*$")


class BeamEngine:
    """Runs pipelines.

    Args:
        options: the options of Beam as on a command line, `--runner=... --project=...`.

    Attributes:
        runner: the name of the runner.

    Raises:
        InputError: an option or the runner is unknown, or a value is none that the option takes.
    """

    def __init__(self, options: str):
        try:
            arguments = shlex.split(options)
        except ValueError as error:
            raise InputError(f"--beam_options {options!r}: {error}") from error
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                self._options = PipelineOptions(arguments)
                known = self._options.get_all_options()
                given = self._options.get_all_options(retain_unknown_options=True)
        except SystemExit as end:  # argparse has printed the usage of all options, and the error
            message = (said.getvalue().strip().splitlines() or ["bad options"])[-1]
            raise InputError(f"--beam_options: {message.partition('error: ')[2]}") from end
        standard = self._options.view_as(StandardOptions)
        self.runner = standard.runner or StandardOptions.DEFAULT_RUNNER
        unknown = sorted(given.keys() - known.keys())
        own = any(name in self.runner.lower() for name in _RUNNERS_WITH_OPTIONS_OF_THEIR_OWN)
        if unknown and not own:
            raise InputError(f"--beam_options: {self.runner} has no option --{unknown[0]}")
        if arguments and not arguments[0].startswith("--"):
            raise InputError(f"--beam_options: {arguments[0]!r} is no option; they begin with --")
        try:
            self._runner = beam.runners.create_runner(self.runner)
        except (ValueError, ImportError, AttributeError, TypeError) as error:
            raise InputError(f"--beam_options: --runner={self.runner}: {_said(error)}") from error
        # What runs elsewhere tells how far it is; what runs here, only about failures, in tracebacks.
        here = any(name in self.runner.lower() for name in ("direct", "fnapi"))
        _LOGGER.setLevel(logging.CRITICAL if here else logging.INFO)

    def run(self, construct: Callable[[beam.Pipeline], None]) -> None:
        """Runs a pipeline, and waits until it is done.

        Args:
            construct: puts the transforms into a pipeline.

        Raises:
            InputError: it failed; the message is the last line that Beam says.
        """
        pipeline = beam.Pipeline(runner=self._runner, options=self._options)
        construct(pipeline)
        result = None
        try:
            result = pipeline.run()
            state = result.wait_until_finish()
        except Exception as error:
            if _said(error).startswith(_FAULTS):
                raise
            raise InputError(f"{self.runner} could not do it: {_said(error)}") from error
        except BaseException:  # Ctrl-C; on other machines it would go on
            if result is not None:
                with contextlib.suppress(Exception):
                    result.cancel()
            raise
        if state not in (PipelineState.DONE, None):
            raise InputError(f"{self.runner} ended with state {state}; its log says why")


def _said(error: BaseException) -> str:
    """The message at the end of what may be the traceback of a worker."""
    lines = [line for line in str(error).splitlines() if not _ANNOTATION.match(line)]
    return re.split(r" \[while running ", lines[-1])[0].strip() if lines else repr(error)
