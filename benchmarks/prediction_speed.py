"""How long a command takes to predict for many sentences, beside Hugging Face's, in one run.

    python -m benchmarks.prediction_speed --huggingface_python /tmp/hf/bin/python \\
        --data_dir GLUE/SST-2 --vocab_file vocab.txt

The sentences are those of SST-2's train.tsv, 67,349, or as many of them, drawn at random, as --sentences
says. Each row of the table is one process, from its start to the last answer on the disk, with encoders
of ELECTRA-small's width and random weights: `run_finetuning.py --predict` in TensorFlow, and with
`--exported`; Hugging Face's Trainer.predict, as its defaults are and with rows of like length together;
and its pipeline, which takes sentence by sentence unless it is told otherwise. `--cores 1` gives each
process one core: then its processor time hardly depends on what else the machine does.
benchmarks/baselines/README.md says how to make the other environment; without it only this project is
measured.
"""

import os
import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import flags
from tqdm import tqdm

from benchmarks.contestant import driver, timed
from benchmarks.exported_classifiers import LAYERS, MAX_LENGTH, make_classifier
from benchmarks.machine import processor
from benchmarks.rows import glue_rows
from lvbert_tf import cli
from lvbert_tf.errors import InputError
from lvbert_tf.models import LVBertTokenizer
from lvbert_tf.runs.model_directory import save_preset
from lvbert_tf.serving.calibration import MOST_TEXTS, single_inputs
from lvbert_tf.serving.servable_model import servable_task
from lvbert_tf.serving.versions import export

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", None, "Folder of SST-2, as GLUE has it.", required=True)
flags.DEFINE_string("vocab_file", None, "BERT's vocabulary.", required=True)
flags.DEFINE_string("huggingface_python", None, "Python with PyTorch, transformers, accelerate.")
flags.DEFINE_integer("sentences", 0, "How many, drawn at random; 0 for all.", lower_bound=0)
flags.DEFINE_integer("cores", os.cpu_count() or 1, "Cores of each process.", lower_bound=1)
flags.DEFINE_list("precisions", ["float32", "bfloat16"], "Precisions; int8 only of exports.")
flags.DEFINE_string("keep", None, "Folder for the models, used again if they are there.")
flags.DEFINE_string("only", "", "Measure rows whose name has this in it.")


@dataclass(frozen=True)
class Row:
    """A command, and what the table calls it; its answers go to the file behind `--output`."""

    name: str
    layers: str
    precision: str
    command: list[str]


def make_models(folder: Path, sentences: list[str]) -> None:
    """Writes a trial and an export of each encoder and precision; the sentences calibrate int8."""
    tokenizer = LVBertTokenizer(FLAGS.vocab_file)
    calibration = single_inputs(tokenizer.tokenizer, [sentences[:MOST_TEXTS]], MAX_LENGTH)
    for title, layers in LAYERS.items():
        model = make_classifier(layers, tokenizer, "float32")
        trial = folder / "models" / title / "finetuning_models" / "sst_1" / "presets" / "sst"
        if not trial.exists():
            save_preset((model,), trial, 0)
        for precision in FLAGS.precisions:
            directory = folder / f"{title}_{precision}"
            if not directory.exists():
                exported = {"openvino": servable_task(model)}
                export(exported, directory, "not stated", precision, calibration)


def rows(folder: Path) -> list[Row]:
    """What the flags ask to compare."""
    source = ["--predict", str(folder / "sentences.txt"), "--output", str(folder / "answers")]
    program, found = [sys.executable, "run_finetuning.py"], []
    for title in LAYERS:
        trial = ["--data_dir", str(folder), "--model_name", title]
        hparams = ["--hparams", '{"task_names": ["sst"]}']
        command = [*program, *trial, *hparams, *source]
        found.append(Row("ours, TensorFlow", title, "float32", command))
        for precision in FLAGS.precisions:
            exported = ["--exported", str(folder / f"{title}_{precision}" / "1")]
            command = [*program, *exported, *source]
            found.append(Row("ours, OpenVINO", title, precision, command))
    if python := FLAGS.huggingface_python:
        common = ["--vocab_file", FLAGS.vocab_file, *source[1:]]
        for name, way in (
            ("Trainer.predict", "trainer"),
            ("Trainer.predict, of like length", "trainer_by_length"),
            ("pipeline", "pipeline"),
        ):
            for precision in [name for name in FLAGS.precisions if name != "int8"]:
                module = "baselines.huggingface_prediction"
                options = ["--way", way, "--precision", precision, *common]
                command = driver(module, *options, python=python)
                found.append(Row(f"Hugging Face, {name}", "AF x 12", precision, command))
    return [row for row in found if FLAGS.only in row.name]


def measure(row: Row, answers: Path, count: int) -> tuple[float, float]:
    """Runs a command once: seconds by the clock, and processor seconds.

    Raises:
      InputError: it failed, or did not answer every sentence.
    """
    answers.unlink(missing_ok=True)
    found = timed(row.command, FLAGS.cores)
    if len(answers.read_text(encoding="utf-8").splitlines()) != count:
        raise InputError(f"{row.name}: answers are missing")
    return found


def main() -> None:
    sentences = [row.split("\t")[0] for row in glue_rows(Path(FLAGS.data_dir), "train")]
    if FLAGS.sentences:
        sentences = random.Random(0).sample(sentences, FLAGS.sentences)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(FLAGS.keep or temporary).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        make_models(folder, sentences)
        text = "".join(f"{sentence}\n" for sentence in sentences)
        (folder / "sentences.txt").write_text(text, encoding="utf-8")
        print(f"{processor()}; {len(sentences):,} sentences, cores {FLAGS.cores}\n")
        print("| | layers | precision | s | sentences/s | a processor second |")
        print("|---|---|---|--:|--:|--:|", flush=True)
        for row in tqdm(rows(folder), unit="command"):
            seconds, of_processor = measure(row, folder / "answers", len(sentences))
            rates = f"{len(sentences) / seconds:.0f} | {len(sentences) / of_processor:.0f}"
            cells = f"{row.name} | {row.layers} | {row.precision} | {seconds:.0f} | {rates}"
            print(f"| {cells} |", flush=True)
    print(f"\nload {os.getloadavg()[2]:.1f}")


if __name__ == "__main__":
    cli.run(main)
