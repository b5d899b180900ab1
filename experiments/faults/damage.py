"""Damaged files of every kind that a program reads back.

A file is cut to a half, or has one bit flipped, at a random place.
The program then has to refuse it in one line, or to end with what it ends with undisturbed. A changed
answer without a word is what may not happen.
"""

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.faults.comparison import same
from experiments.faults.programs import run
from experiments.faults.results import Case, Result
from experiments.faults.world import (
    HUGGING_FACE,
    NAME,
    REFERENCE,
    STEPS,
    TASK,
    Site,
    copy_of,
)

PART = "damage"
_FLIPS = 2
_INPUTS = ("vocab.txt", "pretrain_tfrecords")
_RUN, _SEARCH = f"models/{NAME}", f"searches/{NAME}"
_TRIAL = f"{_RUN}/finetuning_models/{TASK}_1"
_PRESET = f"{_TRIAL}/presets/{TASK}"


@dataclass(frozen=True)
class Reader:
    """A program that reads files back.

    Attributes:
      name: what it does.
      parts: what it needs of the undisturbed site.
      removed: wildcards of what is removed from the copy, so that there is something to do.
      command: takes the site; returns the command.
      files: the files that are damaged, by their paths in the site; a name may have wildcards.
      made: what is compared with the undisturbed site, by wildcards from the site.
      free: further such files that have no checksum, as the user or another program wrote them: whoever
        flips a bit there has another input.
    """

    name: str
    parts: Sequence[str]
    removed: Sequence[str]
    command: Callable[[Site], Sequence[str]]
    files: Sequence[str]
    made: Sequence[str]
    free: Sequence[str] = ()

    def site(self, world: Site, place: Path) -> Site:
        """A copy of the undisturbed site in which there is something to do."""
        site = copy_of(world, place, *self.parts)
        for removed in self.removed:
            for path in place.glob(removed):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return site


def cases(world: Site, seed: int) -> Iterator[Case]:
    """A case for each reader, file and damage."""
    for reader in READERS:
        for pattern in (*reader.files, *reader.free):
            for name, damage in _damages(f"{seed} {reader.name} {pattern}"):
                yield damage_case(world, reader, pattern, name, damage)


def _damages(seed: str) -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
    yield "cut to a half", lambda content: content[: len(content) // 2]
    for number in range(_FLIPS):
        chance = random.Random(f"{seed} {number}")
        yield f"bit {number + 1}", lambda content, chance=chance: _flipped(content, chance)


def _flipped(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    place = chance.randrange(8 * len(content))
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def damage_case(
    world: Site, reader: Reader, pattern: str, name: str, damage: Callable[[bytes], bytes]
) -> Case:
    def try_it(place: Path) -> Result:
        site = reader.site(world, place)
        file = sorted(place.glob(pattern))[-1]
        file.write_bytes(damage(file.read_bytes()))
        ending = run(reader.command(site))
        made = (lambda: same(place, Path(world.root), *reader.made)) if not ending.status else None
        identical = made() if made else None
        changed = identical is False and pattern not in reader.free
        good = (ending.is_refusal or ending.status == 0) and not changed
        lost = "a wrong answer without a word" if changed else ""
        if good:
            shutil.rmtree(place)
        elif not ending.is_refusal and ending.status:
            lost = f"exit code {ending.status}"
        said = ending.message if ending.status else _warning(ending.lines)
        return Result(good, lost, identical, said)

    return Case(PART, _group(pattern), f"{reader.name}, {pattern}: {name}", try_it)


def _group(pattern: str) -> str:
    """The row of the table: the name of the file without numbers and wildcards."""
    name = pattern.rsplit("/", 1)[-1]
    folder = pattern.split("/")[-2] if "/" in pattern else ""
    return f"{folder}/{name}" if folder in ("random", "supernet") else name


def _warning(lines: Sequence[str]) -> str:
    said = [line for line in lines if "damaged" in line or line.startswith("warning")]
    return said[0] if said else ""


_LATE = f"{_RUN}/checkpoints/step-00000[3-9]*"  # so that the run goes on from before
READERS = [
    Reader(
        "pre-training goes on",
        (*_INPUTS, _RUN),
        (_LATE, f"{_RUN}/preset", f"{_RUN}/finetuning_models", f"{_RUN}/results"),
        lambda site: site.pretrain(),
        (
            "vocab.txt",
            "pretrain_tfrecords/manifest.json",
            "pretrain_tfrecords/pretrain_data.tfrecord-1-*",
            "pretrain_tfrecords/held_out.tfrecord-*",
            f"{_RUN}/config.json",
            f"{_RUN}/metrics.jsonl",
            f"{_RUN}/eval.json",
            f"{_RUN}/checkpoints/step-*/state.index",
            f"{_RUN}/checkpoints/step-*/state.data*",
        ),
        (f"{_RUN}/checkpoints/step-{STEPS:08d}/*", f"{_RUN}/preset/**/*", f"{_RUN}/eval.json"),
    ),
    Reader(
        "pre-training has ended",
        (*_INPUTS, _RUN),
        (f"{_RUN}/finetuning_models", f"{_RUN}/results"),
        lambda site: site.pretrain(),
        (f"{_RUN}/preset/step.json",),
        (f"{_RUN}/preset/**/*",),
    ),
    Reader(
        "fine-tuning starts",
        ("vocab.txt", f"{_RUN}/preset", "finetuning_data"),
        (),
        lambda site: site.finetune(hparams={"num_trials": 1}),
        (
            f"{_RUN}/preset/config.json",
            f"{_RUN}/preset/tokenizer.json",
            f"{_RUN}/preset/metadata.json",
            f"{_RUN}/preset/model.weights.h5",
            f"{_RUN}/preset/assets/tokenizer/vocabulary.txt",
        ),
        (f"{_TRIAL}/result.json", f"{_PRESET}/**/*"),
        (f"finetuning_data/{TASK}/task.toml", f"finetuning_data/{TASK}/train.tsv"),
    ),
    Reader(
        "fine-tuning goes on",
        ("vocab.txt", f"{_RUN}/preset", f"{_RUN}/finetuning_models", "finetuning_data"),
        (f"{_RUN}/finetuning_models/{TASK}_2",),
        lambda site: site.finetune(),
        (
            f"{_TRIAL}/result.json",
            f"{_TRIAL}/config.json",
            f"{_TRIAL}/predictions/{TASK}_test.jsonl",
        ),
        (
            f"{_RUN}/finetuning_models/{TASK}_2/presets/{TASK}/**/*",
            f"{_RUN}/finetuning_models/*/result.json",
            f"{_RUN}/results/*",
        ),
    ),
    Reader(
        "fine-tuning evaluates",
        ("vocab.txt", f"{_RUN}/preset", f"{_RUN}/finetuning_models", "finetuning_data"),
        (f"{_RUN}/finetuning_models/*/predictions",),
        lambda site: site.finetune(hparams={"do_train": False}),
        (f"{_PRESET}/task.json", f"{_PRESET}/task.weights.h5", f"{_PRESET}/preprocessor.json"),
        (f"{_RUN}/finetuning_models/*/predictions/*",),
    ),
    Reader(
        "an export of a trial",
        (_TRIAL,),
        (),
        lambda site: site.export(),
        (
            f"{_PRESET}/config.json",
            f"{_PRESET}/tokenizer.json",
            f"{_PRESET}/assets/tokenizer/vocabulary.txt",
            f"{_PRESET}/task.json",
            f"{_PRESET}/preprocessor.json",
            f"{_TRIAL}/result.json",
            f"{_TRIAL}/config.json",
        ),
        ("serving/reviews/1/**/*",),
    ),
    Reader(
        "a search goes on",
        (*_INPUTS, _SEARCH),
        (f"{_SEARCH}/best.toml", f"{_SEARCH}/report.*", f"{_SEARCH}/candidates.csv"),
        lambda site: site.search(),
        (
            f"{_SEARCH}/study.journal",
            f"{_SEARCH}/random/study.journal",
            f"{_SEARCH}/held_out.npz",
            f"{_SEARCH}/references.json",
            f"{_SEARCH}/supernet/config.json",
            f"{_SEARCH}/supernet/checkpoints/step-00000100/state.data*",
        ),
        (f"{_SEARCH}/candidates.csv", f"{_SEARCH}/best.toml", f"{_SEARCH}/references.json"),
    ),
    Reader(
        "a conversion from Hugging Face's",
        (HUGGING_FACE,),
        (),
        lambda site: site.convert("preset", HUGGING_FACE, "huggingface"),
        (),
        ("converted/huggingface_preset/**/*",),
        # Formats without checksums: another bit is another model.
        (
            f"{HUGGING_FACE}/discriminator/config.json",
            f"{HUGGING_FACE}/discriminator/model.safetensors",
            f"{HUGGING_FACE}/discriminator/tokenizer_config.json",
            f"{HUGGING_FACE}/discriminator/vocab.txt",
        ),
    ),
    Reader(
        "a conversion of the authors' checkpoint",
        ("reference",),
        (),
        lambda site: site.convert("preset", REFERENCE, "reference"),
        (f"{REFERENCE}.index", f"{REFERENCE}.data*"),
        ("converted/reference_preset/**/*",),
        ("reference/vocab.txt",),
    ),
]
