"""Bad command lines and hparams."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from experiments.faults.programs import command
from experiments.faults.refusals import own_file, refusal
from experiments.faults.results import Case
from experiments.faults.world import NAME, PRETRAINING, Site

Flags = Mapping[str, object]
_PRETRAIN, _FINETUNE, _SEARCH = "run_pretraining.py", "run_finetuning.py", "run_search.py"
_BUILD, _EXPORT, _CONVERT = (
    *("build_pretraining_dataset.py", "export_saved_model.py"),
    "convert_checkpoint.py",
)
LONG = "x" * 300  # longer than a name may be


def cases(world: Site) -> Iterator[Case]:
    """All bad command lines and hparams."""
    for program, name, flags in _FLAGS:
        yield refusal(world, "command lines", f"{program} {name}", _command(program, flags))
    for name, hparams in _HPARAMS.items():
        yield refusal(world, "hparams", name, _pretrain(hparams))
    for name, text in _HPARAM_TEXTS.items():
        yield refusal(world, "hparams", name, _pretrain_as(text))
    for name, file, content in _HPARAM_FILES:
        yield refusal(world, "hparams", name, _pretrain_from(file, content))
    for name, hparams in _SEARCH_HPARAMS.items():
        yield refusal(world, "hparams", f"search: {name}", _search(hparams))
    for name, hparams in _FINETUNING_HPARAMS.items():
        yield refusal(world, "hparams", f"fine-tuning: {name}", _finetune(hparams))
    for name, text in _CLUSTERS.items():
        yield refusal(world, "clusters", name, _in_cluster(text))


def _command(program: str, flags: Flags) -> Callable:
    def make(world: Site, site: Site) -> list[str]:
        given = {**_usual(program, site), **flags}
        return command(program, {k: _in(site, v) for k, v in given.items() if v is not None})

    return make


def _in(site: Site, value: object) -> object:
    return value.replace("SITE", site.root) if isinstance(value, str) else value


def _usual(program: str, site: Site) -> dict[str, object]:
    """The flags that a program needs; a bad command line changes or, by None, leaves out some."""
    hparams = json.dumps(PRETRAINING)
    return {
        _PRETRAIN: {"data_dir": "SITE", "model_name": "new", "hparams": hparams},
        _FINETUNE: {"data_dir": "SITE", "model_name": "new"},
        _SEARCH: {"data_dir": "SITE", "search_name": "new"},
        _BUILD: {
            "corpus_dir": "SITE/corpus",
            "vocab_file": "SITE/vocab.txt",
            "output_dir": "SITE/out",
        },
        _EXPORT: {"model_dir": "SITE", "output_dir": "SITE/serving"},
        _CONVERT: {"from": "preset", "to": "preset", "input": "SITE", "output": "SITE/out"},
        "lvbert_tf.plan": {},
    }[program]


_FLAGS: list[tuple[str, str, Flags]] = [
    (_PRETRAIN, "without a data directory", {"data_dir": None}),
    (_PRETRAIN, "with an unknown flag", {"data_directory": "SITE"}),
    (_PRETRAIN, "with a name that is a path", {"model_name": "a/b"}),
    (_PRETRAIN, "with the name ..", {"model_name": ".."}),
    (_PRETRAIN, "with an empty name", {"model_name": ""}),
    (_PRETRAIN, "with a name that is too long", {"model_name": LONG}),
    (_PRETRAIN, "with an unknown strategy", {"strategy": "fast"}),
    (_PRETRAIN, "with less than no devices", {"virtual_devices": -1}),
    (_PRETRAIN, "with a number that is none", {"virtual_devices": "two"}),
    (_PRETRAIN, "with more devices than rows", {"virtual_devices": 64}),
    (_PRETRAIN, "with a file as data directory", {"data_dir": "SITE/vocab.txt"}),
    (_PRETRAIN, "with a missing data directory", {"data_dir": "SITE/nowhere"}),
    (_PRETRAIN, "with an empty data directory's name", {"data_dir": ""}),
    (_PRETRAIN, "with the home of nobody", {"data_dir": "~no-such-user/data"}),
    (_PRETRAIN, "with a name too long for a directory", {"data_dir": f"SITE/{LONG}"}),
    (_BUILD, "with examples that are too short", {"max_seq_length": 4}),
    (_BUILD, "with examples that are too long", {"max_seq_length": 100_000}),
    (_BUILD, "without processes", {"num_processes": 0}),
    (_BUILD, "without shards", {"num_shards": 0}),
    (_BUILD, "with more held out than there is", {"held_out_fraction": 1.5}),
    (_BUILD, "with a fraction that is no number", {"held_out_fraction": "nan"}),
    (_BUILD, "with a negative seed", {"seed": -1}),
    (_BUILD, "with a vocabulary of no tokens", {"vocab_file": "SITE/v", "learn_vocab_size": 3}),
    (_BUILD, "with casing that contradicts itself", {"do_lower_case": True, "no_lower_case": True}),
    (_BUILD, "with an output that is a file", {"output_dir": "SITE/vocab.txt"}),
    (_BUILD, "with an output below a file", {"output_dir": "SITE/vocab.txt/out"}),
    (_BUILD, "with an output whose name is too long", {"output_dir": f"SITE/{LONG}"}),
    (_BUILD, "with an output that holds other files", {"output_dir": "SITE", "overwrite": True}),
    (_BUILD, "with the corpus as output", {"output_dir": "SITE/corpus"}),
    (_EXPORT, "with no model", {}),
    (_EXPORT, "with a missing model", {"model_dir": "SITE/nowhere"}),
    (_EXPORT, "with a file as model", {"model_dir": "SITE/vocab.txt"}),
    (_EXPORT, "with an unknown precision", {"precision": "int3"}),
    (_EXPORT, "with a name that is too long", {"model_dir": f"SITE/{LONG}"}),
    (_CONVERT, "with an unknown format", {"from": "pickle"}),
    (_CONVERT, "with no model", {}),
    (_CONVERT, "with a missing checkpoint", {"from": "reference", "input": "SITE/nowhere"}),
    (_CONVERT, "with a directory that is no model", {"from": "huggingface"}),
    (_CONVERT, "with a name that is too long", {"from": "reference", "input": f"SITE/{LONG}"}),
    (_SEARCH, "with an unknown stage", {"stage": "guess"}),
    (_SEARCH, "with a name that is a path", {"search_name": "../x"}),
    (_SEARCH, "with nothing to report", {"stage": "report"}),
    (_SEARCH, "with a storage that is no URL", {"storage": "nonsense"}),
    (_SEARCH, "with a storage of an unknown kind", {"storage": "oracle9://a/b"}),
    (_SEARCH, "with a storage nowhere", {"storage": "sqlite:////nowhere/x.db"}),
    (_SEARCH, "with a server that is not there", {"storage": "postgresql://u@127.0.0.1:1/x"}),
    (_FINETUNE, "with an output and nothing to predict", {"output": "SITE/x"}),
    (_FINETUNE, "with a missing file to predict", {"predict": "SITE/nowhere"}),
    (_FINETUNE, "with a model that is missing", {"hparams": '{"task_names": "reviews"}'}),
    ("lvbert_tf.plan", "with unknown chips", {"devices": "abacus-4", "corpus_gb": 1}),
    ("lvbert_tf.plan", "without text", {"devices": "h100-8", "corpus_gb": -1}),
]


def _pretrain(hparams: Mapping[str, Any]) -> Callable:
    def make(world: Site, site: Site) -> list[str]:
        named = {name: _in(world, value) for name, value in hparams.items()}
        return site.pretrain("new", named)

    return make


_NARROW = PRETRAINING["model_hparam_overrides"]
_HPARAMS: dict[str, dict[str, Any]] = {
    "an unknown name": {"learning_rat": 1.0},
    "not a number": {"learning_rate": float("nan")},
    "a width for no memory": {"model_hparam_overrides": {**_NARROW, "hidden_size": 10**9}},
    "fewer positions than tokens": {
        "model_hparam_overrides": {**_NARROW, "max_position_embeddings": 8}
    },
    "an unknown activation": {"model_hparam_overrides": {**_NARROW, "hidden_act": "exec"}},
    "fewer embeddings than tokens": {"vocab_size": 10},
    "embeddings for no memory": {"vocab_size": 10**12},
    "another length than the records": {"max_seq_length": 12},
    "no such profile": {"profile_steps": "9:3"},
    "no such checkpoint": {"init_checkpoint": "SITE/nowhere"},
    "an export as checkpoint": {"init_checkpoint": "SITE/serving/reviews"},
    "a search as checkpoint": {"init_checkpoint": f"SITE/searches/{NAME}"},
    "a path with a zero byte": {"init_checkpoint": "a\0b"},
    "a path that is not UTF-8": {"init_checkpoint": "a\udc80b"},
    "records' path with an open bracket": {"pretrain_tfrecords": "SITE/[a"},
    "records that are a directory": {"pretrain_tfrecords": "SITE/models"},
    "held-out records that are text": {"eval_tfrecords": "SITE/vocab.txt"},
    "a model directory that is not UTF-8": {"model_dir": "a\udc80b"},
    "a model directory that is a file": {"model_dir": "SITE/vocab.txt"},
    "a model directory where none can be": {"model_dir": "/proc/model"},
    "a model directory whose name is too long": {"model_dir": f"SITE/{LONG}"},
    "objectives that exclude each other": {"uniform_generator": True, "electra_objective": False},
    "nothing to do": {"do_train": False, "do_eval": False},
    "nothing to evaluate": {"do_train": False, "do_eval": True},
}
_HPARAM_TEXTS = {
    "broken JSON": '{"learning_rate": ',
    "a name twice": '{"seed": 1, "seed": 2}',
    "JSON too deep": '{"seed": ' + "[" * 100_000,
    "an integer of 10,000 digits": '{"seed": ' + "9" * 10_000 + "}",
    "a number beyond all numbers": '{"learning_rate": 1e999}',
}
_HPARAM_FILES: list[tuple[str, str, bytes | None]] = [
    ("broken TOML", "hparams.toml", b"learning_rate = = 3"),
    ("TOML that is not UTF-8", "hparams.toml", b'precision = "\xe9"'),
    ("TOML with a date", "hparams.toml", b"seed = 1979-05-27"),
    ("a file of zeros", "hparams.json", b"\0" * 100),
    ("JSON in UTF-16", "hparams.json", '{"seed": 1}'.encode("utf-16")),
    ("a directory as a file", "hparams.json", None),
]


def _pretrain_as(text: str) -> Callable:
    def make(world: Site, site: Site) -> list[str]:
        flags = {"data_dir": site.root, "model_name": "new", "hparams": text}
        return command(_PRETRAIN, flags)

    return make


def _pretrain_from(file: str, content: bytes | None) -> Callable:
    def make(world: Site, site: Site) -> list[str]:
        path = own_file(site, file, content)
        flags = {"data_dir": site.root, "model_name": "new", "hparams": path}
        return command(_PRETRAIN, flags)

    return make


def _search(hparams: Mapping[str, Any]) -> Callable:
    return lambda world, site: site.search("new", hparams)


_SEARCH_HPARAMS: dict[str, dict[str, Any]] = {
    "an unknown layer": {"layer_types": "CAX"},
    "no layers": {"num_layers": 0},
    "no string within the limit": {"max_parameters": 10},
    "a limit of a string that is none": {"max_parameters": "CAX"},
    "an objective without a score": {"electra_objective": False, "fitness": "disc_auc"},
}


def _finetune(hparams: Mapping[str, Any]) -> Callable:
    def make(world: Site, site: Site) -> list[str]:
        start = world.path("models", NAME, "preset")
        named = {name: _in(world, value) for name, value in hparams.items()}
        return site.finetune("new", {"init_checkpoint": start, **named})

    return make


_FINETUNING_HPARAMS: dict[str, dict[str, Any]] = {
    "an unknown task": {"task_names": ["colla"]},
    "a task twice": {"task_names": ["reviews", "reviews"]},
    "a task that is a path": {"task_names": ["../reviews"]},
    "a task with a zero byte": {"task_names": ["a\0b"]},
    "a task whose name is too long": {"task_names": [LONG]},
    "more tokens than positions": {"max_seq_length": 64},
    "a batch for no memory": {"train_batch_size": 10**12},
    "no such model": {"init_checkpoint": "SITE/nowhere"},
    "an export as model": {"init_checkpoint": "SITE/serving/reviews/1"},
    "nothing trained": {"do_train": False},
}


def _in_cluster(text: str) -> Callable:
    def make(world: Site, site: Site) -> list[str]:
        return ["env", f"TF_CONFIG={text}", *site.pretrain("new", None, "--strategy=multi_worker")]

    return make


_CLUSTERS = {
    "broken JSON": "{",
    "a list": "[]",
    "a worker that is not listed": '{"cluster": {"worker": ["127.0.0.1:1"]}, "task":'
    ' {"type": "worker", "index": 5}}',
    "an address that is none": '{"cluster": {"worker": ["nowhere", "there"]}, "task":'
    ' {"type": "worker", "index": 0}}',
    "an index that is text": '{"cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}, "task":'
    ' {"type": "worker", "index": "one"}}',
}
