"""Kills: SIGKILL or SIGTERM at a random moment, again and again, until the same command has ended.

What a killed program has saved may not be lost, and what it ends with has to be, bit for bit, what it
ends with undisturbed. The moments are parts of the time that it takes undisturbed on this machine, which
is measured first.
"""

import random
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.faults.kill_targets import TARGETS, Target
from experiments.faults.programs import Ending, Running, run
from experiments.faults.results import Case, Result
from experiments.faults.storages import Storage
from experiments.faults.undisturbed import Undisturbed
from experiments.faults.world import Site
from lvbert_tf.io.whole import remove

PARTS = [target.part for target in TARGETS]
_KILLS_A_CASE = 3
_EARLIEST = 0.3  # of the undisturbed time; before that, a program imports TensorFlow
_MOST_STARTS = 30


def cases(
    world: Site, part: str, kills: int, seed: int, storage: Storage, undisturbed: Undisturbed
) -> Iterator[Case]:
    """The cases of a part; `kills` is the number of all parts together."""
    for target in (target for target in TARGETS if target.part == part):
        left, number = max(1, round(kills * target.share / 50)), 0
        while left > 0:
            number += 1
            wanted = min(left, _KILLS_A_CASE)
            left -= wanted
            name = f"{target.what}{storage.suffix}"
            chance = random.Random(f"{seed} {name} {number}")
            killer = _Killer(world, target, storage, undisturbed, wanted, chance)
            yield Case(part, name, f"{name} {number}", killer.try_it)


@dataclass(frozen=True)
class _Killer:
    """Kills one target so many times."""

    world: Site
    target: Target
    storage: Storage
    undisturbed: Undisturbed
    kills: int
    chance: random.Random

    def try_it(self, place: Path) -> Result:
        seconds = self.undisturbed.seconds(self.target, self.storage)
        done, problem, words = 0, "", list[str]()
        for _ in range(_MOST_STARTS):
            with self.target.copied(self.world, place) as site:
                more, problem, said = self._chain(site, seconds, self.kills - done)
            done += more
            words += said
            problem = problem or self.target.difference(self.world, place)
            if problem or done >= self.kills:
                break
        if not problem:
            remove(place)
        return Result(not problem, problem, not problem, "; ".join(dict.fromkeys(words)), done)

    def _chain(self, site: Site, seconds: float, kills: int) -> tuple[int, str, list[str]]:
        """Starts and kills until so many kills are done, then lets the program end.

        Returns:
          the number of kills, which is less if the program has ended before; what is wrong, if anything
          is; and what killed and stopped processes said last.
        """
        target, done, words = self.target, 0, list[str]()
        while True:
            saved = target.saved(site)
            running = [Running(command) for command in target.start(site)]
            if done < kills:
                victim = running[self.chance.randrange(len(running))]
                victim.wait(seconds * self.chance.uniform(_EARLIEST, 1.0))
                victim.send(self.chance.choice((signal.SIGKILL, signal.SIGTERM)))
            endings = [each.end() for each in running]
            for ending in endings:
                if problem := _problem(ending, target, saved, site):
                    return done, problem, words
            killed = any(ending.signalled for ending in endings)
            done += killed
            words += [e.message for e in endings if e.status in (2, 143) and e.message]
            if killed and not target.difference(self.world, site.file()):
                return done, "", words  # it came too late: all was written
            if all(ending.status == 0 for ending in endings):
                for command in target.finish(site):
                    if (ending := run(command)).status:
                        return done, f"exit code {ending.status}: {ending.message}", words
                return done, "", words


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
