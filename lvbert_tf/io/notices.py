"""One line on standard error, once a process, about what a file system cannot do."""

import sys

_given: set[str] = set()


def warn_once(about: str, text: str) -> None:
    """Prints a warning, unless the process has printed one about the same before."""
    if about not in _given:
        _given.add(about)
        print(f"warning: {text}", file=sys.stderr, flush=True)
