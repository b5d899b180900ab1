"""What training and prediction need to know about a kind of task."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import keras_hub
import numpy as np
import tensorflow as tf

from lvbert_tf.finetuning.objectives.features import Batch, TaskFeatures
from lvbert_tf.finetuning.tasks.task import Example, Role, Task

Prediction = Mapping[str, Any]
"""What is predicted for an example, in JSON's types. Each objective documents its keys."""


class Objective(Protocol):
    """A task with the model that learns it.

    Examples become features, features become outputs and losses, and outputs become predictions and
    metrics.

    Attributes:
      task: the task that is learned.
      model: the encoder with the head for the kind of task, and the preprocessor with the tokenizer.
    """

    task: Task
    model: keras_hub.models.Task

    def features(self, examples: Sequence[Example], role: Role) -> TaskFeatures:
        """The inputs of the model for examples.

        Those of `train` have all columns that `losses` needs. Those of `dev` have a column `label` if
        their loss can be computed.
        """
        ...

    def forward(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """The model's outputs by name, of shape [batch, ...], float32 or int32."""
        ...

    def losses(self, outputs: Mapping[str, tf.Tensor], batch: Batch) -> tf.Tensor:
        """The loss of each row, float32 of shape [batch]."""
        ...

    def predictions(
        self,
        examples: Sequence[Example],
        features: TaskFeatures,
        outputs: Mapping[str, Sequence[np.ndarray]],
    ) -> list[Prediction]:
        """The prediction for each example.

        Args:
          examples: the examples.
          features: the features of the examples.
          outputs: the outputs of `forward` without training, an array for each row of `features`.
        """
        ...

    def score(
        self, examples: Sequence[Example], predictions: Sequence[Prediction]
    ) -> dict[str, float]:
        """The task's metrics of predictions for labelled examples, the main one first."""
        ...
