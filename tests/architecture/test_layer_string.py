import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvbert_tf.architecture.layer_string import ELECTRA, LV_BERT_SMALL, LayerString, sandwich
from lvbert_tf.architecture.layer_types import Widths
from lvbert_tf.errors import InputError

layer_strings = st.text("CAF", min_size=1, max_size=60).map(LayerString)
seeds = st.integers(0, 2**32 - 1)


def other_case(letters: str, upper: list[bool]) -> str:
    return "".join(c.upper() if up else c.lower() for c, up in zip(letters, upper, strict=True))


@given(layer_strings, st.data())
def test_every_written_form_reads_back(layers, data):
    upper = data.draw(st.lists(st.booleans(), min_size=len(layers), max_size=len(layers)))
    digits = "".join(map(str, layers.digits))
    for written in (
        str(layers),
        other_case(str(layers), upper),
        digits,
        list(digits),
        layers.digits,
        tuple(layers),
        np.array(layers.digits),
        json.dumps(layers.digits),
        f" {layers} ",
        f"({layers})x1",
        layers,
    ):
        assert LayerString.parse(written) == layers


@given(layer_strings)
def test_is_a_value(layers):
    twin = LayerString(str(layers))
    assert {layers: 1}[twin] == 1
    assert len(layers) == len(str(layers)) == len(list(layers)) == len(layers.digits)
    assert layers[len(layers) - 1] == str(layers)[-1]
    assert sum(layers.count(letter) for letter in "CAF") == len(layers)


def test_published_strings():
    reference = [0, 0, 1, 2, 2, 1, 0, 2, 2, 1, 0, 0, 1, 2, 0, 2, 1, 0, 2, 0, 1, 1, 2, 1]
    assert LayerString.parse(reference) == LV_BERT_SMALL
    assert [LV_BERT_SMALL.count(letter) for letter in "CAF"] == [8, 8, 8]
    assert LayerString.parse("(AF)x12") == ELECTRA
    assert str(sandwich(4, 1)) == "AAFAFAFF"
    assert sandwich(12, 0) == ELECTRA


def test_groups_repeat_in_place():
    assert str(LayerString.parse("C(01)x3f")) == "CCACACAF"


@pytest.mark.parametrize(
    ("value", "code", "position"),
    [
        ("CAXF", "'X'", 2),
        ("0132", "'3'", 2),
        ([0, 1, 5], "5", 2),
        ([0, -1], "-1", 1),
        ([0, True], "True", 1),
        ([0, 1.0], "1.0", 1),
        ([0, None], "None", 1),
        (["C", "CA"], "'CA'", 1),
        ("[0, 1, 3]", "3", 2),
        ("C A", "' '", 1),
        ("C(AX)x2", "'X'", 3),
        ("(AF)x0", "'('", 0),
        ("AF)x2", "')'", 2),
        ("C\nA", r"'\n'", 1),
        ("²", "'²'", 0),
    ],
)
def test_a_bad_code_is_named_with_its_position_and_the_legal_set(value, code, position):
    with pytest.raises(InputError) as caught:
        LayerString.parse(value)
    message = str(caught.value)
    assert f"{code} at position {position} (counted from 0)" in message
    assert "C or 0" in message and "A or 1" in message and "F or 2" in message
    assert "\n" not in message


@pytest.mark.parametrize("value", ["", "  ", [], (), "[]"])
def test_no_layers_are_refused(value):
    with pytest.raises(InputError, match="at least one layer"):
        LayerString.parse(value)


@pytest.mark.parametrize(
    "value",
    [None, 12, 1.5, {"C": 1}, b"CAF", "[0, 1", '[0, "A" 1]', "[" * 99_999, "[" + "9" * 9_999 + "]"],
)
def test_what_is_no_layer_string_is_refused(value):
    with pytest.raises(InputError):
        LayerString.parse(value)


@given(layer_strings, st.floats(0, 1), st.sampled_from(["CAF", "AF", "C"]), seeds)
def test_mutation_keeps_length_and_draws_from_the_types(layers, probability, types, seed):
    mutant = layers.mutate(np.random.default_rng(seed), probability, types)
    assert len(mutant) == len(layers)
    assert all(new == old or new in types for new, old in zip(mutant, layers, strict=True))
    assert mutant == layers.mutate(np.random.default_rng(seed), probability, types)
    assert layers.mutate(np.random.default_rng(seed), 0.0, types) == layers
    assert set(layers.mutate(np.random.default_rng(seed), 1.0, types)) <= set(types)


def test_mutation_rate():
    layers = LayerString("C" * 20_000)
    mutant = layers.mutate(np.random.default_rng(0), 0.3, "CAF")
    # A third of the redraws return C: 0.2 changes, standard deviation 0.0028.
    assert abs(1 - mutant.count("C") / len(layers) - 0.2) < 0.015
    assert abs(mutant.count("A") - mutant.count("F")) < 350


@given(st.integers(1, 40), st.data(), seeds)
def test_crossover_takes_each_layer_from_a_parent(length, data, seed):
    draw = st.text("CAF", min_size=length, max_size=length).map(LayerString)
    mother, father = data.draw(draw), data.draw(draw)
    child = mother.cross(father, np.random.default_rng(seed))
    assert len(child) == length
    assert all(c in pair for c, *pair in zip(child, mother, father, strict=True))


def test_crossover_mixes_both_parents_evenly():
    child = LayerString("C" * 10_000).cross(LayerString("F" * 10_000), np.random.default_rng(0))
    assert abs(child.count("C") - 5_000) < 250


def test_crossover_of_different_lengths_is_refused():
    with pytest.raises(InputError, match="3 layers with 2"):
        LayerString("CAF").cross(LayerString("CA"), np.random.default_rng(0))


def test_random_is_uniform_over_the_types():
    layers = LayerString.random(9_000, "CAF", np.random.default_rng(0))
    assert all(abs(layers.count(letter) - 3_000) < 250 for letter in "CAF")
    assert set(LayerString.random(50, "AF", np.random.default_rng(0))) == {"A", "F"}


@pytest.mark.parametrize(("layer", "count"), [("C", 275_236), ("A", 263_680), ("F", 526_080)])
def test_parameters_of_the_reference_layers(layer, count):
    assert LayerString(layer).num_parameters(Widths(256, 4, 1024)) == count


def test_parameters_by_hand():
    # Hidden 8, 2 heads, inner 16, 9 taps. LayerNorm 16, dense 8->8: 72.
    attention = 4 * 72 + 16
    feed_forward = (8 * 16 + 16) + (16 * 8 + 8) + 16
    convolution = 3 * 72 + (9 * 8 + 64 + 8) + (8 * 18 + 18) + 16
    layers = LayerString("CAFFA")
    assert layers.num_parameters(Widths(8, 2, 16)) == (
        convolution + 2 * attention + 2 * feed_forward
    )


def test_flops_by_hand():
    # Hidden 8, 2 heads, inner 16, 9 taps, 5 tokens. Dense 8->8: 128 a token.
    attention = 5 * (4 * 128) + 2 * (2 * 5 * 5 * 8)
    feed_forward = 5 * 2 * (2 * 8 * 16)
    convolution = 5 * (4 * 128 + 2 * 8 * 18 + 2 * 9 * 8 + 2 * 9 * 8)
    layers = LayerString("CAFFA")
    assert layers.flops(Widths(8, 2, 16), 5) == (convolution + 2 * attention + 2 * feed_forward)


def test_flops_agree_with_the_published_count():
    # One block by ELECTRA's flops_computation.py (base at length 512, small at 128), which adds
    # biases, softmax, LayerNorm, activations and dropout.
    block = LayerString("AF")
    assert 1.000 < 8_106_543_616 / block.flops(Widths(768, 12, 3072), 512) < 1.015
    assert 1.000 < 220_594_816 / block.flops(Widths(256, 4, 1024), 128) < 1.015


def test_the_configuration_modules_need_no_tensorflow():
    code = (
        "import sys, lvbert_tf.settings.pretraining, lvbert_tf.settings.networks;"
        "print([m for m in ('tensorflow', 'keras', 'numpy') if m in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert loaded.stdout.strip() == "[]"
