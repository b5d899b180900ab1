"""Scores of candidates: those of the encoder alone, on one set, computed once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.models.supernet import selected_path
from lvbert_tf.pretraining.evaluation import Evaluator
from lvbert_tf.pretraining.masking import MaskingSpec
from lvbert_tf.pretraining.objective import PretrainingObjective
from lvbert_tf.search.candidate import FITNESS
from lvbert_tf.search.corrupted_set import CorruptedSet, Provenance
from lvbert_tf.search.evaluator import CandidateEvaluator, corrupt_held_out
from lvbert_tf.settings.pretraining import PretrainingConfig

BATCH, LENGTH, BATCHES, VOCABULARY = 4, 12, 3, 50
OBJECTIVES = {
    "electra": {"generator_layer_list": "F"},
    "masked_lm": {"electra_objective": False},
    "uniform_generator": {"uniform_generator": True, "disallow_correct": True},
}


def held_out_batches(rows=10):
    """The last batch is filled up with padding."""
    random = np.random.default_rng(0)
    ids = random.integers(5, VOCABULARY, (rows, LENGTH)).astype(np.int32)
    mask = (np.arange(LENGTH) < random.integers(6, LENGTH + 1, (rows, 1))).astype(np.int32)
    features = {"input_ids": ids * mask, "input_mask": mask, "segment_ids": np.zeros_like(ids)}
    fill = -rows % BATCH
    features = {name: np.pad(value, [(0, fill), (0, 0)]) for name, value in features.items()}
    return tf.data.Dataset.from_tensor_slices(features).batch(BATCH)


class Setting:
    """A supernet and a held-out set under one objective."""

    def __init__(self, config: PretrainingConfig, spec: MaskingSpec, randomize):
        self.pretrainer = randomize(ElectraPretrainer.from_networks(config.networks))
        self.objective = PretrainingObjective.from_settings(config.objective, spec)
        self.strategy = tf.distribute.get_strategy()
        self.features = self.corrupt()

    def corrupt(self, batches=BATCHES):
        return corrupt_held_out(
            self.strategy, self.pretrainer, self.objective, held_out_batches(), batches
        )

    def corrupted_set(self):
        detects = self.pretrainer.replaced_token_head is not None
        provenance = Provenance(7, "w", "r", BATCHES, BATCH, {}, detects, "float32")
        return CorruptedSet(provenance, self.features)

    def evaluator(self):
        return CandidateEvaluator(
            self.strategy, self.pretrainer, self.objective, self.corrupted_set()
        )


@pytest.fixture(scope="module")
def setting(tiny_config, masking_spec, randomize):
    made = {}

    def make(objective):
        if objective not in made:
            config = tiny_config(layer_types="CAF", **OBJECTIVES[objective])
            made[objective] = Setting(config, masking_spec, randomize)
        return made[objective]

    return make


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_scores_are_those_of_an_evaluation_in_pretraining(setting, objective):
    """Masks, samples and figures are the held-out evaluation's, of the string that is asked for."""
    made = setting(objective)
    supernet, string = made.pretrainer.discriminator, "FAC"
    ordinary = Evaluator(made.strategy, made.pretrainer, made.objective)
    with selected_path(supernet.path_of(string)):
        expected = ordinary.evaluate(held_out_batches(), BATCHES)
    scores = made.evaluator()(string)
    prefix = "mlm" if objective == "masked_lm" else "disc"
    assert set(scores) == {name for name in FITNESS if name.startswith(prefix)}
    for name, value in scores.items():
        assert value == pytest.approx(expected[name], rel=1e-5)


def test_scores_are_those_of_the_encoder_alone(setting):
    made = setting("electra")
    evaluator, string = made.evaluator(), "CCF"
    alone = evaluator.supernet.extract(string)
    correct, total, losses = 0.0, 0.0, 0.0
    for index in range(BATCHES):
        rows = {name: values[index] for name, values in made.features.items()}
        is_fake, real = rows.pop("is_fake"), rows["padding_mask"]
        logits = made.pretrainer.replaced_token_head(alone(rows)["sequence_output"]).numpy()
        losses += (np.logaddexp(0, np.where(is_fake, -logits, logits)) * real).sum()
        correct += (((logits > 0) == is_fake) * real).sum()
        total += real.sum()
    scores = evaluator(string)
    assert scores == evaluator.evaluate(string)
    assert scores["disc_loss"] == pytest.approx(losses / total, rel=1e-5)
    assert scores["disc_accuracy"] == pytest.approx(correct / total)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_encoder_that_is_no_supernet_is_scored(
    objective, setting, tiny_config, masking_spec, randomize
):
    """By itself, with the supernet's weights, it scores what its string does in the supernet."""
    made, string = setting(objective), "FAC"
    config = tiny_config(custom_layer_list=string, **OBJECTIVES[objective])
    alone = randomize(ElectraPretrainer.from_networks(config.networks))
    alone.discriminator.set_weights(made.pretrainer.discriminator.extract(string).get_weights())
    for name in ("replaced_token_head", "masked_lm_head"):
        if (head := getattr(alone, name)) is not None:
            head.set_weights(getattr(made.pretrainer, name).get_weights())
    evaluator = CandidateEvaluator(made.strategy, alone, made.objective, made.corrupted_set())
    assert evaluator.evaluate() == pytest.approx(made.evaluator()(string), rel=1e-5)


def test_a_supernet_without_a_string_is_scored_as_configured(setting):
    evaluator = setting("electra").evaluator()
    configured = evaluator.supernet.config.layer_string
    assert evaluator.evaluate() == pytest.approx(evaluator.evaluate(configured), rel=1e-6)
    assert evaluator.num_traces == 2  # with a path and without one


def test_each_string_is_computed_once_by_one_trace(setting, monkeypatch):
    evaluator = setting("electra").evaluator()
    calls = []
    compiled = evaluator._sums
    monkeypatch.setattr(
        evaluator, "_sums", lambda *arguments: calls.append(1) or compiled(*arguments)
    )
    first = {string: evaluator(string) for string in ("CAF", "FFF", "ACA")}
    assert len(calls) == 3 * BATCHES
    assert {string: evaluator(string) for string in first} == first
    first["CAF"]["disc_loss"] = -1.0  # what is given out is no part of the cache
    assert evaluator("CAF")["disc_loss"] > 0
    assert len(calls) == 3 * BATCHES
    assert compiled.experimental_get_tracing_count() == 1
    assert len({scores["disc_loss"] for scores in first.values()}) == 3


def test_scores_and_sets_are_always_the_same(setting):
    made = setting("electra")
    again = made.corrupt()
    assert again.keys() == made.features.keys()
    for name, values in again.items():
        np.testing.assert_array_equal(values, made.features[name])
    assert made.evaluator()("FAC") == made.evaluator()("FAC")


def test_the_set_holds_the_generators_replacements(setting):
    made = setting("electra")
    originals = np.stack([batch["input_ids"] for batch in held_out_batches()])
    changed = made.features["token_ids"] != originals
    np.testing.assert_array_equal(made.features["is_fake"], changed)
    assert changed.sum() > 10
    assert not (changed & (made.features["padding_mask"] == 0)).any()
    assert len(made.corrupt(batches=2)["token_ids"]) == 2


def test_strings_outside_the_space_are_refused(setting):
    with pytest.raises(InputError, match="FAFA has 4 layers; the supernet has 3"):
        setting("electra").evaluator()("FAFA")


@pytest.mark.slow
def test_two_replicas_score_as_one_device():
    program = Path(__file__).with_name("score_on_replicas.py")
    root = Path(__file__).parents[2]
    process = subprocess.run(
        [sys.executable, str(program)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout.splitlines()[-1])
    assert result["replicas"] == 2
    assert result["same"]
    one, two = result["scores"]
    assert one == pytest.approx(two, rel=1e-5)
