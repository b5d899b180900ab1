"""The gradients of fine-tuning on one task."""

import tensorflow as tf

from lvbert_tf.finetuning.objectives.features import Batch
from lvbert_tf.finetuning.objectives.objective import Objective
from lvbert_tf.layers.dropout import dropout_seed
from lvbert_tf.training.precision import LossScale


class FinetuningGradients:
    """Computes the gradients of one task on the rows of one replica; see `training.step.Gradients`.

    As in the reference the gradient is that of the SUM of the rows' losses, so clipping to a norm of 1
    works at nearly every step. The loss that is reported is their mean.

    Args:
      objective: the task and its model.
      loss_scale: scales the loss in float16.
      batch_size: rows of the global batch.
      num_replicas: how many replicas share the batch.
    """

    def __init__(
        self, objective: Objective, loss_scale: LossScale, batch_size: int, num_replicas: int
    ):
        self.objective = objective
        self.variables = objective.model.trainable_variables
        self._loss_scale = loss_scale
        self._batch_size = batch_size
        self._rows = batch_size // num_replicas
        self._compute = self._gradients

    def compile(self):
        self._compute = tf.function(self._gradients, jit_compile=True, autograph=False)

    def draw(self, seed):
        return None

    def gates(self, variables, drawn):
        return None

    def compute(self, batch, seed, replica, drawn):
        seed = tf.random.experimental.stateless_fold_in(seed, replica, alg="philox")
        loss, gradients = self._compute(batch, seed)
        sums = {"loss": loss, "rows": tf.constant(float(self._rows))}
        return loss / self._batch_size, sums, gradients

    def _gradients(self, batch: Batch, seed):
        with tf.GradientTape() as tape, dropout_seed(seed):
            outputs = self.objective.forward(batch, training=True)
            loss = tf.reduce_sum(self.objective.losses(outputs, batch))
            scaled = self._loss_scale.scaled(loss)
        gradients = tape.gradient(scaled, [variable.value for variable in self.variables])
        return loss, [None if g is None else tf.convert_to_tensor(g) for g in gradients]
