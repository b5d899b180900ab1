"""Predicting for lines of text with the model of a trial."""

from collections.abc import Sequence

import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.learning.prediction import Predictor
from lvbert_tf.finetuning.learning.tuned_model import load_tuned_model
from lvbert_tf.finetuning.line_answers import answer_lines
from lvbert_tf.finetuning.line_requests import LineFormat
from lvbert_tf.finetuning.objectives.objective import Objective, Prediction
from lvbert_tf.finetuning.parts import PredictionSettings
from lvbert_tf.finetuning.results.trial_directory import TrialDirectory
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.finetuning.tasks.registry import find_task
from lvbert_tf.finetuning.tasks.task import Example
from lvbert_tf.settings.user_hparams import load_hparams
from lvbert_tf.training.batch_parts import prepare_parts


def predict_lines(
    data_dir: str,
    model_name: str,
    hparams: str,
    source: str,
    target: str,
    trial: int,
    task_name: str | None = None,
    line_format: LineFormat = "auto",
) -> int:
    """Predicts with the model of a trial; `run_finetuning.py --help` explains the arguments.

    Returns:
      the exit code, 0.

    Raises:
      InputError: bad arguments, no such model, or a line that cannot be read, by its number. It is
        raised before anything is predicted, unless the lines come through a pipe.
    """
    config = FinetuningConfig.create(data_dir, model_name, load_hparams(hparams))
    task = find_task(_choose_task(config.task_names.names, task_name), data_dir)

    def load() -> "TunedModel":
        prepare_parts([config.eval_batch_size])
        directory = TrialDirectory(config.models_dir, str(config.task_names), trial, config.seed)
        return TunedModel(load_tuned_model(task, directory), config.prediction)

    answer_lines(load, source, target, line_format)
    return 0


class TunedModel:
    """The model of a trial, in TensorFlow, as what `answer_lines` asks."""

    def __init__(self, objective: Objective, settings: PredictionSettings):
        self.kind = objective.task.kind
        # Only models of texts have this attribute.
        self.paired = bool(getattr(objective.model.preprocessor, "paired", False))
        self._predictor = Predictor(tf.distribute.get_strategy(), objective, settings, quiet=True)

    def predict(self, examples: Sequence[Example]) -> Sequence[Prediction]:
        """The prediction for each example."""
        predicted = self._predictor.predict(examples, "test", "")
        assert predicted is not None  # nothing stops it
        return predicted.predictions


def _choose_task(names: Sequence[str], wanted: str | None) -> str:
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted is None:
        raise InputError(
            f"--predict: the model has learned {', '.join(names)}; say with --task for which of them"
            " to predict. To use a model that has learned one task alone, name no other in task_names"
        )
    if wanted not in names:
        raise InputError(f"--task {wanted} is not one of task_names {', '.join(names)}")
    return wanted
