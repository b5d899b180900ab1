"""Latency and throughput of exported classifiers, side by side with Hugging Face's ELECTRA, in one run.

    python -m benchmarks.serving_latency --huggingface_python /tmp/hf/bin/python --vocab_file vocab.txt

SavedModels of ELECTRA-small's width with random weights, loaded with tensorflow and tensorflow-text
alone, beside ELECTRA of equal size in PyTorch and in ONNX Runtime. Each implementation, precision and
number of threads is a process of its own, one after the other, for several rounds; larger batches are
given the most threads only. Without --vocab_file a vocabulary is learned from data/sotu.jsonl.gz.
benchmarks/baselines/README.md says how to make the other environment; without it only this project is
measured. Prints the tables of docs/performance.md.

    python -m benchmarks.serving_latency --accuracy_of DATA/models/NAME/finetuning_models/sst_1 \\
        --data_dir GLUE/SST-2

measures what bfloat16 costs a model that was fine-tuned on SST-2, and nothing else.
"""

import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from absl import flags, logging
from tqdm import tqdm

from benchmarks import latency_tables as tables
from benchmarks.contestant import Contestant, driver
from benchmarks.machine import processor
from benchmarks.rows import address_rows, glue_rows
from benchmarks.serving_accuracy import accuracy_cost
from lvbert_tf import cli
from lvbert_tf.architecture.layer_string import ELECTRA, LV_BERT_SMALL
from lvbert_tf.errors import InputError
from lvbert_tf.models import (
    LVBertBackbone,
    LVBertTextClassifier,
    LVBertTextClassifierPreprocessor,
    LVBertTokenizer,
)
from lvbert_tf.serving.inputs import text_inputs
from lvbert_tf.serving.servable_model import servable_task
from lvbert_tf.serving.versions import export
from lvbert_tf.text.wordpiece_learner import learn_vocabulary, write_vocabulary

_VOCABULARY_SIZE = 30522
_LAYERS = {"LV-BERT": str(LV_BERT_SMALL), "AF x 12": str(ELECTRA)}
_PRECISIONS = ("float32", "bfloat16")
_WORDS = {"short": 8, "long": 90}
_MAX_LENGTH = 128

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
flags.DEFINE_string("keep", None, "Folder for the models, used again if they are there.")
flags.DEFINE_string("accuracy_of", None, "A fine-tuned classifier: see above.")
flags.DEFINE_string("data_dir", None, "Folder of SST-2, as GLUE has it, for --accuracy_of.")


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
    """Exports all models, and writes the texts with their token ids."""
    if (folder / "texts.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    sentences = [row.split("\t")[0] for row in address_rows()]
    vocabulary = FLAGS.vocab_file
    if not vocabulary:
        vocabulary = folder / "vocab.txt"
        write_vocabulary(vocabulary, learn_vocabulary(sentences, _VOCABULARY_SIZE))
    tokenizer = LVBertTokenizer(str(vocabulary))
    for layers in _LAYERS.values():
        for precision in _PRECISIONS:
            keras.utils.set_random_seed(0)
            backbone = LVBertBackbone(
                tokenizer.vocabulary_size(),
                layers,
                num_heads=4,
                hidden_dim=256,
                intermediate_dim=1024,
                embedding_dim=128,
                dtype=precision,
            )
            preprocessor = LVBertTextClassifierPreprocessor(tokenizer, _MAX_LENGTH)
            model = LVBertTextClassifier(backbone, 2, preprocessor)
            export(
                {"savedmodel": servable_task(model)}, folder / f"{layers}_{precision}", "not stated"
            )
    words = " ".join(sentences).split()
    texts = {}
    for name, count in _WORDS.items():
        text = " ".join(words[:count])
        ids = text_inputs(tokenizer.tokenizer, [[text]], _MAX_LENGTH)["token_ids"][0]
        texts[name] = {"text": text, "token_ids": ids.numpy().tolist()}
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")


def contestants(sizes: dict[str, tuple[int, int]]) -> list[Contestant]:
    """What the flags ask to compare."""
    found = [
        ("ours", title, precision, driver("own_serving", "--layers", layers, *texts))
        for title, layers, texts in (
            ("LV-BERT", str(LV_BERT_SMALL), ["--texts"]),
            ("AF x 12", str(ELECTRA), []),
        )
        for precision in _PRECISIONS
    ]
    if FLAGS.huggingface_python:
        python, module = FLAGS.huggingface_python, "baselines.huggingface_serving"
        found += [
            (name, "AF x 12", precision, driver(module, "--runtime", runtime, python=python))
            for name, runtime, precision in (
                ("PyTorch", "pytorch", "float32"),
                ("PyTorch", "pytorch", "bfloat16"),
                ("ONNX Runtime", "onnxruntime", "float32"),
                ("ONNX Runtime, int8", "onnxruntime", "int8"),
            )
        ]
    return [
        Contestant(name, title, precision, [
            *command, "--precision", precision, "--threads", str(threads),
            "--requests", ",".join(asked), "--seconds", str(FLAGS.seconds),
        ])
        for name, title, precision, command in found
        for threads in sorted(set(FLAGS.threads))
        if (asked := [
            name for name, (batch, _) in sizes.items() if batch == 1 or threads == max(FLAGS.threads)
        ])
    ]  # fmt: skip


def main() -> None:
    logging.set_verbosity(logging.ERROR)
    if FLAGS.accuracy_of:
        if not FLAGS.data_dir:
            raise InputError("--accuracy_of needs --data_dir, the folder of SST-2")
        print(accuracy_cost(Path(FLAGS.accuracy_of), glue_rows(Path(FLAGS.data_dir), "dev")))
        return
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
    print(f"\n{tables.comparison(runs, sizes)}")
    print(f"\n{tables.settings(runs, list(sizes))}")
    print(f"\n{tables.texts([run for run in runs if '--texts' in run.command], texts)}")


if __name__ == "__main__":
    cli.run(main)
