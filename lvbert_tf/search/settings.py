"""The settings of a search. Those of pre-training its supernet are a PretrainingConfig."""
# ruff: noqa: RUF009 - hparam() makes a dataclass field; it is no shared default

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lvbert_tf import hparams
from lvbert_tf.architecture.layer_string import check_layer_types, interleaved
from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.errors import InputError
from lvbert_tf.hparams import AT_LEAST_0, AT_LEAST_1, FRACTION, Range, hparam
from lvbert_tf.io.paths import parse_path
from lvbert_tf.search.candidate import COSTS, FITNESS
from lvbert_tf.search.limit import Limit
from lvbert_tf.search.space import MAX_LAYERS, SearchSpace
from lvbert_tf.settings.pretraining import PretrainingConfig

STAGES = ("all", "supernet", "search", "report")
"""What `run_search.py --stage` accepts."""


@dataclass(frozen=True)
class SearchSettings:
    """Which strings are searched, and how.

    A search has `num_generations` + 1 generations of `generation_size` candidates each, whatever the
    sampler, so that samplers are compared at equal numbers of evaluations. `num_eval_steps` and `seed`
    are hparams of pre-training. The defaults of evolution are those of single-path one-shot search
    (Guo et al., 2020).

    Raises:
      InputError: a value of the wrong type or outside its legal range, or values that exclude each
        other.
    """

    # The space
    num_layers: int = hparam(24, Range(1, MAX_LAYERS), "layers of a candidate")
    layer_types: str = hparam("CAF", doc="letters of the layer types a candidate may have")
    max_parameters: Limit | None = hparam(
        None, doc='of the encoder, or "unlimited"; by default as many as A and F in turn have'
    )
    max_flops: Limit | None = hparam(
        None, doc='of a forward pass over a sequence, or "unlimited"; by default likewise'
    )

    # The supernet
    path_sampling: str = hparam(
        "uniform", ("uniform", "fair"), "one random path a step, or paths that cover every block"
    )

    # The sampler
    sampler: str = hparam("evolution", ("evolution", "random", "nsga2"), "what proposes candidates")
    fitness: str = hparam("disc_loss", FITNESS, "the held-out score to search on")
    cost: str = hparam("parameters", COSTS, "what nsga2 weighs against the fitness")
    population_size: int = hparam(50, AT_LEAST_1, "candidates of the first generation, at random")
    num_generations: int = hparam(20, AT_LEAST_0, "further generations")
    num_parents: int = hparam(10, AT_LEAST_1, "best candidates so far that evolution breeds from")
    num_mutations: int = hparam(25, AT_LEAST_0, "mutants a generation")
    mutation_probability: float = hparam(0.1, FRACTION, "that a mutation redraws a layer")
    num_crossovers: int = hparam(25, AT_LEAST_0, "crossovers a generation")

    # The report
    compare_with_random: bool = hparam(
        True, doc="score as many random strings too, for comparison; doubles the evaluations"
    )

    def __post_init__(self) -> None:
        hparams.check(self)
        check_layer_types(self.layer_types)
        if self.num_generations and not self.num_mutations + self.num_crossovers:
            raise InputError(
                f"num_generations {self.num_generations} needs num_mutations or num_crossovers"
                " above 0"
            )

    def generation_size(self, generation: int) -> int:
        """The number of candidates of a generation; generations count from 0."""
        return self.num_mutations + self.num_crossovers if generation else self.population_size

    def first_number(self, generation: int) -> int:
        """The number of the first candidate of a generation."""
        return sum(self.generation_size(earlier) for earlier in range(generation))

    @property
    def num_candidates(self) -> int:
        """The number of candidates of the whole search."""
        return self.first_number(self.num_generations + 1)

    @property
    def objectives(self) -> list[str]:
        """The metrics of a candidate that the sampler optimises, the fitness first."""
        return [self.fitness, self.cost] if self.sampler == "nsga2" else [self.fitness]

    def space(self, encoder: ModelConfig, sequence_length: int) -> SearchSpace:
        """The space of strings for an encoder.

        Args:
          encoder: what candidates are like, apart from their layers.
          sequence_length: tokens of the sequences that FLOPs are counted for.

        Raises:
          InputError: limits that no string keeps.
        """
        return SearchSpace(
            self.num_layers,
            self.layer_types,
            encoder,
            sequence_length,
            self.max_parameters,
            self.max_flops,
        )

    def check_fitness(self, objective: str) -> None:
        """Refuses a fitness that says nothing about a candidate under a pre-training objective.

        Under ELECTRA all candidates share the generator, so the masked LM scores are the same for all.

        Args:
          objective: see `Wiring.objective`.

        Raises:
          InputError: naming the scores that can be used.
        """
        prefix = "mlm_" if objective == "masked_lm" else "disc_"
        if not self.fitness.startswith(prefix):
            allowed = " | ".join(name for name in FITNESS if name.startswith(prefix))
            raise InputError(f"fitness {self.fitness}: the objective is {objective}; use {allowed}")


# What is of the supernet's training and not of the model that is trained from scratch afterwards.
_SUPERNET_ONLY = (
    *("layer_types", "path_sampling", "init_checkpoint"),
    *("max_hours", "profile_steps"),  # of one process
)

# Hparams of pre-training that the search itself sets, each with the reason for an error message.
DECIDED = {
    "custom_layer_list": "it is what is searched for; num_layers and layer_types say among which",
    "model_dir": "the supernet's is in the directory of the search",
    "do_train": "--stage says what to do",
    "do_eval": "--stage says what to do",
}


def split_hparams(user_hparams: Mapping[str, Any]) -> tuple[SearchSettings, dict[str, Any]]:
    """Divides the hparams of a search from those of pre-training its supernet.

    A name that both know goes to both.

    Returns:
      the settings, and what `PretrainingConfig.create` takes.

    Raises:
      InputError: a name that neither knows (with the nearest known one) or that a search decides,
        or see `SearchSettings`.
    """
    ours, theirs = map(hparams.hparam_fields, (SearchSettings, PretrainingConfig))
    hparams.check_names(user_hparams, ours | theirs)
    for name, why in DECIDED.items():
        if name in user_hparams:
            raise InputError(f"{name} is no hparam of a search: {why}")
    settings = {name: value for name, value in user_hparams.items() if name in ours}
    pretraining = {name: value for name, value in user_hparams.items() if name in theirs}
    return hparams.build(SearchSettings, settings), pretraining


def supernet_config(
    data_dir: str, name: str, settings: SearchSettings, pretraining: Mapping[str, Any]
) -> PretrainingConfig:
    """The configuration of pre-training the supernet of a search.

    Args:
      data_dir: holds vocab.txt, pretrain_tfrecords/ and searches/.
      name: of the search.
      settings: of the search.
      pretraining: hparams of pre-training; see `split_hparams`.

    Raises:
      InputError: a value is not allowed, or the fitness says nothing under the objective.
    """
    supernet = {
        "layer_types": settings.layer_types,
        "custom_layer_list": str(interleaved(settings.layer_types, settings.num_layers)),
        "model_dir": str(parse_path(data_dir) / "searches" / name / "supernet"),
    }
    config = PretrainingConfig.create(data_dir, name, {**pretraining, **supernet})
    settings.check_fitness(config.wiring.objective)
    return config


def winner_hparams(pretraining: Mapping[str, Any]) -> dict[str, Any]:
    """The hparams that the winner is pre-trained with, beside its layers, as the user gave them."""
    return {key: value for key, value in pretraining.items() if key not in _SUPERNET_ONLY}
