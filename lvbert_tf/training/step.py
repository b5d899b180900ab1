"""The compiled training step: differentiate, sum over replicas, clip, update; many without the host."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lvbert_tf.training.distribution import worker_of
from lvbert_tf.training.optimizer import ReferenceAdam
from lvbert_tf.training.precision import LossScale
from lvbert_tf.training.update import apply_gradients

CLIP_NORM = 1.0  # of the gradient over all variables, as in the reference


@dataclass(frozen=True)
class StepRecords:
    """What a run of steps computed, one row a step, over the global batch.

    Attributes:
      sums: additive metrics by name, each of shape (steps, ...).
      loss: shape (steps,).
      gradient_norm: before clipping, shape (steps,).
      skipped: 1 where a float16 overflow made the step leave the weights alone, shape (steps,).
    """

    sums: dict[str, np.ndarray]
    loss: np.ndarray
    gradient_norm: np.ndarray
    skipped: np.ndarray

    def first_failure(self) -> int | None:
        """The first row that is not finite and that loss scaling cannot explain."""
        finite = np.isfinite(self.loss) & (np.isfinite(self.gradient_norm) | (self.skipped > 0))
        return None if finite.all() else int(np.argmin(finite))

    @classmethod
    def concatenate(cls, records: Sequence["StepRecords"]) -> "StepRecords":
        """The records of runs that followed one another."""

        def joined(get):
            return np.concatenate([get(record) for record in records])

        return cls(
            sums={name: joined(lambda r, n=name: r.sums[n]) for name in records[0].sums},
            loss=joined(lambda r: r.loss),
            gradient_norm=joined(lambda r: r.gradient_norm),
            skipped=joined(lambda r: r.skipped),
        )


class TrainingStep(ABC):
    """Runs training steps without returning to the host between them.

    A subclass computes a replica's gradients; the rest is here. The step's number is
    `optimizer.iterations`, and randomness is a function of (seed, step), so how the steps are
    grouped into calls changes nothing.

    Args:
      strategy: where the variables and the optimizer were created.
      variables: what is trained.
      optimizer: built on (at least) `variables`.
      loss_scale: for float16; constant otherwise.
      seed: an integer, or an int32 `tf.Variable` where one compiled step serves several seeds.
      batch_size: rows of the global batch.
      jit_compile: whether XLA compiles the step.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        variables: Sequence[keras.Variable],
        optimizer: ReferenceAdam,
        loss_scale: LossScale,
        seed: int | tf.Variable,
        batch_size: int,
        jit_compile: bool,
    ):
        self.strategy = strategy
        self.optimizer = optimizer
        self.loss_scale = loss_scale
        self._seed_source = seed
        self._variables = list(variables)
        self._rows = batch_size // strategy.num_replicas_in_sync
        self._worker, workers = worker_of(strategy)
        self._replicas_here = strategy.num_replicas_in_sync // workers
        self._layout: dict[str, tf.TensorShape] = {}  # of a packed row; set when traced
        self._step_on_replica = self._replica_step
        if jit_compile and not isinstance(strategy, tf.distribute.TPUStrategy):
            # XLA cannot stop in the middle for other replicas, so with several of them it compiles
            # the part between the reductions. A TPU compiles everything by itself.
            if strategy.num_replicas_in_sync == 1:
                self._step_on_replica = tf.function(
                    self._replica_step, jit_compile=True, autograph=False
                )
            else:
                self.compile_gradients()
        self._run = tf.function(self._run_steps, autograph=False)
        self._copy = tf.function(self._copies, autograph=False)
        self._norms = tf.function(self._parameter_norms, autograph=False)

    # === What a subclass says ===

    @abstractmethod
    def compile_gradients(self) -> None:
        """Has XLA compile what lies between the reductions over replicas."""

    @abstractmethod
    def replica_gradients(
        self, batch: Mapping[str, tf.Tensor], seed: tf.Tensor, replica: tf.Tensor, drawn: Any
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor], list[tf.Tensor | None]]:
        """Differentiates on a replica's rows.

        Args:
          batch: this replica's rows.
          seed: of this step, int32 of shape (2,); equal on all replicas.
          replica: its index among all replicas.
          drawn: what `draw` returned.

        Returns:
          its part of the loss to report, its parts of the metric sums, and its parts of the
          gradients, in the order of the variables; None for those that it does not use. Gradients
          are multiplied by the loss scale where that is dynamic.
        """

    def draw(self, seed: tf.Tensor) -> Any:
        """What all replicas share in a step, drawn on the host; None by default."""
        return None

    def gates(
        self, variables: Sequence[keras.Variable], drawn: Any
    ) -> Sequence[tf.Tensor | None] | None:
        """For each variable, whether it is updated; see `apply_gradients`."""
        return None

    # === Running steps ===

    @property
    def step(self) -> int:
        """Steps done so far."""
        return int(self.optimizer.iterations.numpy())

    def run(self, iterator: Iterator[Mapping[str, tf.Tensor]], steps: int) -> StepRecords:
        """Does `steps` steps.

        Args:
          iterator: this worker's batches: its share of the rows of the global batch.
          steps: at least 1; any number runs the same compiled function.
        """
        rows = self._run(iterator, tf.constant(steps)).numpy()
        columns, start = {}, 0
        for name, shape in self._layout.items():
            size = shape.num_elements()
            columns[name] = rows[:, start : start + size].reshape(steps, *shape)
            start += size
        loss, norm, skipped = (columns.pop(name) for name in ("_loss", "_norm", "_skipped"))
        return StepRecords(columns, loss, norm, skipped)

    def run_measured(
        self, iterator: Iterator[Mapping[str, tf.Tensor]], steps: int
    ) -> tuple[StepRecords, dict[str, float]]:
        """As `run`, and measures `parameter_norm` and `update_norm` (the last step's change).

        Only for steps that are logged: it costs a copy of the parameters.
        """
        records = [self.run(iterator, steps - 1)] if steps > 1 else []
        before = self._copy()
        records.append(self.run(iterator, 1))
        parameter_norm, update_norm = self._norms(before)
        norms = {"parameter_norm": float(parameter_norm), "update_norm": float(update_norm)}
        return StepRecords.concatenate(records), norms

    def _run_steps(self, iterator, steps):
        def one_step(index, rows):
            arguments = (iterator.get_next(), self.draw(self._seed()))
            row = self.strategy.run(self._step_on_replica, args=arguments)
            row = self.strategy.experimental_local_results(row)[0]
            return index + 1, rows.write(index, row)

        _, rows = tf.while_loop(
            lambda index, rows: index < steps,
            one_step,
            (tf.constant(0), tf.TensorArray(tf.float32, size=steps)),
            parallel_iterations=1,
        )
        return rows.stack()

    def _seed(self):
        step = tf.cast(self.optimizer.iterations.value, tf.int32)
        return tf.stack([tf.cast(self._seed_source, tf.int32), step])

    def _replica_step(self, batch, drawn):
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group
        loss, sums, gradients = self.replica_gradients(
            self._rows_of(replica, batch), self._seed(), replica, drawn
        )

        used = [index for index, gradient in enumerate(gradients) if gradient is not None]
        gradients = [gradients[index] for index in used]
        row = self._pack({**sums, "_loss": loss})
        row, *gradients = context.all_reduce("SUM", [row, *gradients])
        if self.loss_scale.dynamic:
            gradients = [gradient / self.loss_scale.scale for gradient in gradients]
        norm = tf.linalg.global_norm(gradients)
        variables = [self._variables[index] for index in used]
        clip = CLIP_NORM / tf.maximum(norm, CLIP_NORM)
        gates = self.gates(variables, drawn)
        skipped = tf.constant(0.0)
        if self.loss_scale.dynamic:
            finite = tf.math.is_finite(norm)
            # At a scale of 1 there is nothing left to blame on the scale.
            overflow = ~finite & (self.loss_scale.scale > 1.0)
            skipped = tf.cast(overflow, tf.float32)
            apply_gradients(self.optimizer, gradients, variables, clip, finite, gates)
            self.loss_scale.update(finite)
        else:
            apply_gradients(self.optimizer, gradients, variables, clip, gates=gates)
        self._layout |= {"_norm": norm.shape, "_skipped": skipped.shape}
        return tf.concat([row, [norm, skipped]], axis=0)

    def _rows_of(self, replica, batch):
        """A replica's share of its worker's batch."""
        if self._replicas_here == 1:
            return batch
        local = replica - self._worker * self._replicas_here

        def rows(value):
            inner = (-1 if size is None else size for size in value.shape[1:])  # length may vary
            return tf.reshape(value, [self._replicas_here, self._rows, *inner])[local]

        return {name: rows(value) for name, value in batch.items()}

    def _pack(self, values):
        names = sorted(values)
        self._layout = {name: values[name].shape for name in names}
        return tf.concat([tf.reshape(values[name], [-1]) for name in names], axis=0)

    def _copies(self):
        return [tf.identity(variable.value) for variable in self._variables]

    def _parameter_norms(self, before):
        now = [variable.value for variable in self._variables]
        updates = [new - old for new, old in zip(now, before, strict=True)]
        return tf.linalg.global_norm(now), tf.linalg.global_norm(updates)
