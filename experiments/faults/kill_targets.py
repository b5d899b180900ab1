"""What is killed: each program, what it needs, and what it has saved."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from experiments.faults.comparison import same
from experiments.faults.postgresql import running_server
from experiments.faults.programs import Command
from experiments.faults.storages import leftovers
from experiments.faults.world import NAME, STEPS, TASK, TWO_WORKERS, Site, copy_of
from lvbert_tf.training.checkpoints import step_of, step_paths

_RUN, _SEARCH = f"models/{NAME}", f"searches/{NAME}"
_TRIALS = f"{_RUN}/finetuning_models"
_Start = Callable[[Site], Sequence[Command]]


@dataclass(frozen=True)
class Target:
    """What is killed.

    Attributes:
      part: the word of --only.
      what: names it in the table.
      share: of 50 kills.
      parts: what it needs of the undisturbed site.
      start: takes a site; returns the commands that run together, each with its environment.
      made: what is compared with the undisturbed site, by wildcards from the site.
      saved: takes a site; returns how much work is saved in it. It may never become less.
      resumed: finds in standard error from how much of it a process goes on.
      finish: takes a site; returns the commands that run after the others have ended.
      with_server: whether a PostgreSQL server runs; its URL is the site's attribute `database`.
    """

    part: str
    what: str
    share: int
    parts: Sequence[str]
    start: _Start
    made: Sequence[str]
    saved: Callable[[Site], int] = field(default=lambda site: 0)
    resumed: str = ""
    finish: _Start = field(default=lambda site: ())
    with_server: bool = False

    @contextlib.contextmanager
    def copied(self, world: Site, place: Path) -> Iterator[Site]:
        """A new site with what it needs, and with a database if it needs one."""
        site = copy_of(world, place, *self.parts)
        with contextlib.ExitStack() as stack:
            if self.with_server:
                site.database = stack.enter_context(running_server()).url
            yield site

    def difference(self, world: Site, place: Path) -> str:
        """What is wrong with the files of a site in which it has ended; an empty text for nothing."""
        if not same(place, Path(world.root), *self.made):
            return "the files are not those of an undisturbed run"
        left = leftovers(place)
        return f"left over: {left[0]}" if left else ""


def _alone(command: Callable[[Site], Sequence[str]]) -> _Start:
    return lambda site: [Command(command(site))]


def _newest_step(directory: str) -> Callable[[Site], int]:
    def newest(site: Site) -> int:
        found = step_paths(site.file(directory, "checkpoints"))
        return max(map(step_of, found), default=0)

    return newest


def _scored(site: Site) -> int:
    journals = (site.file(_SEARCH, *name, "study.journal") for name in ((), ("random",)))
    return sum(j.read_bytes().count(b'"scores"') for j in journals if j.exists())


def _trial_steps(site: Site) -> int:
    steps = 0
    for trial in site.file(_TRIALS).glob(f"{TASK}_*"):
        found = map(step_of, step_paths(trial / "checkpoints"))
        steps += 10**6 if (trial / "result.json").exists() else max(found, default=0)
    return steps


def _two_searches(site: Site) -> list[Command]:
    flags = ("--stage=search", f"--storage={site.database}")
    return [Command(site.search(NAME, None, *flags))] * 2


def _report_of_both(site: Site) -> list[Command]:
    flags = ("--stage=report", f"--storage={site.database}")
    return [Command(site.search(NAME, None, *flags))]


_TRAINED = (f"{_RUN}/metrics.jsonl", f"{_RUN}/eval.json", f"{_RUN}/preset/**/*")
_FOUND = tuple(f"{_SEARCH}/{name}" for name in ("candidates.csv", "best.toml", "references.json"))
TARGETS = [
    Target(
        "build",
        "building records",
        8,
        ("corpus", "vocab.txt"),
        _alone(lambda site: site.build(num_processes=2)),
        ("pretrain_tfrecords/*",),
    ),
    Target(
        "pretrain",
        "pre-training",
        10,
        ("vocab.txt", "pretrain_tfrecords"),
        _alone(lambda site: site.pretrain()),
        (*_TRAINED, f"{_RUN}/checkpoints/step-{STEPS:08d}/*"),
        _newest_step(_RUN),
        r"from step (\d+) to",
    ),
    Target(
        "workers",
        "pre-training by two workers",
        6,
        ("vocab.txt", "pretrain_tfrecords"),
        Site.two_workers,
        tuple(name.replace(_RUN, f"models/{TWO_WORKERS}") for name in _TRAINED),
        _newest_step(f"models/{TWO_WORKERS}"),
        r"from step (\d+) to",
    ),
    Target(
        "search",
        "a search, in a journal",
        8,
        ("vocab.txt", "pretrain_tfrecords", f"{_SEARCH}/supernet"),
        _alone(lambda site: site.search()),
        _FOUND,
        _scored,
    ),
    Target(
        "database",
        "a search by two processes, in PostgreSQL",
        6,
        ("vocab.txt", "pretrain_tfrecords", f"{_SEARCH}/supernet"),
        _two_searches,
        _FOUND,
        finish=_report_of_both,
        with_server=True,
    ),
    Target(
        "finetune",
        "fine-tuning, two trials",
        6,
        ("vocab.txt", f"{_RUN}/preset", "finetuning_data"),
        _alone(lambda site: site.finetune()),
        (f"{_TRIALS}/*/result.json", f"{_TRIALS}/*/presets/**/*", f"{_TRIALS}/*/predictions/*"),
        _trial_steps,
    ),
    Target(
        "export",
        "an export",
        3,
        (f"{_TRIALS}/{TASK}_1",),
        _alone(lambda site: site.export()),
        ("serving/reviews/1/**/*",),
    ),
    Target(
        "convert",
        "a conversion",
        3,
        (_RUN,),
        _alone(lambda site: site.convert("huggingface")),
        ("converted/preset_huggingface/**/*",),
    ),
]
