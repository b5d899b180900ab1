"""What the training of a task needs to know of its kind."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import keras_hub
import numpy as np
import tensorflow as tf

from lvbert_tf.finetuning.objectives.features import Batch, Features
from lvbert_tf.finetuning.tasks.task import Example, Role, Task

# What is predicted of an example, of JSON's types. Each objective says which keys it has.
Prediction = Mapping[str, Any]


class Objective(Protocol):
    """A task with the model that learns it: from examples to losses, from outputs to figures.

    Attributes:
      task: what is learned.
      model: the encoder with the head of the kind of task, and the preprocessor with the tokenizer.
    """

    task: Task
    model: keras_hub.models.Task

    def features(self, examples: Sequence[Example], role: Role) -> Features:
        """What the model reads of examples. Those of `train` have what `losses` needs; so have those
        of `dev` where a loss can be told of them, which a column `label` shows."""
        ...

    def forward(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """The model's outputs by name, of shapes [batch, ...], float32 or int32."""
        ...

    def losses(self, outputs: Mapping[str, tf.Tensor], batch: Batch) -> tf.Tensor:
        """The loss of each row, float32 of shape [batch]."""
        ...

    def predictions(
        self,
        examples: Sequence[Example],
        features: Features,
        outputs: Mapping[str, Sequence[np.ndarray]],
    ) -> list[Prediction]:
        """What is predicted of each example.

        Args:
          features: of the examples.
          outputs: of `forward`, not in training; an array for each row of `features`.
        """
        ...

    def score(
        self, examples: Sequence[Example], predictions: Sequence[Prediction]
    ) -> dict[str, float]:
        """The task's figures of labelled examples, the main one first."""
        ...
