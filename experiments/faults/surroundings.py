"""Full and read-only disks, clocks that were set back, and a second process in the same directory."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.faults.comparison import same
from experiments.faults.damage import READERS, Reader
from experiments.faults.programs import Running, run
from experiments.faults.results import Case, Result
from experiments.faults.storages import Storage
from experiments.faults.world import NAME, STEPS, TASK, Site, copy_of
from lvbert_tf.io.whole import remove

DISK, CLOCK, SECOND = "disk", "clock", "second"
PARTS = (DISK, CLOCK, SECOND)
_FULL_AT = (0.2, 0.8)  # of what a program writes
_ROOM = 1 << 30  # bytes of a disk that is large enough
_AHEAD = 10 * 365 * 86400.0  # seconds: the files are from a time when the clock was wrong
_RUN, _SEARCH = f"models/{NAME}", f"searches/{NAME}"
_TRIALS = f"{_RUN}/finetuning_models"


@dataclass(frozen=True)
class Writer:
    """A program that writes.

    Attributes:
      name: what it does.
      parts: what it needs of the undisturbed site.
      command: takes the site; returns the command.
      made: what is compared with the undisturbed site, by wildcards from the site.
      written: the files and directories that it writes.
    """

    name: str
    parts: Sequence[str]
    command: Callable[[Site], Sequence[str]]
    made: Sequence[str]
    written: Sequence[str]


def cases(world: Site, part: str, storage: Storage) -> Iterator[Case]:
    """The cases of a part; in a bucket there are only those of `SECOND`."""
    if part == CLOCK:
        for reader in READERS:
            yield _clock(world, reader)
    for writer in _WRITERS:
        if part == DISK:
            for share in _FULL_AT:
                yield _full_disk(world, writer, share)
            yield _read_only_disk(world, writer)
        elif part == SECOND:
            yield _second_process(world, writer, storage)


def _case(part: str, group: str, name: str, check: Callable[[Path], tuple[str, str]]) -> Case:
    """A case of a function that returns what is wrong, if anything is, and what the program said."""

    def try_it(place: Path) -> Result:
        problem, said = check(place)
        if not problem:
            remove(place)
        return Result(not problem, problem, not problem, said)

    return Case(part, group, f"{group}: {name}", try_it)


@contextlib.contextmanager
def _disk(place: Path) -> Iterator[Callable[[str], None]]:
    """A small disk in memory at a path; yields a function that changes its options."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)

    def mount(options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        subprocess.run(command, check=True)

    mount(f"size={_ROOM}")
    try:
        yield lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _used(place: Path) -> int:
    usage = shutil.disk_usage(place)
    return usage.total - usage.free


def _refused_then_done(
    writer: Writer, world: Site, site: Site, make_room: Callable[[], None]
) -> tuple[str, str]:
    first = run(writer.command(site))
    if not first.is_refusal:
        return f"exit code {first.status}", first.message
    make_room()
    again = run(writer.command(site))
    if again.status:
        return f"the same command did not go on: {again.message}", first.message
    if not same(Path(site.root), Path(world.root), *writer.made):
        return "the files are not those of an undisturbed run", first.message
    return "", first.message


def _full_disk(world: Site, writer: Writer, share: float) -> Case:
    def check(place: Path) -> tuple[str, str]:
        with _disk(place) as remount:
            site = copy_of(world, place / "data", *writer.parts)
            sizes = (_size(Path(world.root) / part) for part in writer.written)
            remount(f"size={_used(place) + round(share * sum(sizes))}")
            return _refused_then_done(writer, world, site, lambda: remount(f"size={_ROOM}"))

    return _case(DISK, "a full disk", f"{writer.name}, at {share:.0%} of what it writes", check)


def _size(path: Path) -> int:
    """The bytes of a file or a tree, in whole pages as a disk in memory counts them."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(-(-file.stat().st_size // 4096) * 4096 for file in files if file.is_file())


def _read_only_disk(world: Site, writer: Writer) -> Case:
    def check(place: Path) -> tuple[str, str]:
        with _disk(place) as remount:
            site = copy_of(world, place / "data", *writer.parts)
            remount("ro")
            return _refused_then_done(writer, world, site, lambda: remount("rw"))

    return _case(DISK, "a read-only disk", writer.name, check)


def _clock(world: Site, reader: Reader) -> Case:
    def check(place: Path) -> tuple[str, str]:
        site = reader.site(world, place)
        moment = time.time() + _AHEAD
        for path in place.rglob("*"):
            os.utime(path, (moment, moment))
        ending = run(reader.command(site))
        if ending.status:
            return f"exit code {ending.status}", ending.message
        if not same(place, Path(world.root), *reader.made):
            return "the files are not those of an undisturbed run", ""
        return "", ""

    return _case(CLOCK, "files of ten years ahead", reader.name, check)


def _second_process(world: Site, writer: Writer, storage: Storage) -> Case:
    def check(place: Path) -> tuple[str, str]:
        site = copy_of(world, place, *writer.parts)
        both = [Running(writer.command(site)) for _ in range(2)]
        endings = [each.end() for each in both]
        said = "; ".join(ending.message for ending in endings if ending.status)
        if any(ending.status and not ending.is_refusal for ending in endings):
            return f"exit codes {[ending.status for ending in endings]}", said
        if all(ending.status for ending in endings):
            return "neither of the two did it", said
        if not same(place, Path(world.root), *writer.made):
            return "the files are not those of an undisturbed run", said
        return "", said

    return _case(SECOND, f"a second process{storage.suffix}", writer.name, check)


_WRITERS = [
    Writer(
        "building records",
        ("corpus", "vocab.txt"),
        lambda site: site.build(),
        ("pretrain_tfrecords/*",),
        ("pretrain_tfrecords",),
    ),
    Writer(
        "pre-training",
        ("vocab.txt", "pretrain_tfrecords"),
        lambda site: site.pretrain(),
        (f"{_RUN}/checkpoints/step-{STEPS:08d}/*", f"{_RUN}/preset/**/*", f"{_RUN}/metrics.jsonl"),
        (f"{_RUN}/checkpoints", f"{_RUN}/preset"),
    ),
    Writer(
        "a search",
        ("vocab.txt", "pretrain_tfrecords", f"{_SEARCH}/supernet"),
        lambda site: site.search(),
        tuple(f"{_SEARCH}/{name}" for name in ("candidates.csv", "best.toml", "references.json")),
        tuple(f"{_SEARCH}/{name}" for name in ("study.journal", "random", "report.html")),
    ),
    Writer(
        "fine-tuning",
        ("vocab.txt", f"{_RUN}/preset", "finetuning_data"),
        lambda site: site.finetune(),
        (f"{_TRIALS}/*/result.json", f"{_TRIALS}/*/presets/**/*"),
        (_TRIALS,),
    ),
    Writer(
        "an export",
        (f"{_TRIALS}/{TASK}_1",),
        lambda site: site.export(),
        ("serving/reviews/1/**/*",),
        ("serving/reviews/1",),
    ),
    Writer(
        "a conversion",
        (_RUN,),
        lambda site: site.convert("huggingface"),
        ("converted/preset_huggingface/**/*",),
        ("converted/preset_huggingface",),
    ),
]
