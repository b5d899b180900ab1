"""What became of each case, kept as lines of JSON, so that a campaign continues where it stopped."""

import dataclasses
import json
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from lvbert_tf.io.whole import remove


@dataclass(frozen=True)
class Result:
    """What became of a case.

    Attributes:
      good: whether nothing was lost that may not be lost, nothing was silently wrong, and the program
        ended as it should.
      lost: what was lost; an empty text for nothing.
      identical: whether the files are those of an undisturbed run, bit for bit; None if there are none
        to compare.
      message: what the program said. Here and in `lost`, paths begin at the directory of the case, or
        at that of the campaign.
      kills: how often a process was killed.
    """

    good: bool
    lost: str
    identical: bool | None
    message: str
    kills: int = 0


@dataclass(frozen=True)
class Case:
    """One fault.

    Attributes:
      part: the part of the campaign, a word of --only.
      group: the row of the table that counts it.
      name: tells it from the others of its part.
      run: does it, in a directory of its own.
    """

    part: str
    group: str
    name: str
    run: Callable[[Path], Result]

    @property
    def key(self) -> str:
        return f"{self.part}/{self.name}"


@dataclass(frozen=True)
class Row:
    """A case that was done, as it is stored."""

    part: str
    group: str
    name: str
    result: Result


class Results:
    """The file `results.jsonl` of a campaign."""

    def __init__(self, directory: Path):
        self.directory = directory
        self._path = directory / "results.jsonl"
        self._lock = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True)

    def rows(self) -> list[Row]:
        """The cases that are done, in the order in which they ended; of a repeated one the last."""
        if not self._path.exists():
            return []
        found: dict[tuple[str, str], Row] = {}
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                saved = json.loads(line)
            except ValueError:  # cut short by a kill
                continue
            row = Row(saved["part"], saved["group"], saved["name"], Result(**saved["result"]))
            found[row.part, row.name] = row
        return list(found.values())

    def add(self, case: Case, result: Result) -> None:
        """Adds a case that is done."""
        row = Row(case.part, case.group, case.name, result)
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(
                "\n" + json.dumps(dataclasses.asdict(row))
            )  # first: the last may be cut short


def _without(result: Result, *directories: Path) -> Result:
    message, lost = result.message, result.lost
    for directory in directories:
        message, lost = (text.replace(f"{directory}/", "") for text in (message, lost))
    return dataclasses.replace(result, message=message, lost=lost)


def run_cases(cases: Sequence[Case], results: Results, directory: Path, jobs: int) -> None:
    """Runs the cases that are not done, or were not good, several at a time, with a progress bar.

    Args:
      cases: all of them.
      results: where they are noted.
      directory: gets a directory for each case that is not good; the others are removed. It may be in a
        bucket.
      jobs: cases at a time.
    """
    done = {f"{row.part}/{row.name}" for row in results.rows() if row.result.good}
    waiting = [case for case in cases if case.key not in done]
    with (
        tqdm(
            desc="faults", total=len(cases), initial=len(cases) - len(waiting), unit="case"
        ) as bar,
        ThreadPoolExecutor(jobs) as pool,
    ):

        def do(case: Case) -> None:
            place = directory / case.part / re.sub(r"[^\w.-]+", "_", case.name)
            remove(place)  # of a campaign that was stopped
            result = case.run(place)
            results.add(case, _without(result, place, results.directory))
            if not result.good:
                bar.write(f"NOT GOOD: {case.key}: {result.lost} {result.message}")
            bar.update()

        futures = [pool.submit(do, case) for case in waiting]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
