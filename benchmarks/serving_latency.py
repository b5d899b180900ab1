"""Latency and throughput of exported classifiers, side by side with Hugging Face's ELECTRA, in one run.

    python -m benchmarks.serving_latency --huggingface_python /tmp/hf/bin/python --vocab_file vocab.txt

Classifiers of ELECTRA-small's width with random weights, exported in every format and answered by
`lvbert_tf.serving.load`, beside ELECTRA of equal size in PyTorch, ONNX Runtime and OpenVINO. Each
implementation, precision and number of threads is a process of its own, one after the other, for
several rounds; larger batches are given the most threads only. Without --vocab_file a vocabulary is
learned from data/sotu.jsonl.gz.
benchmarks/baselines/README.md says how to make the other environment; without it only this project is
measured. OpenVINO and ONNX Runtime are those that Python finds in either environment (the extra
`engines`; a folder with them may be in PYTHONPATH). Prints the tables of docs/performance.md.
"""

import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import flags, logging
from tqdm import tqdm

from benchmarks import latency_tables as tables
from benchmarks.contestant import Contestant, driver
from benchmarks.exported_classifiers import LAYERS, MAX_LENGTH, make_classifier
from benchmarks.machine import processor
from benchmarks.rows import address_rows
from lvbert_tf import cli
from lvbert_tf.architecture.layer_string import ELECTRA, LV_BERT_SMALL
from lvbert_tf.errors import InputError
from lvbert_tf.models import LVBertTokenizer
from lvbert_tf.serving.calibration import MOST_TEXTS, single_inputs
from lvbert_tf.serving.inputs import text_inputs
from lvbert_tf.serving.servable_model import servable_task
from lvbert_tf.serving.versions import export
from lvbert_tf.text.wordpiece_learner import learn_vocabulary, write_vocabulary

_VOCABULARY_SIZE = 30522
# What exists of ours: precision -> formats.
_EXPORTS = {
    "float32": ("savedmodel", "onnx", "openvino"),
    "bfloat16": ("savedmodel", "openvino"),
    "int8": ("onnx", "openvino"),
}
# (name, runtime of the driver, precision) of Hugging Face's model.
_PEERS = (
    ("PyTorch", "pytorch", "float32"),
    ("PyTorch", "pytorch", "bfloat16"),
    ("PyTorch compiled", "pytorch_compiled", "float32"),
    ("PyTorch compiled", "pytorch_compiled", "bfloat16"),
    ("ONNX Runtime", "onnxruntime", "float32"),
    ("ONNX Runtime", "onnxruntime", "int8"),
    ("OpenVINO", "openvino", "float32"),
    ("OpenVINO", "openvino", "bfloat16"),
)
_WORDS = {"short": 8, "long": 90}

FLAGS = flags.FLAGS
flags.DEFINE_string("huggingface_python", None, "Python with PyTorch, transformers, onnxruntime.")
flags.DEFINE_string("vocab_file", None, "BERT's vocabulary.")
flags.DEFINE_list("batch_sizes", ["1", "8", "32"], "Sentences a request.")
flags.DEFINE_list("lengths", ["32", "128"], "Tokens a sentence.")
flags.DEFINE_multi_integer(
    "threads", [1, os.cpu_count() or 1], "Threads of an operation, to choose from.", lower_bound=1
)
flags.DEFINE_float("seconds", 0.4, "For each request, setting and round.", lower_bound=0.0)
flags.DEFINE_integer("rounds", 2, "Rounds over all settings.", lower_bound=1)
flags.DEFINE_multi_string(
    "leave_out", [], "Implementations to leave out: 'PyTorch compiled', which takes minutes, ..."
)
flags.DEFINE_string("keep", None, "Folder for the models, used again if they are there.")


def requests() -> dict[str, tuple[int, int]]:
    """BATCHxTOKENS -> (batch, tokens), as the flags ask."""
    try:
        sizes = [
            (int(batch), int(length)) for batch in FLAGS.batch_sizes for length in FLAGS.lengths
        ]
    except ValueError as error:
        raise InputError(f"--batch_sizes, --lengths: {error}") from error
    return {f"{batch}x{length}": (batch, length) for batch, length in sizes}


def make_models(folder: Path) -> None:
    """Exports the models that are missing, and writes the texts with their token ids."""
    folder.mkdir(parents=True, exist_ok=True)
    sentences = [row.split("\t")[0] for row in address_rows()]
    vocabulary = FLAGS.vocab_file or folder / "vocab.txt"
    if not Path(vocabulary).exists():
        write_vocabulary(vocabulary, learn_vocabulary(sentences, _VOCABULARY_SIZE))
    tokenizer = LVBertTokenizer(str(vocabulary))
    calibration = single_inputs(tokenizer.tokenizer, [sentences[:MOST_TEXTS]], MAX_LENGTH)
    for layers in LAYERS.values():
        for precision, formats in _EXPORTS.items():
            directory = folder / f"{layers}_{precision}"
            if directory.exists():
                continue
            models = {
                name: servable_task(make_classifier(layers, tokenizer, dtype))
                for name, dtype in (
                    (name, precision if name == "savedmodel" else "float32") for name in formats
                )
            }
            export(models, directory, "not stated", precision, calibration)
    words = " ".join(sentences).split()
    texts = {}
    for name, count in _WORDS.items():
        text = " ".join(words[:count])
        ids = text_inputs(tokenizer.tokenizer, [[text]], MAX_LENGTH)["token_ids"][0]
        texts[name] = {"text": text, "token_ids": ids.numpy().tolist()}
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")


def contestants(sizes: dict[str, tuple[int, int]]) -> list[Contestant]:
    """What the flags ask to compare."""
    found = [
        (f"ours, {name}", title, precision, driver("own_serving", *options, "--format", name))
        for title, options in (
            ("LV-BERT", ["--layers", str(LV_BERT_SMALL), "--texts"]),
            ("AF x 12", ["--layers", str(ELECTRA), "--texts"]),
        )
        for precision, formats in _EXPORTS.items()
        for name in formats
    ]
    if python := FLAGS.huggingface_python:
        module = "baselines.huggingface_serving"
        found += [
            (name, "AF x 12", precision, driver(module, "--runtime", runtime, python=python))
            for name, runtime, precision in _PEERS
        ]
    return [
        Contestant(name, title, precision, [
            *command, "--precision", precision, "--threads", str(threads),
            "--requests", ",".join(asked), "--seconds", str(FLAGS.seconds),
        ])
        for name, title, precision, command in found
        for threads in sorted(set(FLAGS.threads))
        if name not in FLAGS.leave_out
        and (asked := [
            name for name, (batch, _) in sizes.items() if batch == 1 or threads == max(FLAGS.threads)
        ])
    ]  # fmt: skip


def main() -> None:
    logging.set_verbosity(logging.ERROR)
    sizes = requests()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(FLAGS.keep or temporary).resolve()
        make_models(folder)
        texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
        runs = contestants(sizes)
        with tqdm(total=FLAGS.rounds * len(runs), unit="run") as progress:
            for _ in range(FLAGS.rounds):
                for run in runs:
                    progress.set_description(f"{run.name} {run.layers} {run.precision}")
                    run.run(["--data", str(folder)])
                    progress.update()
    fewest = min(
        len(tables.milliseconds(run, request))
        for run in runs
        for request in run.results[0]["seconds"]
    )
    print(f"{processor()}; milliseconds, {fewest} answers at least; load {os.getloadavg()[2]:.1f}")
    print(f"\n{tables.comparison(runs, list(sizes))}")
    print(f"\n{tables.settings(runs, list(sizes))}")
    print(f"\n{tables.texts([run for run in runs if '--texts' in run.command], texts)}")


if __name__ == "__main__":
    cli.run(main)
