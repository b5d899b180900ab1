"""A search on some devices: the supernet, the scoring of candidates, and trainings of single strings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lvbert_tf.architecture.layer_string import interleaved
from lvbert_tf.plan.chips import Devices
from lvbert_tf.plan.corpus import CorpusPlan
from lvbert_tf.plan.run_plan import Assumptions, Duration, RunPlan
from lvbert_tf.plan.step import StepPlan
from lvbert_tf.search.settings import SearchSettings
from lvbert_tf.settings.pretraining import PretrainingConfig


@dataclass(frozen=True)
class SearchPlan:
    """A search.

    Attributes:
      supernet: its training. The FLOPs of its step are the mean over all strings.
      candidates: strings that are scored, those of the random search included.
      sequences: held-out sequences that each is scored on.
      scoring_flops: of all candidates, at most: each counts as A and F in turn, beyond whose costs a
        search looks only if `max_flops` says so.
      scoring: how long that takes.
      trainings: the number of strings that are pre-trained by themselves.
      training: one of them, of A and F in turn with the hparams of the search.
      planned: supernet, scoring and trainings together.
    """

    supernet: RunPlan
    candidates: int
    sequences: int
    scoring_flops: float
    scoring: Duration
    trainings: int
    training: RunPlan
    planned: Duration

    @classmethod
    def of(
        cls,
        config: PretrainingConfig,
        settings: SearchSettings,
        winner: Mapping[str, Any],
        devices: Devices,
        corpus: CorpusPlan,
        assumed: Assumptions,
        trainings: int,
    ) -> "SearchPlan":
        """Plans a search.

        Args:
          config: of the supernet's training; see `supernet_config`.
          settings: of the search.
          winner: what strings are trained with by themselves; see `winner_hparams`.
          devices: of all stages.
          corpus: what the supernet and the strings are trained on.
          assumed: see `Assumptions`.
          trainings: how many strings are pre-trained by themselves afterwards.

        Raises:
          InputError: no string keeps the limits of the search, or the batch cannot be divided.
        """
        settings.space(config.discriminator, config.max_seq_length)  # refuses impossible limits
        layers = {"custom_layer_list": str(interleaved("AF", settings.num_layers))}
        training = PretrainingConfig.create(
            config.data_dir, config.model_name, {**winner, **layers}
        )
        supernet = RunPlan.of(config, devices, corpus, assumed)
        alone_plan = RunPlan.of(training, devices, corpus, assumed)

        compared = settings.compare_with_random and settings.sampler != "random"
        candidates = settings.num_candidates * (2 if compared else 1)
        sequences = config.num_eval_steps * config.eval_batch_size
        flops = candidates * sequences * training.discriminator.flops(config.max_seq_length)
        # As fast as the strings train, FLOP by FLOP: a forward pass has a third of a step's bytes, too.
        step = StepPlan.of(training, devices)
        computing = step.planned_seconds(assumed.efficiency) - step.all_reduce_seconds
        scoring = Duration.of(flops / step.flops * computing, devices, assumed.dollars)
        hours = supernet.planned.hours + scoring.hours + trainings * alone_plan.planned.hours
        return cls(
            supernet=supernet,
            candidates=candidates,
            sequences=sequences,
            scoring_flops=float(flops),
            scoring=scoring,
            trainings=trainings,
            training=alone_plan,
            planned=Duration.of(3600 * hours, devices, assumed.dollars),
        )
