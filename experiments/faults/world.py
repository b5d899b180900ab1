"""What the campaign damages and disturbs: tiny runs of every program on the demo's text, undisturbed."""

import contextlib
import gzip
import json
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.faults.programs import ROOT, Command, Running, command
from lvbert_tf.errors import InputError
from lvbert_tf.io.paths import parse_path
from lvbert_tf.io.whole import remove

LENGTH = 16
STEPS = 400
_SAVE_STEPS = 50
_WORKER_SECONDS = 120.0
_ADDRESSES = 20  # of the State of the Union, of which half a megabyte of records is built
_REVIEWS = 160
TASK = "reviews"

PRETRAINING: dict[str, Any] = {
    "custom_layer_list": "CA",
    "generator_layer_list": "F",
    "model_hparam_overrides": {
        "hidden_size": 16,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": LENGTH,
    },
    "embedding_size": 8,
    "generator_hidden_size": 0.5,
    "max_seq_length": LENGTH,
    "train_batch_size": 8,
    "eval_batch_size": 8,
    "num_eval_steps": 2,
    "learning_rate": 5e-3,
    "num_warmup_steps": 20,
    "num_train_steps": STEPS,
    "iterations_per_loop": 20,
    "log_steps": 50,
    "eval_every_steps": 200,
    "save_checkpoints_steps": _SAVE_STEPS,
    "keep_checkpoint_max": 0,
    "precision": "float32",
}
SEARCH: dict[str, Any] = {
    "num_layers": 6,
    "layer_types": "CAF",
    "max_parameters": "unlimited",
    "max_flops": "unlimited",
    "population_size": 60,
    "num_generations": 2,
    "num_parents": 10,
    "num_mutations": 20,
    "num_crossovers": 20,
    **{
        name: value
        for name, value in PRETRAINING.items()
        if name not in ("custom_layer_list", "generator_layer_list")
    },
    "num_train_steps": 100,
    "eval_every_steps": 100,
}
FINETUNING: dict[str, Any] = {
    "task_names": [TASK],
    "max_seq_length": LENGTH,
    "num_train_epochs": 30,
    "num_trials": 2,
    "train_batch_size": 8,
    "eval_batch_size": 16,
    "learning_rate": 1e-3,
    "precision": "float32",
    "log_steps": 50,
    "iterations_per_loop": 5,
    "save_checkpoints_steps": 50,
    "bucket_by_length": False,
    "write_test_outputs": True,
}
_REFERENCE_HPARAMS = {
    "generator_hidden_size": 0.5,
    "model_hparam_overrides": {
        "hidden_size": 32,
        "num_attention_heads": 2,
        "intermediate_size": 128,
    },
}
_TASK_FILE = """kind = "classification"
labels = ["bad", "good"]

[files]
train = "train.tsv"
dev = "dev.tsv"
test = "test.tsv"

[columns]
text = "text"
label = "label"
"""
NAME = "base"
TWO_WORKERS = "two_workers"
HUGGING_FACE = "converted/preset_huggingface"
REFERENCE = "reference/model.ckpt"  # a checkpoint that the authors' code wrote


class Site:
    """A data directory, and the commands of all programs on it.

    Args:
      root: the directory; a path, or the URL of one on an object store.
    """

    def __init__(self, root: str):
        self.root = root.rstrip("/")
        self.database = ""  # the URL of one for searches

    def path(self, *parts: str) -> str:
        """A path in it."""
        return "/".join((self.root, *parts))

    def file(self, *parts: str) -> Path:
        """The same to read from and to write to."""
        return parse_path(self.path(*parts))

    def build(self, **flags: object) -> list[str]:
        """The command that builds records."""
        return command(
            "build_pretraining_dataset.py",
            {
                "corpus_dir": self.path("corpus"),
                "vocab_file": self.path("vocab.txt"),
                "output_dir": self.path("pretrain_tfrecords"),
                "max_seq_length": LENGTH,
                "held_out_fraction": 0.1,
                **flags,
            },
        )

    def pretrain(
        self, name: str = NAME, hparams: Mapping[str, Any] | None = None, *more: str
    ) -> list[str]:
        """The command that pre-trains; `hparams` are added to those of the campaign."""
        return self._train("run_pretraining.py", "model_name", name, PRETRAINING, hparams, *more)

    def search(
        self, name: str = NAME, hparams: Mapping[str, Any] | None = None, *more: str
    ) -> list[str]:
        """The command that searches."""
        return self._train("run_search.py", "search_name", name, SEARCH, hparams, *more)

    def finetune(
        self, name: str = NAME, hparams: Mapping[str, Any] | None = None, *more: str
    ) -> list[str]:
        """The command that fine-tunes."""
        return self._train("run_finetuning.py", "model_name", name, FINETUNING, hparams, *more)

    def _train(self, program, flag, name, usual, hparams, *more) -> list[str]:
        text = json.dumps({**usual, **(hparams or {})})
        return command(program, {"data_dir": self.root, flag: name, "hparams": text}, *more)

    def two_workers(self) -> list[Command]:
        """The commands of two workers that pre-train together on this machine."""
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
            for each in sockets:
                each.bind(("127.0.0.1", 0))
            addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
        # A worker whose other one was killed before they met does not wait for half an hour.
        hparams = {"worker_timeout": _WORKER_SECONDS}
        arguments = self.pretrain(TWO_WORKERS, hparams, "--strategy=multi_worker")
        clusters = [
            {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            for index in range(2)
        ]
        return [Command(arguments, {"TF_CONFIG": json.dumps(each)}) for each in clusters]

    def export(self, model: str = f"models/{NAME}/finetuning_models/{TASK}_1") -> list[str]:
        """The command that exports a model, which is given by its path in the site."""
        flags = {"model_dir": self.path(model), "output_dir": self.path("serving", "reviews")}
        return command("export_saved_model.py", flags)

    def convert(self, to: str, source: str = f"models/{NAME}", kind: str = "preset") -> list[str]:
        """The command that converts a model, which is given by its path in the site."""
        flags: dict[str, object] = {"from": kind, "to": to, "input": self.path(source)}
        if kind == "reference":
            flags["hparams"] = json.dumps(_REFERENCE_HPARAMS)
        flags["output"] = self.path("converted", f"{kind}_{to}")
        return command("convert_checkpoint.py", flags)


def write_inputs(site: Site) -> None:
    """Writes the corpus and the task of a site from the demo's texts."""
    root = Path(site.root)
    with gzip.open(ROOT / "data" / "sotu.jsonl.gz", "rb") as file:
        addresses = b"".join(next(file) for _ in range(_ADDRESSES))
    (root / "corpus").mkdir(parents=True)
    (root / "corpus" / "addresses.jsonl").write_bytes(addresses)
    with gzip.open(ROOT / "data" / "movie_reviews.tsv.gz", "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    shutil.copytree(ROOT / "tests" / "fixtures" / "tiny", (root / REFERENCE).parent)
    (root / REFERENCE).with_name("config.json").unlink()  # of the fixture
    task = root / "finetuning_data" / TASK
    task.mkdir(parents=True)
    (task / "task.toml").write_text(_TASK_FILE, encoding="utf-8")
    for number, split in enumerate(("train", "dev", "test")):
        some = rows[number * _REVIEWS : (number + 1) * _REVIEWS]
        lines = [f"{text}\t{'good' if float(score) > 2 else 'bad'}\n" for _, score, text in some]
        (task / f"{split}.tsv").write_text("text\tlabel\n" + "".join(lines), encoding="utf-8")


def make_world(directory: Path) -> Site:
    """Makes the undisturbed site, as far as it is not made yet.

    It has records, the run `base`, its trials of fine-tuning, the search `base`, an export and the
    conversions to every format and back.

    Raises:
      InputError: one of the programs failed.
    """
    site = Site(str(directory / "world"))
    root = Path(site.root)
    if not (root / "corpus").exists():
        shutil.rmtree(root, ignore_errors=True)
        write_inputs(site)
    for made, commands in (
        ("pretrain_tfrecords", [Command(site.build(learn_vocab_size=500))]),
        (f"models/{NAME}/preset", [Command(site.pretrain())]),
        (f"searches/{NAME}/best.toml", [Command(site.search())]),
        (f"models/{NAME}/results/{TASK}_results.json", [Command(site.finetune())]),
        (f"models/{TWO_WORKERS}/preset", site.two_workers()),
        ("serving/reviews/1", [Command(site.export())]),
        ("converted/preset_huggingface", [Command(site.convert("huggingface"))]),
        (
            "converted/huggingface_preset",
            [Command(site.convert("preset", HUGGING_FACE, "huggingface"))],
        ),
        ("converted/reference_preset", [Command(site.convert("preset", REFERENCE, "reference"))]),
    ):
        if not (root / made).exists():
            running = [Running(each) for each in commands]
            for ending in [each.end() for each in running]:
                if ending.status:
                    raise InputError(f"the undisturbed {made} failed: {ending.message}")
    return site


def copy_of(site: Site, directory: Path, *parts: str) -> Site:
    """A new site with copies of some parts of another; `directory` is emptied first.

    Args:
      site: where to copy from, on this machine.
      directory: where to; it may be in a bucket.
      *parts: files and directories, by their paths in the site.
    """
    remove(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for part in parts:
        source = site.file(part)
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if file.is_file() and not file.name.startswith("."):  # a lock is no part of a model
                target = directory / file.relative_to(site.root)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
    return Site(str(directory))
