"""The gradients of pre-training: masking, corruption and differentiation of a step."""

from collections.abc import Callable

import tensorflow as tf

from lvbert_tf.layers.dropout import dropout_seed
from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.models.supernet import selected_path
from lvbert_tf.pretraining.masking import mask_tokens
from lvbert_tf.pretraining.objective import PretrainingObjective, loss_weights, pretraining_loss
from lvbert_tf.pretraining.path_sampling import PathSampler
from lvbert_tf.settings.parts import StepSettings
from lvbert_tf.training.distribution import compilation_of
from lvbert_tf.training.optimizer import ReferenceAdam
from lvbert_tf.training.precision import LossScale
from lvbert_tf.training.step import TrainingStep

# The first of the streams of random numbers for dropout, one for each replica and part of a batch.
# Masking and the paths of a supernet have those before it.
_DROPOUT_STREAMS = 4


def pretraining_step(
    strategy: tf.distribute.Strategy,
    pretrainer: ElectraPretrainer,
    optimizer: ReferenceAdam,
    loss_scale: LossScale,
    settings: StepSettings,
    objective: PretrainingObjective,
    path_sampler: PathSampler | None = None,
) -> TrainingStep:
    """Makes the training step of pre-training.

    Args:
      strategy: where the networks and the optimizer were created.
      pretrainer: see `PretrainingGradients`.
      optimizer: built on `pretrainer.trainable_variables`.
      loss_scale: see `TrainingStep`.
      settings: what a step computes on.
      objective, path_sampler: see `PretrainingGradients`.
    """
    gradients = PretrainingGradients(
        pretrainer, objective, loss_scale, settings, strategy.num_replicas_in_sync, path_sampler
    )
    return TrainingStep(
        strategy,
        gradients,
        optimizer,
        loss_scale,
        settings.seed,
        compilation_of(strategy, settings.jit_compile),
        settings.clip_norm,
    )


class PretrainingGradients:
    """Computes the gradients of pre-training on the rows of one replica; see `training.step.Gradients`.

    Masks, replacements, dropout and paths are functions of (seed, step), so neither the number of
    replicas nor the grouping of steps into calls changes the masks.

    With a supernet each step runs the paths that `path_sampler` draws. Several paths ("fair") divide the
    batch among themselves: the first path runs the first of every `num_paths` rows, and so on. So each
    row goes through the generator once, and a step costs as much as with one path. Blocks outside the
    paths are not updated: neither momentum nor decay moves them.

    Args:
      pretrainer: the networks.
      objective: which tokens are masked, and what is optimised.
      loss_scale: scales the loss in float16.
      settings: the batch size, and the number of parts that a batch is computed in.
      num_replicas: how many replicas share the batch.
      path_sampler: needed if the discriminator is a supernet. The rows of a replica's part of the batch
        must be a multiple of its paths.
    """

    def __init__(
        self,
        pretrainer: ElectraPretrainer,
        objective: PretrainingObjective,
        loss_scale: LossScale,
        settings: StepSettings,
        num_replicas: int,
        path_sampler: PathSampler | None = None,
    ):
        self.pretrainer = pretrainer
        self.objective = objective
        self.path_sampler = path_sampler
        self.variables = pretrainer.trainable_variables
        self._loss_scale = loss_scale
        self._batch_size = settings.train_batch_size
        self._rows = settings.train_batch_size // num_replicas
        self._parts = settings.gradient_accumulation_steps
        self._paths = path_sampler.num_paths if path_sampler else 1
        self._mask: Callable = self._masked
        self._part_gradients: Callable = self._gradients
        if self._parts * self._paths > 1:  # traced once for all parts
            self._part_gradients = tf.function(self._gradients, autograph=False)

    def compile(self):
        self._mask = tf.function(self._masked, jit_compile=True, autograph=False)
        self._part_gradients = tf.function(self._gradients, jit_compile=True, autograph=False)

    def draw(self, seed):
        if self.path_sampler is None:
            return None
        with tf.device("CPU:0"):  # where conditions are read
            return self.path_sampler.sample(seed)

    def compute(self, batch, seed, replica, drawn):
        masked, weights = self._mask(batch, seed, replica)
        weights = tf.distribute.get_replica_context().all_reduce("SUM", weights)
        return self._accumulate(masked, weights, seed, replica, drawn)

    def _masked(self, batch, seed, replica):
        masked = mask_tokens(
            batch,
            seed,
            self.objective.masking,
            global_batch_size=self._batch_size,
            offset=replica * self._rows,
        )
        return masked, loss_weights(masked, self.objective)

    def gates(self, variables, drawn):
        if self._paths != 1 or drawn is None:  # several paths run every block
            return None
        gate_of = self.pretrainer.discriminator.gates(drawn[0])
        return [gate_of.get(id(variable)) for variable in variables]

    def _accumulate(self, masked, weights, seed, replica, paths):
        """Sums loss, metrics and gradients over the parts of a batch and the paths of each part."""
        count = self._parts * self._paths

        def part(index):
            chosen = {name: self._rows_of_part(value, index) for name, value in masked.items()}
            place = _DROPOUT_STREAMS + replica * count + index
            dropout = tf.random.experimental.stateless_fold_in(seed, place, alg="philox")
            path = None if paths is None else paths[index % self._paths]
            return self._part_gradients(chosen, weights, dropout, path)

        # The first part is outside the loop because it shows which variables have a gradient.
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
        """The rows of one path in one part. A part is consecutive rows; its paths take them in turn."""
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
            scaled = self._loss_scale.scaled(loss)
        gradients = tape.gradient(scaled, [variable.value for variable in self.variables])
        dense = [None if value is None else tf.convert_to_tensor(value) for value in gradients]
        return loss, sums, dense
