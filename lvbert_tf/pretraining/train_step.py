"""The compiled training step: mask, corrupt, differentiate, sum over replicas, clip, update."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from lvbert_tf.config import PretrainingConfig
from lvbert_tf.layers.dropout import dropout_seed
from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.models.supernet import selected_path
from lvbert_tf.pretraining.masking import mask_tokens
from lvbert_tf.pretraining.objective import Objective, loss_weights, pretraining_loss
from lvbert_tf.pretraining.path_sampling import PathSampler
from lvbert_tf.training.distribution import worker_of
from lvbert_tf.training.optimizer import ReferenceAdam
from lvbert_tf.training.precision import LossScale
from lvbert_tf.training.update import apply_gradients

CLIP_NORM = 1.0  # of the gradient over all variables, as in the reference
_DROPOUT_STREAM = 1  # keeps dropout's random numbers apart from masking's


@dataclass(frozen=True)
class StepRecords:
    """What a run of steps computed, one row a step, over the global batch.

    Attributes:
      sums: additive metrics by name, each of shape (steps, ...); see `objective`.
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


class TrainStep:
    """Runs training steps without returning to the host between them.

    The step's number is `optimizer.iterations`; masks, replacements, dropout and paths are functions
    of (seed, step), so neither the number of replicas nor how the steps are grouped into calls changes
    the masks, and the grouping changes nothing at all.

    With a supernet each step runs the paths that `path_sampler` draws. Several paths (`fair`) share
    the batch out: the first runs the first row of every `num_paths` rows, and so on. So the batch is
    the global one still, each row goes through the generator once, and a step costs what a step with
    one path does. Blocks outside the paths are not updated: neither momentum nor decay moves them.

    Args:
      strategy: where the model and optimizer were created.
      pretrainer: the networks.
      optimizer: built on `pretrainer.trainable_variables`.
      loss_scale: for float16; constant otherwise.
      config: batch size, accumulation, seed, jit_compile.
      objective: what is masked and optimised.
      path_sampler: for a pretrainer whose discriminator is a supernet. The rows of a replica's part
        of the batch must be a multiple of its paths.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        pretrainer: ElectraPretrainer,
        optimizer: ReferenceAdam,
        loss_scale: LossScale,
        config: PretrainingConfig,
        objective: Objective,
        path_sampler: PathSampler | None = None,
    ):
        self.strategy = strategy
        self.pretrainer = pretrainer
        self.optimizer = optimizer
        self.loss_scale = loss_scale
        self.config = config
        self.objective = objective
        self.path_sampler = path_sampler
        self._parts = config.gradient_accumulation_steps
        self._paths = path_sampler.num_paths if path_sampler else 1
        self._rows = config.train_batch_size // strategy.num_replicas_in_sync
        self._worker, workers = worker_of(strategy)
        self._replicas_here = strategy.num_replicas_in_sync // workers
        self._variables = list(pretrainer.trainable_variables)
        self._layout: dict[str, tf.TensorShape] = {}  # of a packed row; set when traced
        self._step_on_replica = self._replica_step
        self._part_gradients = self._gradients
        if self._parts * self._paths > 1:  # traced once for all parts
            self._part_gradients = tf.function(self._gradients, autograph=False)
        if config.jit_compile and not isinstance(strategy, tf.distribute.TPUStrategy):
            # XLA cannot stop in the middle for other replicas, so with several of them it compiles
            # the part between the reductions. A TPU compiles everything by itself.
            if strategy.num_replicas_in_sync == 1:
                self._step_on_replica = tf.function(
                    self._replica_step, jit_compile=True, autograph=False
                )
            else:
                self._part_gradients = tf.function(
                    self._gradients, jit_compile=True, autograph=False
                )
        self._run = tf.function(self._run_steps, autograph=False)
        self._copy = tf.function(self._copies, autograph=False)
        self._norms = tf.function(self._parameter_norms, autograph=False)

    @property
    def step(self) -> int:
        """Steps done so far."""
        return int(self.optimizer.iterations.numpy())

    def run(self, iterator: Iterator[Mapping[str, tf.Tensor]], steps: int) -> StepRecords:
        """Does `steps` steps.

        Args:
          iterator: this worker's batches, int32 of shape (train_batch_size / workers, length).
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
        return _concatenate(records), norms

    def _run_steps(self, iterator, steps):
        def one_step(index, rows):
            arguments = (iterator.get_next(), self._sample_paths())
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
        return tf.stack([tf.constant(self.config.seed, tf.int32), step])

    def _sample_paths(self):
        if self.path_sampler is None:
            return None
        with tf.device("CPU:0"):  # where conditions are read
            return self.path_sampler.sample(self._seed())

    def _replica_step(self, batch, paths):
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group
        seed = self._seed()
        masked = mask_tokens(
            self._rows_of(replica, batch),
            seed,
            self.objective.masking,
            global_batch_size=self.config.train_batch_size,
            offset=replica * self._rows,
        )
        weights = context.all_reduce("SUM", loss_weights(masked, self.objective))
        dropout = tf.random.experimental.stateless_fold_in(seed, _DROPOUT_STREAM, alg="philox")
        dropout = tf.random.experimental.stateless_fold_in(dropout, replica, alg="philox")
        loss, sums, gradients = self._accumulate(masked, weights, dropout, paths)

        used = [index for index, gradient in enumerate(gradients) if gradient is not None]
        gradients = [gradients[index] for index in used]
        row = self._pack({**sums, "_loss": loss})
        row, *gradients = context.all_reduce("SUM", [row, *gradients])
        if self.loss_scale.dynamic:
            gradients = [gradient / self.loss_scale.scale for gradient in gradients]
        norm = tf.linalg.global_norm(gradients)
        variables = [self._variables[index] for index in used]
        clip = CLIP_NORM / tf.maximum(norm, CLIP_NORM)
        gates = self._gates(variables, paths)
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
        return {
            name: tf.reshape(value, [self._replicas_here, self._rows, value.shape[-1]])[local]
            for name, value in batch.items()
        }

    def _gates(self, variables, paths):
        """For each variable, whether its block is updated; None outside the blocks."""
        if self._paths != 1 or paths is None:  # several paths run every block
            return None
        gate_of = self.pretrainer.discriminator.gates(paths[0])
        return [gate_of.get(id(variable)) for variable in variables]

    def _accumulate(self, masked, weights, seed, paths):
        """Sums loss, metrics and gradients over the parts, and in them the paths, of a batch."""
        count = self._parts * self._paths

        def part(index):
            chosen = {name: self._rows_of_part(value, index) for name, value in masked.items()}
            fold = tf.random.experimental.stateless_fold_in(seed, index, alg="philox")
            path = None if paths is None else paths[index % self._paths]
            return self._part_gradients(chosen, weights, fold, path)

        # The first part is apart because it tells the loop which variables have a gradient.
        first = part(0)
        if count == 1:
            return first
        flat = tf.nest.flatten(first)
        used = [index for index, value in enumerate(flat) if value is not None]

        def add(index, *totals):
            new = tf.nest.flatten(part(index))
            return (index + 1, *(total + new[i] for total, i in zip(totals, used, strict=True)))

        _, *totals = tf.while_loop(
            lambda index, *_: index < count,
            add,
            (tf.constant(1), *(flat[i] for i in used)),
            parallel_iterations=1,
        )
        for i, total in zip(used, totals, strict=True):
            flat[i] = total
        return tf.nest.pack_sequence_as(first, flat)

    def _rows_of_part(self, value, index):
        """A part is a run of rows; its paths take them in turn."""
        if self._parts * self._paths == 1:
            return value
        rows = self._rows // (self._parts * self._paths)
        shape = [self._parts, rows, self._paths, *value.shape[1:]]
        return tf.reshape(value, shape)[index // self._paths, :, index % self._paths]

    def _gradients(self, masked, weights, seed, path):
        with tf.GradientTape() as tape, dropout_seed(seed), selected_path(path):
            loss, sums = pretraining_loss(
                self.pretrainer, self.objective, masked, weights, training=True
            )
            scaled = loss * self.loss_scale.scale if self.loss_scale.dynamic else loss
        gradients = tape.gradient(scaled, [variable.value for variable in self._variables])
        dense = [None if value is None else tf.convert_to_tensor(value) for value in gradients]
        return loss, sums, dense

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


def _concatenate(records: list[StepRecords]) -> StepRecords:
    def joined(get):
        return np.concatenate([get(record) for record in records])

    return StepRecords(
        sums={name: joined(lambda r, n=name: r.sums[n]) for name in records[0].sums},
        loss=joined(lambda r: r.loss),
        gradient_norm=joined(lambda r: r.gradient_norm),
        skipped=joined(lambda r: r.skipped),
    )
