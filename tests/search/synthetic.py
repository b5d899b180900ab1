"""A search without a supernet: scores that are a function of the string.

As a program, one process of a search:  python synthetic.py DIRECTORY STORAGE_URL SECONDS
prints the number of each candidate that it has scored, and at the end how the search ended.
"""

import hashlib
import itertools
import sys
import time
from collections import Counter
from pathlib import Path

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.search import search as loop
from lvbert_tf.search.limit import UNLIMITED
from lvbert_tf.search.settings import SearchSettings
from lvbert_tf.search.space import SearchSpace
from lvbert_tf.search.study import open_study

MODEL = ModelConfig(100, "A", 2, 32, 128, 8, max_sequence_length=16)
SEED = 7
PLANTED = "CCAFFACFFACCAFCFACFCAAFA"


def make_space(num_layers=8, layer_types="CAF", **limits) -> SearchSpace:
    return SearchSpace(num_layers, layer_types, MODEL, 16, **limits)


def make_settings(**changes) -> SearchSettings:
    """3 generations of 6 candidates after a first one of 10, over 8 layers."""
    values = {
        "num_layers": 8,
        "population_size": 10,
        "num_generations": 3,
        "num_parents": 4,
        "num_mutations": 3,
        "num_crossovers": 3,
        "max_flops": UNLIMITED,
    }
    return SearchSettings(**{**values, **changes})


def open_synthetic(directory: Path, settings: SearchSettings, url: str = "", seed: int = SEED):
    """The study and the space of these settings."""
    space = make_space(
        settings.num_layers,
        settings.layer_types,
        max_parameters=settings.max_parameters,
        max_flops=settings.max_flops,
    )
    return open_study(directory, "synthetic", space, settings, seed, {}, url), space


class Landscape:
    """Scores a string by its distance from a planted one, and by noise that its letters decide.

    Layers matter more the nearer they are to the embeddings; a pair of layers that is right together
    counts more than both.

    Attributes:
      calls: how often each string was scored.
    """

    def __init__(self, planted: str = PLANTED, noise: float = 0.1, seconds: float = 0.0) -> None:
        self.calls: Counter[LayerString] = Counter()
        self._planted, self._noise, self._seconds = planted, noise, seconds

    def __call__(self, string: LayerString) -> dict[str, float]:
        self.calls[string] += 1
        time.sleep(self._seconds)
        wrong = [a != b for a, b in zip(string, self._planted, strict=False)]
        loss = sum(is_wrong / (1 + depth / 8) for depth, is_wrong in enumerate(wrong))
        loss += sum(a or b for a, b in itertools.pairwise(wrong)) / 2
        digest = hashlib.sha256(str(string).encode()).digest()
        noise = self._noise * int.from_bytes(digest[:4]) / 2**32
        return {"disc_loss": loss + noise, "disc_auc": 1 / (1 + loss), "latency": 2.0 + noise}


def main(directory: str, url: str, seconds: str) -> None:
    loop.POLL_SECONDS = 0.05  # so that a test need not wait
    settings = make_settings()
    study, space = open_synthetic(Path(directory), settings, url)
    outcome = loop.search(
        study,
        space,
        settings,
        Landscape(seconds=float(seconds)),
        SEED,
        on_candidate=lambda candidate: print(candidate.number, flush=True),
    )
    print(outcome.name, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
