"""What each format and precision of an exported model costs in accuracy, on the dev rows of its task.

    python -m benchmarks.serving_accuracy --trials DATA/models/NAME/finetuning_models/sst_1,... \\
        --max_rows 2000

For trials of classification, tagging of words and questions that have an answer, in their data
directory. Each is exported in every setting, int8 calibrated with rows that it was trained on, and
answers by `lvbert_tf.serving.load`. Prints a table of the main metric, in percent, and how many points
each setting is away from float32. Needs the extra `engines`.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import flags, logging
from tqdm import tqdm

from benchmarks.machine import processor
from lvbert_tf import cli
from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.metrics.classification import score_classes
from lvbert_tf.finetuning.metrics.question_answering import score_answers
from lvbert_tf.finetuning.metrics.tagging import score_word_tags
from lvbert_tf.finetuning.task_examples import TaggedSentence
from lvbert_tf.finetuning.tasks.task import Example, Task
from lvbert_tf.serving import Predictor, load
from lvbert_tf.serving.calibration import calibration_inputs, texts_of, trained_task
from lvbert_tf.serving.servable_model import load_servable_model
from lvbert_tf.serving.versions import export

FLAGS = flags.FLAGS
flags.DEFINE_list("trials", None, "Trials of one task each.", required=True)
flags.DEFINE_integer("max_rows", 10**9, "Dev rows of a task, the first ones.", lower_bound=1)
# The first one is what the others are compared with.
_SETTINGS = (
    ("onnx", "float32"),
    ("savedmodel", "bfloat16"),
    ("openvino", "bfloat16"),
    ("openvino", "int8"),
    ("onnx", "int8"),
)


def score(task: Task, examples: Sequence[Example], model: Predictor) -> float:
    """The task's main metric of a model's answers; of SQuAD F1, as few answers are exact."""
    rows = [texts if len(texts) > 1 else texts[0] for texts in map(texts_of, examples)]
    answers = list(tqdm(model.stream(rows), total=len(rows), leave=False, desc=task.name))
    if task.kind == "classification":
        places = {label: place for place, label in enumerate(model.config["labels"])}
        predicted = [places[answer["label"]] for answer in answers]
        found = score_classes([row.label for row in examples], predicted, task.metrics[:1])
    elif task.kind == "tagging":
        predicted = [answer["tags"] for answer in answers]
        found = score_word_tags([row.tags for row in examples], predicted, task.metrics[:1])
    else:
        predicted = {
            row.id: answer["answer"] for row, answer in zip(examples, answers, strict=True)
        }
        return score_answers(examples, predicted)["f1"]
    return found[task.metrics[0]]


def scores(trial: Path, folder: Path) -> tuple[Task, int, list[float]]:
    """A trial's task, the number of its dev rows, and the metric in each setting."""
    task = trained_task(trial, None)
    if task.kind == "regression" or task.unanswerable:
        raise InputError(f"{trial}: {task.name} is no task that this program scores")
    examples = task.read(task.splits_of("dev")[0], skip_bad_rows=True).examples[: FLAGS.max_rows]
    if task.kind == "tagging":  # a word of the files may hold a blank, which texts cannot
        examples = [row for row in examples if _is_text(row)]
    models = {
        dtype: load_servable_model(trial, None, dtype, cli.say) for dtype in ("float32", "bfloat16")
    }
    calibration = calibration_inputs(models["float32"], trial, None, None)
    found = []
    for name, precision in _SETTINGS:
        model = models[precision if name == "savedmodel" else "float32"]
        output = folder / f"{task.name}_{name}_{precision}"
        version = export({name: model}, output, "not stated", precision, calibration)
        found.append(score(task, examples, load(version, name)))
    return task, len(examples), found


def _is_text(row: TaggedSentence) -> bool:
    return tuple(" ".join(row.words).split()) == row.words


def main() -> None:
    logging.set_verbosity(logging.ERROR)
    heads = [f"{name}, {precision}" for name, precision in _SETTINGS]
    lines = [
        f"| task | metric | dev rows | {' | '.join(heads)} |",
        "|---|---|--:|" + "--:|" * len(heads),
    ]
    for trial in FLAGS.trials:
        with tempfile.TemporaryDirectory() as folder:
            task, rows, (exact, *others) = scores(Path(trial), Path(folder))
        metric = "f1" if task.kind == "span" else task.metrics[0]
        cells = [f"{exact:.2f}", *(f"{other:.2f} ({other - exact:+.2f})" for other in others)]
        lines.append(f"| {task.name} | {metric} | {rows} | {' | '.join(cells)} |")
    print(f"{processor()}\n\n" + "\n".join(lines))


if __name__ == "__main__":
    cli.run(main)
