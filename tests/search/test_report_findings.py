"""What is compared with what."""

import math
import statistics

import pytest
from reported import CANDIDATES, WINNER, make_candidate, make_findings
from synthetic import make_settings, make_space

from lvbert_tf.architecture.layer_string import ELECTRA, LV_BERT_SMALL, LayerString, sandwich
from lvbert_tf.errors import InputError
from lvbert_tf.search.report.quantities import duration, short_count
from lvbert_tf.search.report.references import reference_strings

FINITE_RANDOM = [CANDIDATES[i] for i in (0, 2, 3)]


def test_the_references_of_24_layers():
    strings = reference_strings(make_space(24))
    assert list(strings)[:2] == [ELECTRA, LV_BERT_SMALL]
    assert list(strings)[2:] == [sandwich(12, k) for k in range(1, 12)]


@pytest.mark.parametrize(
    ("num_layers", "layer_types", "expected"),
    [
        (1, "CAF", ["A"]),
        (2, "FA", ["AF"]),
        (3, "CAF", ["AFA"]),
        (6, "AF", ["AFAFAF", "AAFAFF", "AAAFFF"]),
        (6, "CA", []),
    ],
)
def test_the_references_that_a_space_has(num_layers, layer_types, expected):
    space = make_space(num_layers, layer_types)
    assert [str(string) for string in reference_strings(space)] == expected


def test_the_comparison_has_the_best_the_baselines_and_the_random_mean():
    findings = make_findings()
    compared = {line.label: line for line in findings.comparison}
    assert list(compared) == [
        "best of the search",
        "A and F in turn",
        "best of 3 sandwich orders",
        "mean of 3 random strings",
    ]
    best = compared["best of the search"]
    assert str(best.string) == WINNER
    assert best.metrics == {
        "disc_loss": 0.125,
        "disc_auc": 0.90,
        "parameters": findings.space.parameters(LayerString(WINNER)),
        "flops": findings.space.flops(LayerString(WINNER)),
    }
    assert compared["best of 3 sandwich orders"].string == sandwich(4, 2)
    mean = compared["mean of 3 random strings"]
    assert mean.string is None
    assert mean.metrics["disc_loss"] == pytest.approx(0.4)
    assert mean.metrics["disc_auc"] == pytest.approx(0.75)
    parameters = [candidate.parameters for candidate in FINITE_RANDOM]
    assert mean.metrics["parameters"] == pytest.approx(statistics.fmean(parameters))


def test_a_random_search_is_compared_at_equal_evaluations():
    drawn = [make_candidate(i, "CAFCAFCC", 0.5 - i / 100, None) for i in range(20)]
    findings = make_findings(random_search=drawn)
    labels = [line.label for line in findings.comparison]
    assert "best of 7 random strings" in labels
    assert findings.comparison[-2].metrics["disc_loss"] == pytest.approx(0.44)
    assert findings.comparison[-1].metrics["disc_loss"] == pytest.approx(0.47)


def test_higher_can_be_better():
    findings = make_findings(settings=make_settings(fitness="disc_auc"))
    assert str(findings.best.string) == WINNER
    assert findings.metric_names[:2] == ["disc_auc", "disc_loss"]
    # Of the sandwich orders with equal AUC the first.
    assert findings.comparison[2].string == sandwich(4, 2)
    assert findings.fitness(findings.losses(CANDIDATES[2:4])).tolist() == [0.80, 0.75]


def test_the_fronts():
    fronts = make_findings().fronts
    assert set(fronts) == {"parameters", "flops"}
    # The cheapest, four convolutions and four attentions, and the winner; the others cost more
    # than one of these and are worse.
    for cost, front in fronts.items():
        assert front[-1].number == 5
        for candidate in front:
            assert not any(
                other.metric("disc_loss") < candidate.metric("disc_loss")
                and other.metric(cost) <= candidate.metric(cost)
                for other in CANDIDATES
            )
    with_latency = [make_candidate(0, WINNER, 0.5, latency=3.0)]
    assert set(make_findings(candidates=with_latency).fronts) == {"parameters", "flops", "latency"}


def test_what_diverged_is_not_among_the_best():
    findings = make_findings()
    assert [candidate.number for candidate in findings.among_the_best] == [5, 4, 2, 6, 3, 0]


def test_random_search_has_generations_by_its_numbers():
    drawn = [make_candidate(i, "CAFCAFCC", 0.5, None) for i in range(11)]
    findings = make_findings(candidates=drawn)  # 4 candidates, then 6 a generation
    assert [findings.generation(each) for each in drawn] == [0] * 4 + [1] * 6 + [2]


def test_nothing_scored_yet_is_one_line():
    with pytest.raises(InputError, match="no candidate"):
        make_findings(candidates=[])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"),
        (12_500, "12.50 k"),
        (13_483_008, "13.48 M"),
        (2.6256e9, "2.626 G"),
        (1e15, "1000 T"),
    ],
)
def test_short_counts(value, text):
    assert short_count(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.1234, "0.123 s"),
        (59.0, "59 s"),
        (60.0, "1 min 00 s"),
        (3725.0, "1 h 02 min"),
        (math.inf, "inf s"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
