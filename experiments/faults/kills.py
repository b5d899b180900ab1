"""Kills: SIGKILL or SIGTERM at a random moment, again and again, until the same command has ended.

What a killed program has saved may not be lost, and what it ends with has to be, bit for bit, what it
ends with undisturbed.
"""

import contextlib
import random
import re
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from experiments.faults.comparison import same
from experiments.faults.postgresql import running_server
from experiments.faults.programs import Command, Ending, Running
from experiments.faults.results import Case, Result
from experiments.faults.world import NAME, STEPS, TASK, TWO_WORKERS, Site, copy_of

_RUN, _SEARCH = f"models/{NAME}", f"searches/{NAME}"
_TRIALS = f"{_RUN}/finetuning_models"
_KILLS_A_CASE = 3
_EARLIEST = 0.3  # of the undisturbed time; before that, a program imports TensorFlow
_MOST_STARTS = 30
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
      seconds: how long it runs undisturbed; kills come before that.
      with_server: whether a PostgreSQL server runs; its URL is the site's attribute `storage`.
    """

    part: str
    what: str
    share: int
    parts: Sequence[str]
    start: _Start
    made: Sequence[str]
    seconds: float
    saved: Callable[[Site], int] = field(default=lambda site: 0)
    resumed: str = ""
    with_server: bool = False


def cases(world: Site, part: str, kills: int, seed: int) -> Iterator[Case]:
    """The cases of a part; `kills` is the number of all parts together."""
    for target in (target for target in _TARGETS if target.part == part):
        left, number = max(1, round(kills * target.share / 50)), 0
        while left > 0:
            number += 1
            wanted = min(left, _KILLS_A_CASE)
            left -= wanted
            yield _case(world, target, number, wanted, f"{seed} {target.what} {number}")


def _case(world: Site, target: Target, number: int, kills: int, seed: str) -> Case:
    def try_it(place: Path) -> Result:
        chance = random.Random(seed)
        with contextlib.ExitStack() as stack:
            storage = stack.enter_context(running_server()).url if target.with_server else ""
            done, words = 0, list[str]()
            for _ in range(_MOST_STARTS):
                site = copy_of(world, place, *target.parts)
                site.storage = storage
                site, more, problem, said = _chain(site, target, kills - done, chance)
                done += more
                words += said
                if not problem and not same(place, Path(world.root), *target.made):
                    problem = "the files are not those of an undisturbed run"
                if not problem and (left := [str(path) for path in place.rglob(".tmp-*")]):
                    problem = f"left over: {left[0]}"
                if problem or done >= kills:
                    break
        if not problem:
            shutil.rmtree(place)
        return Result(not problem, problem, not problem, "; ".join(dict.fromkeys(words)), done)

    return Case(target.part, target.what, f"{target.what} {number}", try_it)


def _chain(
    site: Site, target: Target, kills: int, chance: random.Random
) -> tuple[Site, int, str, list[str]]:
    """Starts and kills until so many kills are done, then lets the program end.

    Returns:
      the site; the number of kills, which is less if the program has ended before; what is wrong, if
      anything is; and what killed and stopped processes said last.
    """
    done, words = 0, list[str]()
    while True:
        saved = target.saved(site)
        running = [Running(command) for command in target.start(site)]
        if done < kills:
            moment = target.seconds * chance.uniform(_EARLIEST, 1.0)
            number = chance.choice((signal.SIGKILL, signal.SIGTERM))
            victim = running[chance.randrange(len(running))]
            victim.wait(moment)
            victim.send(number)
        endings = [each.end() for each in running]
        for ending in endings:
            if problem := _problem(ending, target, saved, site):
                return site, done, problem, words
        done += any(ending.signalled for ending in endings)
        words += [e.message[:100] for e in endings if e.status in (2, 143) and e.message]
        if all(ending.status == 0 for ending in endings):
            return site, done, "", words


def _problem(ending: Ending, target: Target, saved: int, site: Site) -> str:
    if ending.broke:
        return f"exit code {ending.status}: {ending.message}"
    if ending.status not in (0, 2, 143, -signal.SIGKILL, -signal.SIGTERM):
        return f"exit code {ending.status}: {ending.message}"
    if ending.status == 2 and not ending.is_refusal:
        return f"exit code 2 without one line that says why: {ending.message}"
    if target.part not in ("workers", "database") and ending.status == 2:
        return f"the same command did not go on: {ending.message}"
    if target.saved(site) < saved:
        return f"of {saved} saved there are {target.saved(site)} left"
    found = re.search(target.resumed, ending.said) if target.resumed else None
    if found and int(found[1]) < saved:
        return f"it went on from {found[1]}, though {saved} were saved"
    return ""


def _alone(command: Callable[[Site], Sequence[str]]) -> _Start:
    return lambda site: [Command(command(site))]


def _newest_step(directory: str) -> Callable[[Site], int]:
    def newest(site: Site) -> int:
        found = Path(site.path(directory)).glob("checkpoints/step-*")
        return max((int(path.name.removeprefix("step-")) for path in found), default=0)

    return newest


def _scored(site: Site) -> int:
    journals = (Path(site.path(_SEARCH)) / name / "study.journal" for name in ("", "random"))
    return sum(j.read_bytes().count(b'"scores"') for j in journals if j.exists())


def _trial_steps(site: Site) -> int:
    trials = Path(site.path(_TRIALS)).glob(f"{TASK}_*")
    steps = 0
    for trial in trials:
        found = [int(path.name[5:]) for path in trial.glob("checkpoints/step-*")]
        steps += 10**6 if (trial / "result.json").exists() else max(found, default=0)
    return steps


def _shared_search(site: Site) -> list[Command]:
    storage = f"--storage={site.storage}"
    both = [Command(site.search(NAME, None, "--stage=search", storage))] * 2
    scored = Path(site.path(_SEARCH, "references.json"))
    return [Command(site.search(NAME, None, storage))] if scored.exists() else both


_TRAINED = (f"{_RUN}/metrics.jsonl", f"{_RUN}/eval.json", f"{_RUN}/preset/**/*")
_FOUND = tuple(f"{_SEARCH}/{name}" for name in ("candidates.csv", "best.toml", "references.json"))
_TARGETS = [
    Target(
        "build",
        "building records",
        8,
        ("corpus", "vocab.txt"),
        _alone(lambda site: site.build(num_processes=2)),
        ("pretrain_tfrecords/*",),
        4.0,
    ),
    Target(
        "pretrain",
        "pre-training",
        10,
        ("vocab.txt", "pretrain_tfrecords"),
        _alone(lambda site: site.pretrain()),
        (*_TRAINED, f"{_RUN}/checkpoints/step-{STEPS:08d}/*"),
        16.0,
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
        25.0,
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
        22.0,
        _scored,
    ),
    Target(
        "database",
        "a search by two processes, in PostgreSQL",
        6,
        ("vocab.txt", "pretrain_tfrecords", f"{_SEARCH}/supernet"),
        _shared_search,
        _FOUND,
        26.0,
        with_server=True,
    ),
    Target(
        "finetune",
        "fine-tuning, two trials",
        6,
        ("vocab.txt", f"{_RUN}/preset", "finetuning_data"),
        _alone(lambda site: site.finetune()),
        (f"{_TRIALS}/*/result.json", f"{_TRIALS}/*/presets/**/*", f"{_TRIALS}/*/predictions/*"),
        26.0,
        _trial_steps,
    ),
    Target(
        "export",
        "an export",
        3,
        (f"{_TRIALS}/{TASK}_1",),
        _alone(lambda site: site.export()),
        ("serving/**/*",),
        12.0,
    ),
    Target(
        "convert",
        "a conversion",
        3,
        (_RUN,),
        _alone(lambda site: site.convert("huggingface")),
        ("converted/preset_huggingface/**/*",),
        10.0,
    ),
]
PARTS = [target.part for target in _TARGETS]
