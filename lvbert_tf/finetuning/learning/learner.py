"""Everything that is built and compiled once and serves every trial."""

import random
from collections.abc import Iterator, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from lvbert_tf.finetuning.learning.batches import (
    BatchPlan,
    batches,
    compilation_price,
    padded_lengths,
    training_plan,
)
from lvbert_tf.finetuning.learning.gradients import FinetuningGradients
from lvbert_tf.finetuning.learning.interleaved_steps import InterleavedSteps, interleave
from lvbert_tf.finetuning.learning.layer_rates import rate_multiplier
from lvbert_tf.finetuning.learning.starting_model import fingerprint, fresh_values
from lvbert_tf.finetuning.objectives.features import Batch, Features
from lvbert_tf.finetuning.objectives.objective import Objective
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.models import LVBertBackbone
from lvbert_tf.training.distribution import worker_of
from lvbert_tf.training.optimizer import ReferenceAdam
from lvbert_tf.training.precision import LossScale
from lvbert_tf.training.schedules import WarmupPolynomialDecay
from lvbert_tf.training.step import TrainingStep

_LAYERS_A_DEPTH = {"pairs": 2, "layers": 1}


class Learner:
    """Learns the tasks of a run from the same starting weights, once a trial.

    Args:
      strategy: where to compute.
      config: of the run.
      backbone: with the starting weights; all objectives' models share it.
      objectives: by task.
      features: the training rows, by task.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        config: FinetuningConfig,
        backbone: LVBertBackbone,
        objectives: Mapping[str, Objective],
        features: Mapping[str, Features],
    ):
        self.strategy = strategy
        self.config = config
        self.backbone = backbone
        self.objectives = objectives
        self.features = features
        self._starting_weights = [weight.numpy() for weight in backbone.weights]
        self.num_steps = {
            name: self._steps_of(objective.task, features[name].num_rows)
            for name, objective in objectives.items()
        }
        self.weights = named_weights(backbone, objectives)
        total = self.total_steps
        assert config.learning_rate is not None  # filled in by its constructor
        self.schedule = WarmupPolynomialDecay(
            config.learning_rate, total, int(total * config.warmup_proportion)
        )
        with strategy.scope():
            self.optimizer = ReferenceAdam(
                self.schedule,
                weight_decay_rate=config.weight_decay_rate,
                rate_multiplier=rate_multiplier(
                    len(backbone.layer_string),
                    config.layerwise_lr_decay,
                    _LAYERS_A_DEPTH[config.layerwise_lr_depth],
                ),
            )
            self.optimizer.build([weight for weight in self.weights.values() if weight.trainable])
            self.loss_scale = LossScale(dynamic=backbone.dtype_policy.name == "mixed_float16")
            self._seed = tf.Variable(
                0,
                dtype=tf.int32,
                trainable=False,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )
        self._steps = {
            name: TrainingStep(
                strategy,
                FinetuningGradients(
                    objective,
                    self.loss_scale,
                    config.train_batch_size,
                    strategy.num_replicas_in_sync,
                ),
                self.optimizer,
                self.loss_scale,
                self._seed,
                config.train_batch_size,
                config.jit_compile,
            )
            for name, objective in objectives.items()
        }

    @property
    def total_steps(self) -> int:
        """Of a trial."""
        return sum(self.num_steps.values())

    def fingerprint(self) -> str:
        """Tells starting weights and training rows from others."""
        rows = [
            part.numpy()
            for features in self.features.values()
            for column in (*features.tokens.values(), *features.values.values())
            for part in (
                (column.values, column.row_splits)
                if isinstance(column, tf.RaggedTensor)
                else (column,)
            )
        ]
        shapes = [weight.shape for weight in self.backbone.weights]
        architecture = np.frombuffer(f"{self.backbone.layer_string} {shapes}".encode(), np.uint8)
        starting = [] if self.config.from_scratch else self._starting_weights
        return fingerprint([architecture, *starting, *rows])

    def start_trial(self, seed: int) -> InterleavedSteps:
        """Forgets what was learned: starting weights, fresh heads, an optimizer that begins.

        Args:
          seed: of the heads, of dropout, of the order of rows and tasks.

        Returns:
          the steps of the trial, the first one next.
        """
        # Keras's initializers draw their seeds from here. Its `set_random_seed` would set TensorFlow's
        # seed as well, which throws away what was compiled for the trials before.
        random.seed(seed)
        starting = (
            fresh_values(self.backbone) if self.config.from_scratch else self._starting_weights
        )
        _assign(self.backbone.weights, starting)
        for objective in self.objectives.values():
            for layer in head_layers(objective.model, self.backbone):
                _assign(layer.weights, fresh_values(layer))
        for variable in self.optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
        self.loss_scale.reset()
        self._seed.assign(seed)
        return InterleavedSteps(self._steps, interleave(self.num_steps, seed))

    def batches(self, seed: int, order: Sequence[str], step: int) -> dict[str, Iterator[Batch]]:
        """This worker's batches of a trial from a step on, by task.

        Args:
          seed: of the trial.
          order: the task of each step.
          step: how many steps have been done.
        """
        worker = worker_of(self.strategy)
        done = order[:step]
        return {
            name: batches(features, self._plan(name, seed), done.count(name), worker)
            for name, features in self.features.items()
        }

    def _plan(self, name: str, seed: int) -> BatchPlan:
        lengths = self.features[name].lengths
        config, steps = self.config, self.num_steps[name]
        passes = steps * config.train_batch_size / len(lengths)
        choices = padded_lengths(
            lengths,
            self.objectives[name].model.preprocessor.sequence_length,
            config.bucket_by_length and not isinstance(self.strategy, tf.distribute.TPUStrategy),
            compilation_price(passes, config.jit_compile),
        )
        return training_plan(lengths, config.train_batch_size, steps, choices, seed)

    def _steps_of(self, task, num_rows: int) -> int:
        epochs = self.config.epochs_of(task)
        return max(1, int(num_rows * epochs / self.config.train_batch_size))


def head_layers(model: keras.Model, backbone: LVBertBackbone) -> list[keras.layers.Layer]:
    """The layers of a task's model that are not the encoder's and have weights."""
    return [layer for layer in model.layers if layer is not backbone and layer.weights]


def named_weights(
    backbone: LVBertBackbone, objectives: Mapping[str, Objective]
) -> dict[str, keras.Variable]:
    """All weights by name, e.g. `backbone.layer_3.self_attention.query.kernel`, `cola.logits.bias`."""
    named = {}
    for weight in backbone.weights:
        named[f"backbone.{weight.path.removeprefix(backbone.name + '/').replace('/', '.')}"] = (
            weight
        )
    for name, objective in objectives.items():
        for layer in head_layers(objective.model, backbone):
            for weight in layer.weights:
                named[f"{name}.{weight.path.replace('/', '.')}"] = weight
    return named


def _assign(weights, values) -> None:
    for weight, value in zip(weights, values, strict=True):
        weight.assign(value)
