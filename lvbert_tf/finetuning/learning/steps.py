"""The training steps of a trial: the gradients of one task, and several tasks that take turns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
import tensorflow as tf

from lvbert_tf.finetuning.objectives.features import Batch, divided
from lvbert_tf.finetuning.objectives.objective import Objective
from lvbert_tf.layers.dropout import dropout_seed
from lvbert_tf.training.precision import LossScale
from lvbert_tf.training.step import StepRecords, TrainingStep


class FinetuningGradients:
    """Computes the gradients of one task on the rows of one replica; see `training.step.Gradients`.

    As in the reference the gradient is that of the SUM of the rows' losses, so clipping to a norm of 1
    takes effect at nearly every step. The loss that is reported is their mean.

    Args:
      objective: the task and its model.
      loss_scale: scales the loss in float16.
      batch_size: rows of the global batch.
      num_replicas: how many replicas share the batch.
      num_parts: in how many parts a replica computes its rows at the same time; see `parts_of_batch`.
    """

    def __init__(
        self,
        objective: Objective,
        loss_scale: LossScale,
        batch_size: int,
        num_replicas: int,
        num_parts: int,
    ):
        self.objective = objective
        self.variables = objective.model.trainable_variables
        self._loss_scale = loss_scale
        self._batch_size = batch_size
        self._rows = batch_size // num_replicas
        self._parts = num_parts
        self._compute: Callable = self._gradients
        if num_parts > 1:  # traced once for all parts
            self._compute = tf.function(self._gradients, autograph=False)

    def compile(self):
        self._compute = tf.function(self._gradients, jit_compile=True, autograph=False)

    def draw(self, seed):
        return None

    def gates(self, variables, drawn):
        return None

    def compute(self, batch, seed, replica, drawn):
        computed = []
        for index, part in enumerate(divided(batch, self._parts)):
            stream = replica * self._parts + index
            part_seed = tf.random.experimental.stateless_fold_in(seed, stream, alg="philox")
            computed.append(self._compute(part, part_seed))
        losses, parts = zip(*computed, strict=True)
        loss = tf.add_n(losses)
        gradients = [None if g[0] is None else tf.add_n(g) for g in zip(*parts, strict=True)]
        sums = {"loss": loss, "rows": tf.constant(float(self._rows))}
        return loss / self._batch_size, sums, gradients

    def _gradients(self, batch: Batch, seed):
        with tf.GradientTape() as tape, dropout_seed(seed):
            outputs = self.objective.forward(batch, training=True)
            loss = tf.reduce_sum(self.objective.losses(outputs, batch))
            scaled = self._loss_scale.scaled(loss)
        gradients = tape.gradient(scaled, [variable.value for variable in self.variables])
        return loss, [None if g is None else tf.convert_to_tensor(g) for g in gradients]


class InterleavedSteps:
    """The steps of several tasks that share an encoder; each step trains on one task.

    Args:
      steps: the step of each task, by the task's name; they share the optimiser.
      order: the name of the task of each step.
    """

    def __init__(self, steps: Mapping[str, TrainingStep], order: Sequence[str]):
        self._steps = steps
        self.order = order

    @property
    def step(self) -> int:
        """The number of steps done so far."""
        return next(iter(self._steps.values())).step

    def run(self, iterators: Mapping[str, Iterator[Batch]], steps: int) -> StepRecords:
        """Does `steps` steps, each with the next batch of its task."""
        start = self.step
        records = [
            self._steps[task].run(iterators[task], len(list(run)))
            for task, run in groupby(self.order[start : start + steps])
        ]
        return StepRecords.concatenate(records)

    def run_measured(
        self, iterators: Mapping[str, Iterator[Batch]], steps: int
    ) -> tuple[StepRecords, dict[str, float]]:
        """Does steps as `run` does, and measures the last one; see `TrainingStep.run_measured`."""
        records = [self.run(iterators, steps - 1)] if steps > 1 else []
        task = self.order[self.step]
        last, norms = self._steps[task].run_measured(iterators[task], 1)
        return StepRecords.concatenate([*records, last]), norms


def interleave(num_steps: Mapping[str, int], seed: int) -> list[str]:
    """The names of the tasks in random order, each as often as the task has steps."""
    order = [task for task, count in num_steps.items() for _ in range(count)]
    # 2**31 + 1 keeps these random numbers apart from those of the batches.
    return np.random.default_rng((seed, 2**31 + 1)).permutation(order).tolist()
