"""The compiled training step: differentiate, sum over replicas, clip, update.

One call from the host does many steps. What is differentiated is not known here: a step is composed with
an object that computes the gradients of one replica.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from lvbert_tf.layers.kernels import Compilation, compile_as
from lvbert_tf.training.optimizer import ReferenceAdam, global_norm
from lvbert_tf.training.precision import LossScale
from lvbert_tf.training.update import apply_gradients

CLIP_NORM = 1.0  # the reference's
# Gradients travel between workers together. One by one, the hundreds of small ones wait for each
# other's answers, which takes longer than their bytes do.
_IN_PACKS = tf.distribute.experimental.CommunicationOptions(bytes_per_pack=32 << 20)


@dataclass(frozen=True)
class StepRecords:
    """What consecutive steps computed over the global batch, one row for each step.

    Attributes:
      sums: additive metrics by name, each of shape (steps, ...).
      loss: shape (steps,).
      gradient_norm: the norm of all gradients before clipping, shape (steps,).
      overflow: 1 where the gradient is not finite because the loss scale of float16 is too high, so
        that the next step has a lower one; else 0; shape (steps,).
    """

    sums: dict[str, np.ndarray]
    loss: np.ndarray
    gradient_norm: np.ndarray
    overflow: np.ndarray

    @property
    def skipped(self) -> np.ndarray:
        """Where loss or gradient norm is not finite, so that weights and moments stayed as they were."""
        return ~(np.isfinite(self.loss) & np.isfinite(self.gradient_norm))

    @property
    def failed(self) -> np.ndarray:
        """Where a step was skipped and a lower loss scale would not help."""
        return self.skipped & (self.overflow == 0)

    @classmethod
    def concatenate(cls, records: Sequence["StepRecords"]) -> "StepRecords":
        """The records of runs that followed one another."""

        def joined(get):
            return np.concatenate([get(record) for record in records])

        return cls(
            sums={name: joined(lambda r, n=name: r.sums[n]) for name in records[0].sums},
            loss=joined(lambda r: r.loss),
            gradient_norm=joined(lambda r: r.gradient_norm),
            overflow=joined(lambda r: r.overflow),
        )


class Gradients(Protocol):
    """Computes loss, metrics and gradients of one replica: what a `TrainingStep` is composed with."""

    @property
    def variables(self) -> Sequence[keras.Variable]:
        """What is trained, in the order of the gradients."""

    def compile(self) -> None:
        """Makes XLA compile the parts of `compute` before and after its reduction over replicas."""

    def draw(self, seed: tf.Tensor) -> Any:
        """Draws on the host what all replicas share in a step; None if there is nothing.

        Args:
          seed: the seed of the step, int32 of shape (2,).
        """

    def gates(
        self, variables: Sequence[keras.Variable], drawn: Any
    ) -> Sequence[tf.Tensor | None] | None:
        """For each variable whether it is updated; see `apply_gradients`."""

    def compute(
        self, batch: Mapping[str, tf.Tensor], seed: tf.Tensor, replica: tf.Tensor, drawn: Any
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor], list[tf.Tensor | None]]:
        """Differentiates on the rows of one replica.

        Args:
          batch: the rows of this replica.
          seed: the seed of the step, int32 of shape (2,), the same on all replicas.
          replica: the number of this replica among all replicas.
          drawn: what `draw` returned.

        Returns:
          this replica's part of the loss to report, its parts of the metric sums, and its parts of the
          gradients in the order of `variables`, None for a variable that is not used. The caller sums
          the parts over the replicas. If loss scaling is dynamic, the gradients have to be those of
          `LossScale.scaled(loss)`; the step divides them by the scale.
        """


class TrainingStep:
    """Does training steps without returning to the host between them.

    The number of a step is `optimizer.iterations`. All randomness is a function of (seed, step), so it
    makes no difference how the steps are grouped into calls.

    A step whose loss or gradient norm over the global batch is not finite is skipped: it leaves the
    weights and the state of the optimizer as they are, and only counts. All replicas decide alike.

    Args:
      strategy: where the variables and the optimizer were created.
      gradients: what is differentiated, and with respect to which variables.
      optimizer: built on (at least) `gradients.variables`.
      loss_scale: scales the loss in float16; it is constantly 1 otherwise.
      seed: an integer, or an int32 `tf.Variable` where one compiled step serves several seeds.
      compilation: the mode of compilation, as `compilation_of` the strategy decides it.
      clip_norm: the norm that the gradient over all variables is clipped to.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        gradients: Gradients,
        optimizer: ReferenceAdam,
        loss_scale: LossScale,
        seed: int | tf.Variable,
        compilation: Compilation,
        clip_norm: float = CLIP_NORM,
    ):
        self.strategy = strategy
        self.gradients = gradients
        self.optimizer = optimizer
        self.loss_scale = loss_scale
        self.clip_norm = clip_norm
        self._seed_source = seed
        self._variables = list(gradients.variables)
        self._layout: dict[str, tf.TensorShape] = {}  # of a packed row; set when traced
        self._compiled_step: tf.types.experimental.PolymorphicFunction | None = None
        self._compilation: Compilation = compilation
        self._judge: Callable[..., tuple[tf.Tensor, ...]] = self._judged
        self._compiles_update = False
        whole = compilation in ("whole", "tpu")
        if whole and not isinstance(strategy, tf.distribute.TPUStrategy):
            # A module compiled by XLA cannot contain the strategy's all-reduce. So with several replicas
            # XLA compiles the parts between the reductions. A TPU compiles everything by itself.
            if strategy.num_replicas_in_sync == 1:
                self._compiled_step = tf.function(
                    self._replica_step, jit_compile=True, autograph=False
                )
            else:
                gradients.compile()
                self._judge = tf.function(self._judged, jit_compile=True, autograph=False)
                self._compiles_update = True
        self._run = tf.function(self._run_steps, autograph=False)
        self._copy = tf.function(self._copies, autograph=False)
        self._norms = tf.function(self._parameter_norms, autograph=False)

    @property
    def step(self) -> int:
        """The number of steps done so far."""
        return int(self.optimizer.iterations.numpy())

    @property
    def num_traces(self) -> int:
        """How often TensorFlow has traced the loop over steps: once serves any number of steps."""
        return self._run.experimental_get_tracing_count()

    def run(self, iterator: Iterator[Mapping[str, tf.Tensor]], steps: int) -> StepRecords:
        """Does `steps` steps.

        Args:
          iterator: gives each replica its rows of the global batch; `distribution.batches_of_replicas`
            makes one. With one replica any iterator over batches will do.
          steps: at least 1; the same compiled function runs for every number.
        """
        return self.unpack(self._run(iterator, tf.constant(steps)).numpy())

    def unpack(self, rows: np.ndarray) -> StepRecords:
        """Divides the packed rows that steps return, shape (steps, columns), once a step was traced."""
        columns, start = {}, 0
        for name, shape in self._layout.items():
            size = shape.num_elements()
            columns[name] = rows[:, start : start + size].reshape(-1, *shape)
            start += size
        loss, norm, overflow = (columns.pop(name) for name in ("_loss", "_norm", "_overflow"))
        return StepRecords(columns, loss, norm, overflow)

    def compiled_call(
        self, batch: Mapping[str, tf.Tensor]
    ) -> tuple[tf.types.experimental.PolymorphicFunction, tuple[Any, ...]]:
        """The function that XLA compiles, and its arguments for the next step.

        It returns one packed row, see `unpack`. With it the module can be lowered for another compiler.

        Args:
          batch: the rows of the global batch, which the one replica computes.

        Raises:
          ValueError: XLA does not compile the step as a whole on one replica.
        """
        if self._compiled_step is None:
            raise ValueError("XLA does not compile this step as a whole on one replica")
        return self._compiled_step, (batch, self.gradients.draw(self._seed()))

    def run_measured(
        self, iterator: Iterator[Mapping[str, tf.Tensor]], steps: int
    ) -> tuple[StepRecords, dict[str, float]]:
        """Does steps as `run` does, and measures the norms of the parameters and of their last change.

        It copies all parameters, so it is meant for the steps that are logged.

        Returns:
          the records, and `parameter_norm` and `update_norm` by name.
        """
        records = [self.run(iterator, steps - 1)] if steps > 1 else []
        before = self._copy()
        records.append(self.run(iterator, 1))
        parameter_norm, update_norm = self._norms(before)
        norms = {"parameter_norm": float(parameter_norm), "update_norm": float(update_norm)}
        return StepRecords.concatenate(records), norms

    def _run_steps(self, iterator, steps):
        def one_step(index, rows):
            arguments = (iterator.get_next(), self.gradients.draw(self._seed()))
            row = self.strategy.run(self._compiled_step or self._replica_step, args=arguments)
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
        with compile_as(self._compilation):
            loss, sums, gradients = self.gradients.compute(batch, self._seed(), replica, drawn)

        used = [index for index, gradient in enumerate(gradients) if gradient is not None]
        gradients = [gradients[index] for index in used]
        row = self._pack({"_loss": loss, **sums})
        row, *gradients = context.all_reduce("SUM", [row, *gradients], _IN_PACKS)
        variables = [self._variables[index] for index in used]
        for gradient, variable in zip(gradients, variables, strict=True):
            gradient.set_shape(variable.shape)  # a product over rows of any number may not know it
        loss_scale = tf.convert_to_tensor(self.loss_scale.scale)
        norm, scale, finite, overflow = self._judge(row[0], gradients, loss_scale)
        gates = self.gradients.gates(variables, drawn)
        apply_gradients(
            self.optimizer, gradients, variables, scale, finite, gates, self._compiles_update
        )
        self.loss_scale.update(finite)
        self._layout |= {"_norm": norm.shape, "_overflow": overflow.shape}
        return tf.concat([row, [norm, overflow]], axis=0)

    def _judged(self, loss, gradients, loss_scale):
        """The gradients' norm and scale, whether to update, and whether the loss scale is too high."""
        norm, scale = global_norm(gradients), 1.0
        if self.loss_scale.dynamic:
            norm, scale = norm / loss_scale, 1.0 / loss_scale
        scale *= self.clip_norm / tf.maximum(norm, self.clip_norm)
        finite_loss, finite_norm = tf.unstack(tf.math.is_finite([loss, norm]))
        overflow = tf.constant(0.0)
        if self.loss_scale.dynamic:
            # At a scale of 1, or if the loss itself is not finite, the scale cannot be the cause.
            overflow = tf.cast(finite_loss & ~finite_norm & (loss_scale > 1.0), tf.float32)
        return norm, scale, finite_loss & finite_norm, overflow

    def _pack(self, values):
        self._layout = {name: value.shape for name, value in values.items()}
        return tf.concat([tf.reshape(value, [-1]) for value in values.values()], axis=0)

    def _copies(self):
        return [tf.identity(variable.value) for variable in self._variables]

    def _parameter_norms(self, before):
        now = [variable.value for variable in self._variables]
        updates = [new - old for new, old in zip(now, before, strict=True)]
        return tf.linalg.global_norm(now), tf.linalg.global_norm(updates)
