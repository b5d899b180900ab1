"""Classifying texts and pairs of texts."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.metrics.classification import score_classes
from lvbert_tf.finetuning.objectives.features import Batch, TaskFeatures, model_inputs
from lvbert_tf.finetuning.objectives.objective import Prediction
from lvbert_tf.finetuning.objectives.text_features import text_example_features
from lvbert_tf.finetuning.parts import HeadSettings
from lvbert_tf.finetuning.task_examples import TextExample
from lvbert_tf.finetuning.tasks.task import Role, Task
from lvbert_tf.models import (
    LVBertBackbone,
    LVBertTextClassifier,
    LVBertTextClassifierPreprocessor,
    LVBertTokenizer,
)


class ClassificationObjective:
    """Cross-entropy of the classes; predictions are `{"label": "...", "probabilities": {...}}`.

    Args:
      task: a task of kind "classification".
      model: a model for the task's classes.

    Raises:
      InputError: the model has other classes, or another order of them.
    """

    model_class = LVBertTextClassifier

    def __init__(self, task: Task, model: LVBertTextClassifier):
        assert task.classes is not None and model.preprocessor is not None
        self.task = task
        self.model = model
        self.preprocessor = model.preprocessor
        self.names = task.classes.names
        if model.labels != self.names:
            raise InputError(
                f"{task.name}: the labels are {' | '.join(self.names)}, but the model has learned"
                f" {' | '.join(model.labels or ())}"
            )

    @staticmethod
    def new_model(
        task: Task,
        examples: Sequence[TextExample],
        backbone: LVBertBackbone,
        tokenizer: LVBertTokenizer,
        settings: HeadSettings,
    ) -> LVBertTextClassifier:
        """Makes a model with a fresh head."""
        assert task.classes is not None
        preprocessor = LVBertTextClassifierPreprocessor(
            tokenizer, settings.length_of(task), paired=examples[0].text_pair is not None
        )
        names = task.classes.names
        return LVBertTextClassifier(
            backbone, len(names), preprocessor, dropout=settings.head_dropout, labels=names
        )

    def features(self, examples: Sequence[TextExample], role: Role) -> TaskFeatures:
        """The rows of examples, with `label`, int32, if all have one."""
        labels = [example.label for example in examples]
        return text_example_features(self.preprocessor, examples, labels, tf.int32)

    def forward(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Returns `logits` of shape [batch, classes]."""
        return {"logits": self.model(model_inputs(batch), training=training)}

    def losses(self, outputs: Mapping[str, tf.Tensor], batch: Batch) -> tf.Tensor:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(batch["label"], outputs["logits"])

    def predictions(
        self,
        examples: Sequence[TextExample],
        features: TaskFeatures,
        outputs: Mapping[str, Sequence[np.ndarray]],
    ) -> list[Prediction]:
        probabilities = tf.nn.softmax(np.stack(outputs["logits"])).numpy()
        return [
            {
                "label": self.names[int(np.argmax(row))],
                "probabilities": dict(zip(self.names, row.tolist(), strict=True)),
            }
            for row in probabilities
        ]

    def score(
        self, examples: Sequence[TextExample], predictions: Sequence[Prediction]
    ) -> dict[str, float]:
        references = [cast(int, example.label) for example in examples]
        predicted = [self.names.index(prediction["label"]) for prediction in predictions]
        return score_classes(references, predicted, self.task.metrics)
