"""The models, steps and optimiser of a run, which are built and compiled once and serve every trial."""

import random
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from lvbert_tf.finetuning.learning.batches import (
    BatchPlan,
    batches,
    may_bucket,
    padded_lengths,
    training_plan,
)
from lvbert_tf.finetuning.learning.layer_rates import rate_multiplier
from lvbert_tf.finetuning.learning.steps import FinetuningGradients, InterleavedSteps, interleave
from lvbert_tf.finetuning.learning.weights import (
    assign,
    fresh_values,
    head_layers,
    weights_by_name,
)
from lvbert_tf.finetuning.objectives.features import Batch, TaskFeatures
from lvbert_tf.finetuning.objectives.objective import Objective
from lvbert_tf.finetuning.parts import LearningSettings
from lvbert_tf.finetuning.tasks.task import Task
from lvbert_tf.models import LVBertBackbone
from lvbert_tf.runs.named_weights import fingerprint
from lvbert_tf.training.batch_parts import parts_of_batch
from lvbert_tf.training.distribution import batches_of_replicas, compilation_of
from lvbert_tf.training.optimizer import ReferenceAdam
from lvbert_tf.training.precision import LossScale
from lvbert_tf.training.schedules import WarmupPolynomialDecay
from lvbert_tf.training.step import TrainingStep

_LAYERS_A_DEPTH = {"pairs": 2, "layers": 1}


class Learner:
    """Learns the tasks of a run, once in each trial, from the same starting weights.

    Args:
      strategy: the devices to compute on.
      settings: how to learn.
      backbone: the encoder with the starting weights; the models of all objectives share it.
      objectives: the objectives by the task's name.
      features: the training rows by the task's name.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        settings: LearningSettings,
        backbone: LVBertBackbone,
        objectives: Mapping[str, Objective],
        features: Mapping[str, TaskFeatures],
    ):
        self.strategy = strategy
        self.settings = settings
        self.compilation = compilation_of(strategy, settings.jit_compile)
        self.backbone = backbone
        self.objectives = objectives
        self.features = features
        self._starting_weights = [weight.numpy() for weight in backbone.weights]
        self.num_steps = {
            name: self._steps_of(objective.task, features[name].num_rows)
            for name, objective in objectives.items()
        }
        self.weights = weights_by_name(backbone, objectives)
        total = self.total_steps
        self.schedule = WarmupPolynomialDecay(
            settings.learning_rate, total, int(total * settings.warmup_proportion)
        )
        with strategy.scope():
            self.optimizer = ReferenceAdam(
                self.schedule,
                weight_decay_rate=settings.weight_decay_rate,
                rate_multiplier=rate_multiplier(
                    len(backbone.layer_string),
                    settings.layerwise_lr_decay,
                    _LAYERS_A_DEPTH[settings.layerwise_lr_depth],
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
                    settings.train_batch_size,
                    strategy.num_replicas_in_sync,
                    parts_of_batch(strategy, settings.train_batch_size),
                ),
                self.optimizer,
                self.loss_scale,
                self._seed,
                self.compilation,
            )
            for name, objective in objectives.items()
        }

    @property
    def total_steps(self) -> int:
        """The number of steps of a trial."""
        return sum(self.num_steps.values())

    def fingerprint(self) -> str:
        """A hash of the starting weights and the training rows."""
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
        starting = [] if self.settings.from_scratch else self._starting_weights
        return fingerprint([architecture, *starting, *rows])

    def start_trial(self, seed: int) -> InterleavedSteps:
        """Begins a trial: starting weights, fresh heads, and an optimiser without memory.

        Args:
          seed: the seed of the heads, of dropout, and of the order of rows and tasks.

        Returns:
          the steps of the trial, none of them done.
        """
        # Keras's initializers draw their seeds from here. Its `set_random_seed` would set TensorFlow's
        # seed as well, which throws away what was compiled for the trials before.
        random.seed(seed)
        starting = (
            fresh_values(self.backbone) if self.settings.from_scratch else self._starting_weights
        )
        assign(self.backbone.weights, starting)
        for objective in self.objectives.values():
            for layer in head_layers(objective.model, self.backbone):
                assign(layer.weights, fresh_values(layer))
        for variable in self.optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
        self.loss_scale.reset()
        self._seed.assign(seed)
        return InterleavedSteps(self._steps, interleave(self.num_steps, seed))

    def batches(self, seed: int, order: Sequence[str], step: int) -> dict[str, Iterator[Batch]]:
        """The batches of a trial from a step on, divided among the replicas, by the task's name.

        Args:
          seed: the seed of the trial.
          order: the task of each step.
          step: the number of steps already done.
        """

        def batches_of(name: str) -> Iterator[Batch]:
            features, plan, done = self.features[name], self._plan(name, seed), order[:step]

            def of_host(host: tuple[int, int], replicas: int) -> tf.data.Dataset:
                return batches(features, plan, done.count(name), host, replicas)

            return batches_of_replicas(self.strategy, of_host)

        return {name: batches_of(name) for name in self.features}

    def _plan(self, name: str, seed: int) -> BatchPlan:
        lengths = self.features[name].lengths
        settings, steps = self.settings, self.num_steps[name]
        passes = steps * settings.train_batch_size / len(lengths)
        choices = padded_lengths(
            lengths,
            self.objectives[name].model.preprocessor.sequence_length,
            settings.bucket_by_length and may_bucket(self.strategy),
            self.compilation,
            passes,
        )
        return training_plan(lengths, settings.train_batch_size, steps, choices, seed)

    def _steps_of(self, task: Task, num_rows: int) -> int:
        epochs = self.settings.epochs_of(task)
        return max(1, int(num_rows * epochs / self.settings.train_batch_size))
