"""Predicting a number for texts and pairs of texts."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.metrics.regression import score_numbers
from lvbert_tf.finetuning.objectives.features import Batch, TaskFeatures, model_inputs
from lvbert_tf.finetuning.objectives.objective import Prediction
from lvbert_tf.finetuning.objectives.text_features import text_example_features
from lvbert_tf.finetuning.parts import HeadSettings
from lvbert_tf.finetuning.task_examples import TextExample
from lvbert_tf.finetuning.tasks.task import Role, Task
from lvbert_tf.models import (
    LVBertBackbone,
    LVBertTextClassifierPreprocessor,
    LVBertTextRegressor,
    LVBertTokenizer,
)


class RegressionObjective:
    """Squared error of labels scaled to 0..1; predictions are `{"value": 3.2}` in the file's units.

    Args:
      task: a task of kind "regression".
      model: a model for the task's range of labels.

    Raises:
      InputError: the model has another range.
    """

    model_class = LVBertTextRegressor

    def __init__(self, task: Task, model: LVBertTextRegressor):
        assert task.label_range is not None and model.preprocessor is not None
        self.task = task
        self.model = model
        self.preprocessor = model.preprocessor
        low, high = task.label_range.low, task.label_range.high
        if model.label_range != (low, high):
            raise InputError(
                f"{task.name}: label_range is {[low, high]}, but the model has learned"
                f" {list(model.label_range)}"
            )
        self.width = high - low

    @staticmethod
    def new_model(
        task: Task,
        examples: Sequence[TextExample],
        backbone: LVBertBackbone,
        tokenizer: LVBertTokenizer,
        settings: HeadSettings,
    ) -> LVBertTextRegressor:
        """Makes a model with a fresh head."""
        assert task.label_range is not None
        preprocessor = LVBertTextClassifierPreprocessor(
            tokenizer, settings.length_of(task), paired=examples[0].text_pair is not None
        )
        return LVBertTextRegressor(
            backbone,
            (task.label_range.low, task.label_range.high),
            preprocessor,
            dropout=settings.head_dropout,
        )

    def features(self, examples: Sequence[TextExample], role: Role) -> TaskFeatures:
        """The rows of examples, with `label`, float32 in the file's units, if all have one."""
        labels = [example.label for example in examples]
        return text_example_features(self.preprocessor, examples, labels, tf.float32)

    def forward(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Returns `value` of shape [batch], in the file's units."""
        return {"value": self.model(model_inputs(batch), training=training)}

    def losses(self, outputs: Mapping[str, tf.Tensor], batch: Batch) -> tf.Tensor:
        return tf.square((outputs["value"] - batch["label"]) / self.width)

    def predictions(
        self,
        examples: Sequence[TextExample],
        features: TaskFeatures,
        outputs: Mapping[str, Sequence[np.ndarray]],
    ) -> list[Prediction]:
        return [{"value": float(value)} for value in outputs["value"]]

    def score(
        self, examples: Sequence[TextExample], predictions: Sequence[Prediction]
    ) -> dict[str, float]:
        references = [cast(float, example.label) for example in examples]
        predicted = [prediction["value"] for prediction in predictions]
        return score_numbers(references, predicted, self.task.metrics)
