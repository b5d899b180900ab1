"""Bad inputs: each has to end a program with exit code 2 and one line that says what is wrong."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.faults.programs import run
from experiments.faults.results import Case, Result
from experiments.faults.world import Site

PART = "inputs"
Make = Callable[[Site, Site], Sequence[str]]
"""Takes the undisturbed site and one to write into; makes the bad input, and returns a command."""
_LINKED = ("corpus", "vocab.txt", "pretrain_tfrecords", "finetuning_data/reviews")


def refusal(world: Site, group: str, name: str, make: Make) -> Case:
    """The case of one bad input.

    Args:
      world: the undisturbed site.
      group: what kind of input it is.
      name: what is bad.
      make: see `Make`. The site that it writes into has links to the undisturbed inputs.
    """

    def try_it(place: Path) -> Result:
        shutil.rmtree(place, ignore_errors=True)
        for part in _LINKED:
            (place / part).parent.mkdir(parents=True, exist_ok=True)
            (place / part).symlink_to(Path(world.root) / part)
        ending = run(make(world, Site(str(place))))
        if ending.is_refusal:
            shutil.rmtree(place)
        why = "" if ending.is_refusal else f"exit code {ending.status}"
        return Result(ending.is_refusal, why, None, ending.message)

    return Case(PART, group, f"{group}: {name}", try_it)


def own_file(site: Site, part: str, content: bytes | str | None = None) -> Path:
    """Takes the place of what a site links to: a new file, or a new directory if it has no content."""
    path = Path(site.root) / part
    if path.is_symlink():
        path.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
