"""What the space holds, and that draws from it are uniform and never outside."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from synthetic import MODEL, make_space

from lvbert_tf.architecture.layer_string import LayerString, interleaved
from lvbert_tf.errors import InputError
from lvbert_tf.search.limit import UNLIMITED, Limit
from lvbert_tf.search.space import SearchSpace

seeds = st.integers(0, 2**32 - 1)


def all_strings(space):
    for letters in itertools.product(space.layer_types, repeat=space.num_layers):
        yield LayerString("".join(letters))


def costs(string):
    model = MODEL.replace(layer_string=string)
    return model.num_parameters(), model.flops(16)


@st.composite
def spaces(draw):
    """Small spaces whose limits lie between those of two of their strings."""
    length = draw(st.integers(1, 6))
    types = draw(st.sampled_from(["C", "A", "F", "CA", "CF", "AF", "CAF"]))
    string = draw(st.text(types, min_size=length, max_size=length).map(LayerString))
    other = draw(st.text(types, min_size=length, max_size=length).map(LayerString))
    limits = Limit(costs(string)[0]), Limit(costs(other)[1])
    try:
        return SearchSpace(length, types, MODEL, 16, *limits)
    except InputError:
        assume(False)


@given(spaces())
def test_the_space_is_what_the_limits_leave(space):
    affordable = [
        string
        for string in all_strings(space)
        if costs(string)[0] <= space.max_parameters.value
        and costs(string)[1] <= space.max_flops.value
    ]
    assert [string for string in all_strings(space) if string in space] == affordable
    assert space.size == len(affordable)


@given(spaces(), seeds, st.floats(0.01, 1))
def test_what_is_drawn_is_in_the_space(space, seed, probability):
    rng = np.random.default_rng(seed)
    mother, father = space.random(rng), space.random(rng)
    assert mother in space and father in space
    assert space.mutate(mother, rng, probability) in space
    child = space.cross(mother, father, rng)
    assert child in space
    assert all(letter in pair for letter, *pair in zip(child, mother, father, strict=True))


@pytest.mark.parametrize("limit", [Limit(costs("AAFFCC")[0]), UNLIMITED])
def test_random_is_uniform(limit):
    space = make_space(6, "CAF", max_parameters=limit, max_flops=UNLIMITED)
    strings = [string for string in all_strings(space) if string in space]
    assert (len(strings) == 3**6) == (limit == UNLIMITED)
    rng = np.random.default_rng(0)
    drawn = Counter(space.random(rng) for _ in range(20 * len(strings)))
    assert stats.chisquare([drawn[string] for string in strings]).pvalue > 0.01


def test_random_is_uniform_where_rejection_would_not_end():
    # 25 of 3^24 strings: all attention, or all but one layer.
    space = make_space(24, "CAF", max_parameters=Limit(costs("A" * 23 + "C")[0]))
    assert space.size == 25
    rng = np.random.default_rng(0)
    drawn = Counter(space.random(rng) for _ in range(2500))
    assert len(drawn) == 25
    assert stats.chisquare(list(drawn.values())).pvalue > 0.01


def test_mutation_redraws_as_the_string_does_where_nothing_limits_it():
    space = make_space(24, max_parameters=UNLIMITED, max_flops=UNLIMITED)
    parent = LayerString("C" * 24)
    mutants = [space.mutate(parent, np.random.default_rng(seed), 0.3) for seed in range(400)]
    changed = sum(24 - mutant.count("C") for mutant in mutants)
    assert abs(changed / (24 * 400) - 0.2) < 0.015  # a third of the redraws return C


def test_a_parent_whose_every_descendant_is_too_dear_stays():
    space = make_space(24, max_parameters=Limit(costs("A" * 24)[0]))
    only = LayerString("A" * 24)
    assert space.size == 1
    assert space.mutate(only, np.random.default_rng(0), 1.0) == only


@pytest.mark.parametrize(("num_layers", "baseline"), [(1, "A"), (5, "AFAFA"), (24, "AF" * 12)])
def test_the_default_limits_are_what_attention_and_feed_forward_in_turn_have(num_layers, baseline):
    assert interleaved("AF", num_layers) == LayerString(baseline)
    for types in ("CA", "A", "CAF"):
        space = make_space(num_layers, types)
        assert (space.max_parameters.value, space.max_flops.value) == costs(baseline)
    assert LayerString(baseline) in space


def test_the_limits_count_exactly():
    space = make_space(8)
    for string in (LayerString("CAFFAACF"), LayerString("A" * 8), LayerString("F" * 8)):
        assert (space.parameters(string), space.flops(string)) == costs(string)
    assert LayerString("AFAFAFFA") in space
    assert LayerString("AFAFAFFF") not in space
    assert LayerString("AFAFAFA") not in space
    assert LayerString("C" * 8) not in make_space(8, "AF")


def test_large_spaces_are_counted_and_drawn_from_exactly():
    space = make_space(48, max_parameters=UNLIMITED, max_flops=UNLIMITED)
    assert space.size == 3**48  # beyond 64 bits
    rng = np.random.default_rng(0)
    letters = Counter("".join(space.random(rng) for _ in range(300)))
    assert all(abs(letters[letter] - 4800) < 300 for letter in "CAF")


def test_is_a_value():
    space = make_space(6, "FAC")
    assert space.layer_types == "CAF"
    assert space == make_space(6, "ACF") and hash(space) == hash(make_space(6, "CAF"))
    assert space != make_space(7)
    other = SearchSpace(6, "CAF", MODEL.replace(layer_string="CCC"), 16)
    assert space == other  # the string of the model does not matter
    assert space.to_dict() == other.to_dict()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, "CAF"), "num_layers: 0 is not allowed"),
        ((10**9, "CAF"), "num_layers: 1000000000 is not allowed; use 1 to 512"),
        ((4, ""), "layer types '': expected at least one letter of CAF"),
        ((4, "CAX"), "layer types 'CAX': expected at least one letter of CAF, none twice"),
        ((4, "CAC"), "layer types 'CAC'"),
    ],
)
def test_bad_spaces_are_refused(arguments, words):
    with pytest.raises(InputError, match=words) as caught:
        make_space(*arguments)
    assert "\n" not in str(caught.value)


def refused(*arguments) -> str:
    with pytest.raises(InputError) as caught:
        SearchSpace(*arguments)
    message = str(caught.value)
    assert "max_parameters" in message and "max_flops" in message and "\n" not in message
    return message


@pytest.mark.parametrize(
    ("types", "limits"),
    [
        ("CAF", (Limit(1000), None)),
        ("CAF", (None, Limit(1000))),
        ("F", (None, None)),  # the default: F alone has more than A and F in turn
    ],
)
def test_impossible_limits_name_the_cheapest(types, limits):
    message = refused(4, types, MODEL, 16, *limits)
    strings = [letter * 4 for letter in types]
    assert f"fewest parameters are {min(costs(s)[0] for s in strings)}, of (" in message
    assert f"fewest FLOPs {min(costs(s)[1] for s in strings)}, of (" in message


def test_limits_that_only_together_are_impossible_name_both_cheapest():
    # Over long sequences attention has fewer parameters and more FLOPs than convolution.
    long = 4, "CA", MODEL, 4096
    space = SearchSpace(*long, UNLIMITED, UNLIMITED)
    fewest = space.parameters(LayerString("AAAA"))
    fastest = space.flops(LayerString("CCCC"))
    assert SearchSpace(*long, Limit(fewest), UNLIMITED).size == 1
    assert SearchSpace(*long, UNLIMITED, Limit(fastest)).size == 1
    message = refused(*long, Limit(fewest), Limit(fastest))
    assert f"fewest parameters are {fewest}, of (A)x4" in message
    assert f"fewest FLOPs {fastest}, of (C)x4" in message


@pytest.mark.parametrize(
    ("written", "limit"),
    [
        (5, Limit(5)),
        (5.0, Limit(5)),
        ("5", Limit(5)),
        ("unlimited", UNLIMITED),
        (UNLIMITED, UNLIMITED),
    ],
)
def test_limits_are_read_back(written, limit):
    assert Limit.parse(written) == limit
    assert Limit.parse(str(limit)) == limit


@pytest.mark.parametrize("written", [0, -1, 1.5, True, "", "none", "1e6", [], float("nan"), 2**70])
def test_bad_limits_are_refused(written):
    with pytest.raises(InputError, match='a whole number of at least 1, or "unlimited"'):
        Limit.parse(written)


@given(spaces(), seeds)
@settings(max_examples=20)
def test_the_same_random_numbers_give_the_same_strings(space, seed):
    def draw():
        rng = np.random.default_rng(seed)
        mother, father = space.random(rng), space.random(rng)
        return mother, father, space.mutate(mother, rng, 0.5), space.cross(mother, father, rng)

    assert draw() == draw()
