"""The experiment as values: the model, the supernets, which strings are trained alone, and how often.

Everything here was fixed before the first score was seen, except where docs/search.md says otherwise.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.evidence import claims
from lvbert_tf.architecture.layer_string import LayerString, interleaved
from lvbert_tf.errors import InputError
from lvbert_tf.search.candidate import DIRECTIONS
from lvbert_tf.search.settings import SearchSettings
from lvbert_tf.search.space import SearchSpace
from lvbert_tf.settings.pretraining import PretrainingConfig

NUM_LAYERS = 6
BASELINE = str(interleaved("AF", NUM_LAYERS))
VOCABULARY_SIZE, LENGTH = 4096, 64
HELD_OUT_FRACTION = 0.05
SCORING_BATCHES, SCORING_BATCH = 6, 128

NUM_RANDOM = 16
SELECTION_SEED = 2021
FIRST_SEED = 1
COMPARISON_SEEDS = tuple(range(FIRST_SEED, FIRST_SEED + 5))
SEARCH_SEEDS = tuple(range(20))

REPLACED_TOKEN_FITNESS = ("disc_loss", "disc_auc", "disc_accuracy")
FITNESS = {
    "uniform_generator": REPLACED_TOKEN_FITNESS,
    "electra": REPLACED_TOKEN_FITNESS,
    "masked_lm": ("mlm_loss", "mlm_accuracy"),
}
"""The metrics of an objective, the loss first. The objectives: to detect replacements that are drawn
uniformly from the vocabulary, or from a generator that learns; to fill masks."""
SECOND_SEEDS = {"uniform_generator": None, "electra": 5, "masked_lm": 5}
"""How many of an objective's strings are trained with a second seed; None: all of them."""
SEARCHED = "uniform_generator"
"""The objective of the searches and of what is compared with A and F in turn."""

_HPARAMS: dict[str, Any] = {
    "model_size": "small",
    "vocab_size": VOCABULARY_SIZE,
    "embedding_size": 64,
    "max_seq_length": LENGTH,
    "disc_weight": 50.0,
    "train_batch_size": 18,  # a multiple of the three paths of fair sampling
    "learning_rate": 2e-3,
    "num_train_steps": 1400,
    "num_warmup_steps": 140,
    "eval_every_steps": 0,
    "num_eval_steps": 1,
    "eval_batch_size": SCORING_BATCH,
    "log_steps": 100,
    "save_checkpoints_steps": 2000,
    "precision": "float32",
}
_OBJECTIVE_HPARAMS: dict[str, dict[str, Any]] = {
    "uniform_generator": {"uniform_generator": True},
    # The same small generator for all, so that they solve the same task.
    "electra": {"generator_layer_list": "CF", "generator_hidden_size": 0.5},
    "masked_lm": {"electra_objective": False},
}
_SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "num_attention_heads": 2,
    "max_position_embeddings": LENGTH,
    # Hardly more than half an epoch.
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


@dataclass(frozen=True)
class Alone:
    """The training of one layer string by itself.

    Args:
      objective: the pre-training task, a key of `FITNESS`.
      string: the layer string.
      seed: the seed of weights, data order, masks and samples.
    """

    objective: str
    string: str
    seed: int

    @property
    def name(self) -> str:
        """The name of its files, which is unique within the experiment."""
        return f"{self.objective}-{self.string}-{self.seed}"

    @property
    def hparams(self) -> dict[str, Any]:
        """The hyperparameters that differ from `_HPARAMS`."""
        return {"custom_layer_list": self.string, "seed": self.seed}


@dataclass(frozen=True)
class Shared:
    """The training of a supernet, whose weights all strings of a space share.

    Args:
      objective: the pre-training task, a key of `FITNESS`.
      label: what the tables call it.
      layer_types: the letters that every layer may be.
      path_sampling: how the path of a step is drawn, "uniform" or "fair".
      changes: the hyperparameters that differ from those of a string that is trained by itself.
    """

    objective: str
    label: str
    layer_types: str
    path_sampling: str
    changes: tuple[tuple[str, float], ...]

    @property
    def name(self) -> str:
        """The name of its files, which is unique within the experiment."""
        return f"{self.objective}-supernet-{self.label}"

    @property
    def hparams(self) -> dict[str, Any]:
        """The hyperparameters that differ from `_HPARAMS`."""
        return {
            "custom_layer_list": BASELINE,
            "layer_types": self.layer_types,
            "path_sampling": self.path_sampling,
            "seed": FIRST_SEED,
            **dict(self.changes),
        }


def _steps(total: int) -> tuple[tuple[str, float], ...]:
    return (("num_train_steps", total), ("num_warmup_steps", total // 10))


# Four times the steps of a stand-alone training: a block is in a third of the paths.
_LONG = _steps(5600)
SUPERNETS = {
    objective: {
        "uniform": Shared(objective, "uniform", "CAF", "uniform", _LONG),
        "fair": Shared(objective, "fair", "CAF", "fair", _LONG),
    }
    for objective in FITNESS
}
ABLATION = Shared(SEARCHED, "uniform-AF", "AF", "uniform", _LONG)
TRIALS = (
    Shared(SEARCHED, "uniform-1400-steps", "CAF", "uniform", _steps(1400)),
    Shared(SEARCHED, "uniform-2800-steps", "CAF", "uniform", _steps(2800)),
    Shared(SEARCHED, "fair-1400-steps", "CAF", "fair", _steps(1400)),
    Shared(SEARCHED, "fair-11200-steps", "CAF", "fair", _steps(11200)),
)


def trials(objective: str) -> list[Shared]:
    """The supernets of an objective that show what the ranking depends on."""
    return [trial for trial in TRIALS if trial.objective == objective]


def training_named(name: str) -> Alone | Shared:
    """The training whose `name` this is.

    Raises:
      InputError: there is no such training.
    """
    supernets = [supernet for group in SUPERNETS.values() for supernet in group.values()]
    for shared in (*supernets, ABLATION, *TRIALS):
        if shared.name == name:
            return shared
    objective, _, rest = name.partition("-")
    string, _, seed = rest.partition("-")
    if objective not in FITNESS or not seed.isdecimal():
        raise InputError(f"--training {name}: not OBJECTIVE-STRING-SEED, nor a supernet's name")
    return Alone(objective, string, int(seed))


SEARCH: dict[str, Any] = {
    "num_layers": NUM_LAYERS,
    "fitness": "disc_loss",
    "population_size": 10,
    "num_generations": 10,
    "num_parents": 5,
    "num_mutations": 5,
    "num_crossovers": 5,
    "mutation_probability": 0.2,  # a layer a string, as the default has 2 of 24
}


def pretraining_config(output_dir: Path, training: Alone | Shared) -> PretrainingConfig:
    """The pre-training configuration of a training, whose files are below `output_dir`."""
    hparams = {
        **_HPARAMS,
        **_OBJECTIVE_HPARAMS[training.objective],
        "model_hparam_overrides": _SHAPE,
        **training.hparams,
    }
    return PretrainingConfig.create(str(output_dir), training.name, hparams)


def search_settings(layer_types: str, sampler: str) -> SearchSettings:
    """The settings of a search over the scores of a supernet."""
    return SearchSettings(**{**SEARCH, "layer_types": layer_types, "sampler": sampler})


def search_space(layer_types: str = "CAF") -> SearchSpace:
    """The space, limited to what A and F in turn cost."""
    config = pretraining_config(Path("unused"), Alone(SEARCHED, BASELINE, FIRST_SEED))
    return search_settings(layer_types, "evolution").space(
        config.discriminator, config.max_seq_length
    )


def all_strings(space: SearchSpace) -> list[str]:
    """Every string of a small space, in alphabetical order."""
    found: set[LayerString] = set()
    rng = np.random.default_rng(0)
    while len(found) < space.size:
        found.add(space.random(rng))
    return sorted(map(str, found))


def random_strings() -> list[str]:
    """The strings that are trained alone whatever the supernets say: the baseline and random ones."""
    rng, space = np.random.default_rng(SELECTION_SEED), search_space()
    strings = [BASELINE]
    while len(strings) < 1 + NUM_RANDOM:
        string = str(space.random(rng))
        if string not in strings:
            strings.append(string)
    return strings


def top_strings(
    tables: Iterable[Mapping[str, Mapping[str, float]]], objective: str, taken: Iterable[str]
) -> list[str]:
    """What the supernets favour: of each the best string by every metric, and 2 more by the loss.

    So the upper half is well represented, and whatever string a fitness chooses has been trained.

    Args:
      tables: scores by string and metric, one table a supernet.
      objective: of `FITNESS`.
      taken: strings that are trained anyway.

    Returns:
      distinct strings, without those taken.
    """
    taken, chosen = set(taken), dict[str, None]()
    for table in tables:
        chosen |= dict.fromkeys(best_first(table, fitness)[0] for fitness in FITNESS[objective])
        further = (
            s for s in best_first(table, FITNESS[objective][0]) if s not in taken | set(chosen)
        )
        chosen |= dict.fromkeys(itertools.islice(further, 2))
    return [string for string in chosen if string not in taken]


def best_first(table: Mapping[str, Mapping[str, float]], fitness: str) -> list[str]:
    """Strings from best to worst; of equals, in alphabetical order."""
    sign = 1.0 if DIRECTIONS[fitness] == "minimize" else -1.0
    return sorted(table, key=lambda string: (sign * table[string][fitness], string))


def claim(output_dir: Path) -> None:
    """Creates the directory of this experiment, or checks that it is one; see `claims.claim`."""
    claims.claim(output_dir, _settings())
    (output_dir / "results").mkdir(exist_ok=True)


def _settings() -> dict[str, Any]:
    """The settings that all results depend on, as JSON types."""
    return {
        "hparams": _HPARAMS,
        "objectives": _OBJECTIVE_HPARAMS,
        "shape": _SHAPE,
        "scoring": [SCORING_BATCHES, SCORING_BATCH],
        "held_out_fraction": HELD_OUT_FRACTION,
        "search": SEARCH,
    }
