"""The training step of pre-training: mask, corrupt, differentiate."""

from collections.abc import Callable

import tensorflow as tf

from lvbert_tf.config import PretrainingConfig
from lvbert_tf.layers.dropout import dropout_seed
from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.models.supernet import selected_path
from lvbert_tf.pretraining.masking import mask_tokens
from lvbert_tf.pretraining.objective import Objective, loss_weights, pretraining_loss
from lvbert_tf.pretraining.path_sampling import PathSampler
from lvbert_tf.training.optimizer import ReferenceAdam
from lvbert_tf.training.precision import LossScale
from lvbert_tf.training.step import TrainingStep

_DROPOUT_STREAM = 1  # keeps dropout's random numbers apart from masking's


class TrainStep(TrainingStep):
    """Steps of pre-training.

    Masks, replacements, dropout and paths are functions of (seed, step), so neither the number of
    replicas nor how the steps are grouped into calls changes the masks.

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
        self.pretrainer = pretrainer
        self.config = config
        self.objective = objective
        self.path_sampler = path_sampler
        self._parts = config.gradient_accumulation_steps
        self._paths = path_sampler.num_paths if path_sampler else 1
        self._part_gradients: Callable = self._gradients
        if self._parts * self._paths > 1:  # traced once for all parts
            self._part_gradients = tf.function(self._gradients, autograph=False)
        super().__init__(
            strategy,
            pretrainer.trainable_variables,
            optimizer,
            loss_scale,
            config.seed,
            config.train_batch_size,
            config.jit_compile,
        )

    def compile_gradients(self):
        self._part_gradients = tf.function(self._gradients, jit_compile=True, autograph=False)

    def draw(self, seed):
        if self.path_sampler is None:
            return None
        with tf.device("CPU:0"):  # where conditions are read
            return self.path_sampler.sample(seed)

    def replica_gradients(self, batch, seed, replica, drawn):
        masked = mask_tokens(
            batch,
            seed,
            self.objective.masking,
            global_batch_size=self.config.train_batch_size,
            offset=replica * self._rows,
        )
        context = tf.distribute.get_replica_context()
        weights = context.all_reduce("SUM", loss_weights(masked, self.objective))
        dropout = tf.random.experimental.stateless_fold_in(seed, _DROPOUT_STREAM, alg="philox")
        dropout = tf.random.experimental.stateless_fold_in(dropout, replica, alg="philox")
        return self._accumulate(masked, weights, dropout, drawn)

    def gates(self, variables, drawn):
        if self._paths != 1 or drawn is None:  # several paths run every block
            return None
        gate_of = self.pretrainer.discriminator.gates(drawn[0])
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
