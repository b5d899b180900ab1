"""The networks of a pre-training run, with their objective, optimiser and training step."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.pretraining.gradients import pretraining_step
from lvbert_tf.pretraining.masking import MaskingSpec
from lvbert_tf.pretraining.objective import PretrainingObjective
from lvbert_tf.pretraining.path_sampling import PathSampler
from lvbert_tf.records.input_pipeline import training_dataset
from lvbert_tf.records.record_set import RecordSet
from lvbert_tf.runs.named_weights import fingerprint, named_weights
from lvbert_tf.settings.networks import Networks
from lvbert_tf.settings.parts import ObjectiveSettings, OptimisationSettings, StepSettings
from lvbert_tf.text.vocabulary import Vocabulary
from lvbert_tf.training.distribution import batches_of_replicas
from lvbert_tf.training.lamb import Lamb
from lvbert_tf.training.loop import HostState
from lvbert_tf.training.optimizer import ReferenceAdam, averaged_weights
from lvbert_tf.training.precision import POLICIES, LossScale
from lvbert_tf.training.schedules import WarmupPolynomialDecay
from lvbert_tf.training.step import TrainingStep

_OPTIMIZERS = {"adam": ReferenceAdam, "lamb": Lamb}


@dataclass(frozen=True)
class Learner:
    """The networks of a run, and everything that changes while they are trained.

    Attributes:
      pretrainer: generator and discriminator.
      objective: computes the losses and metrics.
      learning_rate: the schedule of the learning rate.
      steps: runs training steps and counts them (`steps.step`); it holds the optimiser.
      settings: batch size and seed of a step.
      precision: the number format of the layers.
      state: the state of the training loop that checkpoints save beside the weights.
    """

    pretrainer: ElectraPretrainer
    objective: PretrainingObjective
    learning_rate: WarmupPolynomialDecay
    steps: TrainingStep
    settings: StepSettings
    precision: str
    state: HostState = field(default_factory=HostState)

    @classmethod
    def build(
        cls,
        strategy: tf.distribute.Strategy,
        vocabulary: Vocabulary,
        networks: Networks,
        objective: ObjectiveSettings,
        optimisation: OptimisationSettings,
        step: StepSettings,
        precision: str,
    ) -> "Learner":
        """Builds the networks with fresh weights.

        Args:
          strategy: the devices to compute on.
          vocabulary: the vocabulary of the records.
          networks: the shapes of the encoders, and what they share.
          objective: how tokens are masked and sampled, and how the losses are weighted.
          optimisation: which optimiser, and its hyperparameters.
          step: batch size, seed, clipping, path sampling and compilation of a training step.
          precision: `float32`, `bfloat16` or `float16`.
        """
        keras.utils.set_random_seed(step.seed)
        learning_rate = WarmupPolynomialDecay(
            optimisation.learning_rate,
            optimisation.num_train_steps,
            optimisation.num_warmup_steps,
            optimisation.lr_decay_power,
        )
        with strategy.scope():
            pretrainer = ElectraPretrainer.from_networks(networks, dtype=POLICIES[precision])
            optimizer = _OPTIMIZERS[optimisation.optimizer](
                learning_rate,
                optimisation.weight_decay_rate,
                optimisation.adam_beta_1,
                optimisation.adam_beta_2,
                optimisation.adam_epsilon,
                ema_decay=optimisation.ema_decay,
            )
            optimizer.build(pretrainer.trainable_variables)
            loss_scale = LossScale(dynamic=precision == "float16")
        masking = MaskingSpec.from_settings(objective, vocabulary)
        optimised = PretrainingObjective.from_settings(objective, masking)
        sampler = PathSampler.of(networks, step.path_sampling)
        steps = pretraining_step(
            strategy, pretrainer, optimizer, loss_scale, step, optimised, sampler
        )
        return cls(pretrainer, optimised, learning_rate, steps, step, precision)

    def evaluated_weights(self) -> contextlib.AbstractContextManager[None]:
        """While it is open, the weights are those to evaluate and to keep; see `averaged_weights`."""
        return averaged_weights(self.steps.optimizer)

    def weights_digest(self) -> bytes:
        """A hash of all weights: equal on workers that have restored the same checkpoint."""
        return fingerprint(
            weight.numpy() for weight in self.pretrainer.trainable_variables
        ).encode()

    def saved_state(self) -> dict[str, Any]:
        """What checkpoints save, for the keywords of `Checkpoints`."""
        weights, optimizer = named_weights(self.pretrainer), self.steps.optimizer
        state = {
            "weights": weights,
            "optimizer": optimizer,
            "loss_scale": self.steps.loss_scale,
            "host": self.state.variable,
        }
        if optimizer.ema_decay:
            state["averages"] = {name: optimizer.average_of(w) for name, w in weights.items()}
        return state

    def batches(self, records: RecordSet) -> Iterator[dict[str, tf.Tensor]]:
        """The batches from the current step on, without an end, divided among the replicas."""
        size, seed = self.settings.train_batch_size, self.settings.seed
        step = self.steps.step
        return batches_of_replicas(
            self.steps.strategy,
            lambda host, replicas: training_dataset(records, size, seed, step, host, replicas),
        )
