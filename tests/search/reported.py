"""Findings of a search to report: made by hand, so that a test can tell what they say."""

import math

from synthetic import make_settings, make_space

from lvbert_tf.architecture.layer_string import LayerString, interleaved, sandwich
from lvbert_tf.search.candidate import Candidate
from lvbert_tf.search.limit import UNLIMITED
from lvbert_tf.search.report.findings import Findings

SPACE = make_space(max_flops=UNLIMITED)
WINNER = "CAFCAFCA"
HPARAMS = {"model_size": "small", "learning_rate": 2e-4, "keep_checkpoint_max": None}


def make_candidate(number, string, loss, generation=0, origin="random", **scores) -> Candidate:
    string = LayerString(string)
    return Candidate(
        number=number,
        string=string,
        scores={"disc_loss": loss, **scores},
        parameters=SPACE.parameters(string),
        flops=SPACE.flops(string),
        generation=generation,
        origin=origin,
        seconds=0.25,
    )


CANDIDATES = [
    make_candidate(0, "AFAFCFCF", 0.50, disc_auc=0.70),
    make_candidate(1, "AAFFCCFF", math.nan, disc_auc=math.nan),
    make_candidate(2, "FFFFCCCC", 0.30, disc_auc=0.80),
    make_candidate(3, "CCCCAAAA", 0.40, disc_auc=0.75),
    make_candidate(4, "CAFCAFCC", 0.25, 1, "mutation", disc_auc=0.82),
    make_candidate(5, WINNER, 0.125, 1, "crossover", disc_auc=0.90),
    make_candidate(6, "ACFCAFCA", 0.35, 1, "immigrant", disc_auc=0.78),
]
REFERENCES = {
    interleaved("AF", 8): {"disc_loss": 0.3125, "disc_auc": 0.7},
    sandwich(4, 1): {"disc_loss": 0.28, "disc_auc": 0.6},
    sandwich(4, 2): {"disc_loss": 0.27, "disc_auc": 0.7},
    sandwich(4, 3): {"disc_loss": 0.29, "disc_auc": 0.7},
}


def make_findings(**changes) -> Findings:
    values = {
        "name": "tiny",
        "candidates": CANDIDATES,
        "space": SPACE,
        "settings": make_settings(population_size=4),
        "pretraining_hparams": HPARAMS,
        "references": REFERENCES,
        "facts": {"seed": 7, "seconds": {"supernet": 3725.0}, "versions": {"keras": "3.13"}},
    }
    return Findings(**{**values, **changes})
