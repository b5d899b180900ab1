"""The texts that int8 is calibrated with, as the inputs of a network.

A static quantisation has to know how large the numbers between two layers become. It looks at them while
the network reads texts like those that it will be asked about.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.line_requests import RequestReader
from lvbert_tf.finetuning.task_examples import Question, RowLocation, TaggedSentence
from lvbert_tf.finetuning.tasks.lines import read_lines
from lvbert_tf.finetuning.tasks.registry import find_task
from lvbert_tf.finetuning.tasks.task import Example, Kind, Task
from lvbert_tf.io.sealed import read_sealed_json
from lvbert_tf.runs.open_model import Trial, open_model
from lvbert_tf.serving.inputs import text_inputs
from lvbert_tf.serving.servable_model import ServableModel
from lvbert_tf.text import Tokenizer

MOST_TEXTS = 300
"""How many texts are read; those of a longer file are drawn from all of it, evenly."""

Inputs = dict[str, np.ndarray]
_KINDS: dict[str, Kind] = {
    "regressor": "regression",
    "tagger": "tagging",
    "span_predictor": "span",
}


def calibration_inputs(
    model: ServableModel, model_dir: Path, task: str | None, file: Path | None
) -> list[Inputs]:
    """The inputs of a network for at most `MOST_TEXTS` texts, one text each.

    Args:
      model: the model to calibrate.
      model_dir, task: what it was loaded from; see `load_servable_model`.
      file: lines as `run_finetuning.py --predict` reads them; None means the rows that the model was
        trained on, which a trial in its data directory knows.

    Raises:
      InputError: the file cannot be read, or has a line that the model cannot; or no file is given, and
        the rows are not there.
    """
    examples = _training_rows(model_dir, task) if file is None else _lines(model, file)
    chosen = [examples[row] for row in _spread(len(examples))]
    columns = [list(column) for column in zip(*map(texts_of, chosen), strict=True)]
    return single_inputs(model.tokenizer, columns, model.description["sequence_length"])


def single_inputs(
    tokenizer: Tokenizer, columns: Sequence[Sequence[str]], max_length: int
) -> list[Inputs]:
    """The inputs of a network for texts, one text each, without padding.

    Args:
      tokenizer: the model's.
      columns: the texts; two columns for a model that reads pairs.
      max_length: the most tokens of a text, or of a pair.
    """
    inputs = text_inputs(tokenizer, columns, max_length)
    arrays = {name: values.numpy() for name, values in inputs.items()}
    lengths = arrays["padding_mask"].sum(-1)
    return [
        {name: values[row : row + 1, :length] for name, values in arrays.items()}
        for row, length in enumerate(lengths)
    ]


def _spread(count: int) -> Sequence[int]:
    """At most `MOST_TEXTS` of `count` places, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_TEXTS)).astype(int)).tolist()


def _lines(model: ServableModel, file: Path) -> Sequence[Example]:
    kind = _KINDS.get(model.description["kind"], "classification")
    reader = RequestReader(kind, model.description.get("paired", False))
    examples = [
        reader.read(line, RowLocation(str(file), number)).example
        for number, line in read_lines(file)
    ]
    if not examples:
        raise InputError(f"--calibration {file} is empty")
    return examples


def trained_task(model_dir: Path, task: str | None) -> Task:
    """The task of a trial, with its files.

    Args:
      model_dir, task: see `load_servable_model`.

    Raises:
      InputError: it is no trial, or it is not in its data directory.
    """
    trial = open_model(model_dir, Trial)
    name = trial.preset(task).path.name
    config = read_sealed_json(trial.path / "config.json")
    try:
        # DATA/models/NAME/finetuning_models/TASKS_TRIAL
        data_dir, source = trial.path.resolve().parents[3], config["hparams"]["data_source"]
    except (LookupError, TypeError) as error:
        raise InputError(f"{model_dir} is not as run_finetuning.py left it") from error
    return find_task(name, data_dir, source)


def _training_rows(model_dir: Path, task: str | None) -> Sequence[Example]:
    try:
        found = trained_task(model_dir, task)
        return found.read(found.splits_of("train")[0], skip_bad_rows=True).examples
    except (InputError, LookupError) as error:
        raise InputError(
            "--precision int8 needs texts like those that the model will be asked about: name a file"
            f" of them with --calibration ({error})"
        ) from error


def texts_of(example: Example) -> tuple[str, ...]:
    """The texts that a model reads of an example: one, or two."""
    if isinstance(example, Question):
        return example.question, example.context
    if isinstance(example, TaggedSentence):
        return (" ".join(example.words),)
    return (example.text,) if example.text_pair is None else (example.text, example.text_pair)
