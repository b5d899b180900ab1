"""What the plots show."""

import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from reported import CANDIDATES, WINNER, make_candidate, make_findings
from synthetic import make_settings

from lvbert_tf.search.report import drawing, plots

pytestmark = pytest.mark.filterwarnings("error")  # numpy's and matplotlib's, of odd numbers


@pytest.fixture
def axes_of(monkeypatch):
    """Gives the axes that a plot would draw."""
    made = Figure()
    monkeypatch.setattr(drawing, "svg", lambda title, width, height, plot: plot(made))

    def draw(plot, findings):
        plot(findings)
        return made.axes

    return draw


def line(axes, label):
    (found,) = [line for line in axes.lines if line.get_label() == label]
    return [list(map(float, values)) for values in found.get_data()]


def test_progress(axes_of):
    drawn = [make_candidate(i, WINNER, loss, None) for i, loss in enumerate((0.9, 0.7, 0.8))]
    (axes,) = axes_of(plots.progress, make_findings(random_search=drawn))
    evaluations = [1, 2, 3, 4, 5, 6, 7]
    assert line(axes, "the search") == [evaluations, [0.5, 0.5, 0.3, 0.3, 0.25, 0.125, 0.125]]
    assert line(axes, "random search") == [[1, 2, 3], [0.9, 0.7, 0.7]]
    assert line(axes, "random strings, expected")[1] == pytest.approx([0.8, 2.2 / 3, 0.7])
    assert line(axes, "A and F in turn, 0.3125")[1] == [0.3125, 0.3125]
    # Of the sandwich orders only the best.
    assert [each.get_label() for each in axes.lines if "sandwich" in str(each.get_label())] == [
        "sandwich order, 0.2700"
    ]
    assert axes.get_ylabel() == "RTD loss (nats a token)\nlower is better"


def test_progress_before_the_first_that_did_not_diverge(axes_of):
    (axes,) = axes_of(plots.progress, make_findings(candidates=CANDIDATES[1:]))
    best = line(axes, "the search")[1]
    assert math.isnan(best[0])
    assert best[1:] == [0.3, 0.3, 0.25, 0.125, 0.125]


def test_progress_goes_up_where_higher_is_better(axes_of):
    findings = make_findings(settings=make_settings(fitness="disc_auc"))
    (axes,) = axes_of(plots.progress, findings)
    assert line(axes, "the search")[1] == [0.70, 0.70, 0.80, 0.80, 0.82, 0.90, 0.90]
    assert line(axes, "random strings, expected")[1][-1] == pytest.approx(0.80)
    assert "higher is better" in axes.get_ylabel()


@pytest.mark.parametrize(("fitness", "sign"), [("disc_loss", 1), ("disc_auc", -1)])
def test_generations(axes_of, fitness, sign):
    findings = make_findings(settings=make_settings(fitness=fitness, population_size=4))
    (axes,) = axes_of(plots.generations, findings)
    groups = [
        [candidate.scores[fitness] for candidate in CANDIDATES if candidate.generation == number]
        for number in (0, 1)
    ]
    groups = [[value for value in group if not math.isnan(value)] for group in groups]
    best = min if sign == 1 else max
    assert line(axes, "best") == [[0, 1], list(map(best, groups))]
    for box, group in zip(axes.patches[:2], groups, strict=True):
        ends = sorted([box.get_y(), box.get_y() + box.get_height()])
        assert ends == pytest.approx(list(np.quantile(group, (0.25, 0.75))))
    _, medians = axes.collections
    heights = [segment[0][1] for segment in medians.get_segments()]
    assert heights == pytest.approx([float(np.median(group)) for group in groups])


def test_layer_types(axes_of):
    above, below = axes_of(plots.layer_types, make_findings(candidates=CANDIDATES[2:4]))
    for axes in (above, below):  # FFFFCCCC and CCCCAAAA, which are random and the best
        heights = np.array([bar.get_height() for bar in axes.patches]).reshape(3, 8)
        assert heights[0].tolist() == [0.5] * 8  # C
        assert heights[1].tolist() == [0.0] * 4 + [0.5] * 4  # A
        assert heights[2].tolist() == [0.5] * 4 + [0.0] * 4  # F
        tops = [bar.get_y() + bar.get_height() for bar in axes.patches[-8:]]
        assert tops == [1.0] * 8
    assert above.get_title(loc="left") == "the best 2 strings"
    assert [text.get_text() for text in above.texts[:8]] == ["C"] * 8


def test_fronts(axes_of):
    findings = make_findings()
    panels = axes_of(plots.fronts, findings)
    for axes, (cost, front) in zip(panels, findings.fronts.items(), strict=True):
        xs, ys = line(axes, "Pareto front")
        assert xs == [candidate.metric(cost) for candidate in front]
        assert ys == [candidate.scores["disc_loss"] for candidate in front]
        # Between two of the front's costs the cheaper one is the best that can be had.
        (drawn_front,) = [each for each in axes.lines if each.get_label() == "Pareto front"]
        assert drawn_front.get_drawstyle() == "steps-post"
        assert line(axes, "best string")[1] == [0.125]
        bred, drawn = (each.get_offsets().data.tolist() for each in axes.collections)
        assert [y for _, y in bred] == [0.25, 0.125, 0.35]
        assert [y for _, y in drawn] == [0.5, 0.3, 0.4]


@pytest.mark.parametrize("fitness", ["disc_loss", "disc_auc"])
def test_one_very_bad_string_does_not_squeeze_the_others(axes_of, fitness):
    bad = make_candidate(7, "CCCCCCCC", 1e6, disc_auc=-1e6)
    settings = make_settings(fitness=fitness)
    findings = make_findings(candidates=[*CANDIDATES, bad], settings=settings)
    low, high = axes_of(plots.fronts, findings)[0].get_ylim()
    shown = [candidate.scores[fitness] for candidate in findings.finite(CANDIDATES)]
    shown += [scores[fitness] for scores in findings.references.values()]
    assert low < min(shown) < max(shown) < high < low + 5
