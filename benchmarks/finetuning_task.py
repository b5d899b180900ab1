"""How long a whole small task takes, beside Hugging Face's Trainer, in one run.

    python -m benchmarks.finetuning_task --huggingface_python /tmp/hf/bin/python \\
        --data_dir GLUE/CoLA --vocab_file vocab.txt

Fine-tunes encoders of ELECTRA-small's width on CoLA and scores its dev set, with the defaults of
`run_finetuning.py`: each row is one process, from its start to its result on the disk, so imports,
reading, tracing and compiling are in it. Both put rows of like length together, which is the fastest for
both. Weights are random, as only time is measured. The rows take turns for several rounds.
benchmarks/baselines/README.md says how to make the other environment; without it only this project is
measured.
"""

import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # both compute on the processor

from absl import flags
from tqdm import tqdm

from benchmarks.contestant import driver, spread, timed
from benchmarks.exported_classifiers import LAYERS, make_classifier
from benchmarks.machine import processor
from lvbert_tf import cli
from lvbert_tf.errors import InputError
from lvbert_tf.models import LVBertTokenizer
from lvbert_tf.runs.model_directory import save_preset

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", None, "Folder of CoLA, as GLUE has it.", required=True)
flags.DEFINE_string("vocab_file", None, "BERT's vocabulary.", required=True)
flags.DEFINE_string("huggingface_python", None, "Python with PyTorch, transformers, accelerate.")
flags.DEFINE_list("precisions", ["float32", "bfloat16"], "Precisions to measure.")
flags.DEFINE_integer("rounds", 1, "Rounds over all rows.", lower_bound=1)
flags.DEFINE_float("epochs", 3, "Passes over the training set.", lower_bound=0.01)


@dataclass
class Row:
    """A command, what the table calls it, and what its runs took.

    Attributes:
      result: the file with its result.
      seconds: of each run, by the clock.
      processor_seconds: of each run, on all cores.
    """

    name: str
    layers: str
    precision: str
    command: list[str]
    result: Path
    seconds: list[float] = field(default_factory=list)
    processor_seconds: list[float] = field(default_factory=list)


def own_rows(folder: Path) -> list[Row]:
    """Rows of this project; writes the presets that they start from, and links the task's files."""
    tokenizer = LVBertTokenizer(FLAGS.vocab_file)
    files = folder / "finetuning_data" / "cola"
    files.parent.mkdir()
    files.symlink_to(Path(FLAGS.data_dir).resolve())
    found = []
    for title, layers in LAYERS.items():
        preset = folder / "presets" / title
        save_preset((make_classifier(layers, tokenizer, "float32").backbone, tokenizer), preset, 0)
        for precision in FLAGS.precisions:
            name = f"{layers}_{precision}"
            hparams = {
                "task_names": ["cola"],
                "init_checkpoint": str(preset),
                "num_train_epochs": FLAGS.epochs,
                "precision": precision,
            }
            command = [sys.executable, "run_finetuning.py", "--data_dir", str(folder)]
            command += ["--model_name", name, "--hparams", json.dumps(hparams)]
            result = folder / "models" / name / "results" / "cola_results.json"
            found.append(Row("ours", title, precision, command, result))
    return found


def huggingface_rows(folder: Path) -> list[Row]:
    """Rows of Hugging Face's Trainer; writes the model that they start from."""
    module, model = "baselines.huggingface_task", folder / "huggingface" / "model"
    program = driver(module, "--model", str(model), python=FLAGS.huggingface_python)
    timed([*program, "--make", FLAGS.vocab_file])
    found = []
    for precision in FLAGS.precisions:
        output = folder / "huggingface" / precision
        command = [*program, "--data_dir", FLAGS.data_dir, "--output_dir", str(output)]
        command += ["--epochs", str(FLAGS.epochs), "--precision", precision, "--bucket"]
        result = output / "result.json"
        found.append(Row("Hugging Face", "AF x 12", precision, command, result))
    return found


def measure(row: Row) -> None:
    """Runs a command once, from nothing.

    Raises:
      InputError: it failed, or left no result.
    """
    shutil.rmtree(row.result.parents[1] if row.name == "ours" else row.result.parent, True)
    seconds, processor_seconds = timed(row.command)
    if not row.result.exists():
        raise InputError(f"{row.name}: no {row.result}")
    row.seconds.append(seconds)
    row.processor_seconds.append(processor_seconds)


def table(rows: list[Row]) -> str:
    """A Markdown table; ratios are to Hugging Face's fastest row of the same round."""
    peers = [row for row in rows if row.name != "ours"]
    lines = [
        "| | layers | precision | s | of the processor | times | by processor time |",
        "|---|---|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        cells = []
        for clock in ("seconds", "processor_seconds"):
            own = getattr(row, clock)
            peer = [
                min(each) for each in zip(*(getattr(peer, clock) for peer in peers), strict=True)
            ]
            ratios = [other / mine for other, mine in zip(peer, own, strict=False)]
            cells += [spread(own, 0), spread(ratios, 2) if ratios else "–"]
        seconds, ratio, of_processor, by_processor = cells
        lines.append(
            f"| {row.name} | {row.layers} | {row.precision} | {seconds} | {of_processor} |"
            f" {ratio} | {by_processor} |"
        )
    return "\n".join(lines)


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        rows = own_rows(folder)
        if FLAGS.huggingface_python:
            rows += huggingface_rows(folder)
        with tqdm(total=FLAGS.rounds * len(rows), unit="run") as progress:
            for _ in range(FLAGS.rounds):
                for row in rows:
                    progress.set_description(f"{row.name} {row.layers} {row.precision}")
                    measure(row)
                    progress.update()
        print(f"{processor()}; CoLA, {FLAGS.epochs:g} epochs; load {os.getloadavg()[2]:.1f}\n")
        print(table(rows))


if __name__ == "__main__":
    cli.run(main)
