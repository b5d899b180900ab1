"""The training steps of one task, and of several tasks that share an encoder."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import keras
import numpy as np
import tensorflow as tf

from lvbert_tf.finetuning.features import Batch
from lvbert_tf.finetuning.objectives.objective import Objective
from lvbert_tf.layers.dropout import dropout_seed
from lvbert_tf.training.optimizer import ReferenceAdam
from lvbert_tf.training.precision import LossScale
from lvbert_tf.training.step import StepRecords, TrainingStep


class FinetuningStep(TrainingStep):
    """Steps of one task.

    As in the reference the gradient is that of the SUM of the rows' losses, so clipping to a norm of 1
    works at nearly every step. The loss that is reported is their mean.

    Args:
      strategy: where the model was created.
      objective: the task and its model.
      optimizer: built on (at least) the model's variables.
      loss_scale: for float16; constant otherwise.
      seed: of dropout; assigned anew for each trial.
      batch_size: rows of the global batch.
      jit_compile: whether XLA compiles the step.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        objective: Objective,
        optimizer: ReferenceAdam,
        loss_scale: LossScale,
        seed: tf.Variable,
        batch_size: int,
        jit_compile: bool = False,
    ):
        self.objective = objective
        self.batch_size = batch_size
        self._compute = self._gradients
        variables: Sequence[keras.Variable] = objective.model.trainable_variables
        super().__init__(strategy, variables, optimizer, loss_scale, seed, batch_size, jit_compile)

    def compile_gradients(self):
        self._compute = tf.function(self._gradients, jit_compile=True, autograph=False)

    def replica_gradients(self, batch, seed, replica, drawn):
        seed = tf.random.experimental.stateless_fold_in(seed, replica, alg="philox")
        loss, gradients = self._compute(batch, seed)
        return (
            loss / self.batch_size,
            {"loss": loss, "rows": tf.constant(float(self._rows))},
            gradients,
        )

    def _gradients(self, batch: Batch, seed):
        with tf.GradientTape() as tape, dropout_seed(seed):
            outputs = self.objective.forward(batch, training=True)
            loss = tf.reduce_sum(self.objective.losses(outputs, batch))
            scaled = loss * self.loss_scale.scale if self.loss_scale.dynamic else loss
        gradients = tape.gradient(scaled, [variable.value for variable in self._variables])
        return loss, [None if g is None else tf.convert_to_tensor(g) for g in gradients]


class InterleavedSteps:
    """Steps of several tasks: each step learns one of them.

    Args:
      steps: by task; they share the optimizer.
      order: the task of each step.
    """

    def __init__(self, steps: Mapping[str, FinetuningStep], order: Sequence[str]):
        self._steps = steps
        self.order = order

    @property
    def step(self) -> int:
        """Steps done so far."""
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
        """As `run`, and measures the last step; see `TrainingStep.run_measured`."""
        records = [self.run(iterators, steps - 1)] if steps > 1 else []
        task = self.order[self.step]
        last, norms = self._steps[task].run_measured(iterators[task], 1)
        return StepRecords.concatenate([*records, last]), norms


def interleave(num_steps: Mapping[str, int], seed: int) -> list[str]:
    """The tasks of all steps in random order, each as often as it has steps."""
    order = [task for task, count in num_steps.items() for _ in range(count)]
    # 2**31 + 1 keeps these numbers apart from those of the batches.
    return np.random.default_rng((seed, 2**31 + 1)).permutation(order).tolist()
