"""The comparison of a search that was killed with one that was not."""

import dataclasses

import pytest

from experiments import killed_search
from lvbert_tf.architecture.layer_string import LayerString


@pytest.fixture(scope="module")
def alone():
    return killed_search.undisturbed(generations=2, seed=3)


def test_an_undisturbed_search_has_whole_generations(alone):
    assert [one.number for one in alone] == list(range(100))
    assert [one.generation for one in alone] == [0] * 50 + [1] * 50
    assert alone[0].scores == killed_search.score_at_once(alone[0].string)


def test_times_and_what_was_not_scored_are_no_difference(alone):
    shared = [dataclasses.replace(one, seconds=9.0) for one in alone if one.number != 70]
    assert killed_search.differences(shared, alone) == []


@pytest.mark.parametrize(
    "changes",
    [{"string": LayerString("C" * 24)}, {"scores": {"disc_loss": 0.5}}, {"origin": "immigrant"}],
)
def test_every_difference_is_listed(alone, changes):
    shared = [dataclasses.replace(alone[7], **changes), *alone[8:]]
    (line,) = killed_search.differences(shared, alone)
    assert line.startswith(f"candidate 7: {shared[0].string}") and str(alone[7].string) in line


def test_a_place_that_the_other_search_does_not_have(alone):
    (line,) = killed_search.differences([dataclasses.replace(alone[0], number=100)], alone)
    assert line.endswith("alone none")
