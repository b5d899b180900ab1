"""The page: whole, readable by itself, and safe whatever it is given."""

import dataclasses
import math
import re
from html.parser import HTMLParser

import pytest
from reported import CANDIDATES, HPARAMS, WINNER, make_candidate, make_findings
from synthetic import SEED, Landscape, make_settings, open_synthetic

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.search.report import page
from lvbert_tf.search.report.references import reference_strings
from lvbert_tf.search.search import search
from lvbert_tf.search.trials import candidates

VOID = {"meta", "br", "link", "img", "input", "hr"}
HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}"


class Page(HTMLParser):
    """Reads a page and checks that every element is closed where it should be.

    Attributes:
      text: of the page, without scripts and styles.
      tables: their rows, as text of the cells.
      attributes: (element, name, value), all of them.
      ids: of all elements.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.open, self.tables = "", [], []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(html)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "script" in self.open or "style" in self.open:
            return
        self.text += data
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data


def read(findings) -> Page:
    return Page(page.report_html(findings))


def cells(row) -> list[str]:
    return [" ".join(cell.split()) for cell in row]


def test_the_headline_and_the_comparison():
    read_page = read(make_findings())
    assert "has the lowest RTD loss, 0.1250 nats a token, of 7 strings scored." in " ".join(
        read_page.text.split()
    )
    assert "1 of the strings diverged" in read_page.text
    heading, *rows = map(cells, read_page.tables[0])
    assert heading[2] == "RTD loss nats a token"
    lines = {row[0]: row[1:] for row in rows}
    assert lines["best of the search"][:3] == [WINNER, "0.1250", ""]
    assert lines["A and F in turn"][:4] == ["AFAFAFAF", "0.3125", "0.1875", "0.7000"]
    assert lines["best of 3 sandwich orders"][:3] == [
        "AAAFAFFF",
        "0.2700",
        "0.1450",
    ]
    assert lines["mean of 3 random strings"][:4] == ["", "0.4000", "0.2750", "0.7500"]


def test_the_lead_is_positive_where_higher_is_better():
    rows = read(make_findings(settings=make_settings(fitness="disc_auc"))).tables[0]
    assert cells(rows[2])[2:4] == ["0.7000", "0.2000"]


def test_the_candidates_are_there_from_best_to_worst():
    read_page = read(make_findings())
    (table,) = [table for table in read_page.tables if cells(table[0])[0] == "rank"]
    rows = [cells(row) for row in table[1:]]
    assert [row[1] for row in rows] == [str(CANDIDATES[i].string) for i in (5, 4, 2, 6, 3, 0, 1)]
    assert [row[0] for row in rows] == list("1234567")
    assert rows[0][2:4] == ["0.1250", "0.9000"]
    assert rows[-1][2:4] == ["–", "–"]  # diverged
    assert rows[0][-3:] == ["1", "crossover", "parameters, FLOPs"]
    sortable = [float(value) for _, name, value in read_page.attributes if name == "data-value"]
    assert 0.125 in sortable and CANDIDATES[5].flops in sortable


def test_a_long_table_is_cut(monkeypatch):
    monkeypatch.setattr(page, "_MOST_ROWS", 3)
    read_page = read(make_findings())
    (table,) = [table for table in read_page.tables if cells(table[0])[0] == "rank"]
    assert len(table) == 1 + 3
    assert "The best 3 of 7" in read_page.text


def test_settings_seeds_and_costs():
    hparams = {**HPARAMS, "model_hparam_overrides": {"hidden_size": 32}, "jit_compile": True}
    findings = make_findings(pretraining_hparams=hparams)
    pairs = {
        name: value
        for table in read(findings).tables
        for name, value in (cells(row) for row in table if len(row) == 2)
    }
    assert pairs["seed"] == "7"
    assert pairs["time, supernet"] == "1 h 02 min"
    assert pairs["versions, keras"] == "3.13"
    assert pairs["population_size"] == "4"
    assert pairs["max_flops"] == "unlimited"
    assert pairs["max_parameters"] == str(findings.space.max_parameters)
    assert pairs["model_hparam_overrides, hidden_size"] == "32"
    assert pairs["jit_compile"] == "yes"
    assert pairs["keep_checkpoint_max"] == "–"
    assert pairs["learning_rate"] == "0.0002"


def test_nothing_of_the_page_is_elsewhere():
    html = page.report_html(make_findings())
    read_page = Page(html)
    assert not re.search(r"https?:|//\w|@import|url\((?!#)", html)
    for element, name, value in read_page.attributes:
        assert element not in ("link", "img", "iframe", "object", "base", "form")
        if name in ("src", "href", "xlink:href", "action"):
            assert value.startswith("#"), (element, name, value)
    ids = [value for _, name, value in read_page.attributes if name == "id"]
    assert len(ids) == len(set(ids)) > 0
    used = re.findall(r'(?:href="|url\()#([\w]+)', html)
    assert set(used) <= set(ids)
    assert html.count("<svg") == 4


def test_what_is_given_brings_no_markup():
    hostile = [
        dataclasses.replace(
            candidate, origin=HOSTILE, scores={**candidate.scores, HOSTILE: math.nan}
        )
        for candidate in CANDIDATES
    ]
    hparams = {HOSTILE: HOSTILE, "init_checkpoint": ["</td>", "$x^$"]}
    findings = make_findings(
        name=HOSTILE,
        candidates=hostile,
        pretraining_hparams=hparams,
        facts={HOSTILE: {HOSTILE: HOSTILE}, "seconds": {"a": HOSTILE}},
    )
    html = page.report_html(findings)
    read_page = Page(html)
    assert html.count("<script") == 1
    assert "alert(1)</script>" not in html
    assert read_page.text.count(HOSTILE) > len(hostile)
    assert not [name for _, name, _ in read_page.attributes if name.startswith("on")]


@pytest.mark.filterwarnings("error")  # numpy's and matplotlib's, of odd numbers
@pytest.mark.parametrize(
    "losses", [[0.5], [0.5] * 6, [math.nan], [math.inf, math.nan], [-math.inf, 0.5, math.inf]]
)
def test_odd_scores_have_a_page(losses):
    odd = [make_candidate(i, WINNER, loss, i % 2) for i, loss in enumerate(losses)]
    references = {LayerString("AFAFAFAF"): {"disc_loss": math.nan}}
    read_page = read(make_findings(candidates=odd, references=references, facts={}))
    everything_diverged = not any(map(math.isfinite, losses))
    assert ("diverged: no" in read_page.text) == everything_diverged
    assert "nan" not in read_page.text and "inf" not in read_page.text


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("string", "origin"), [("CAF" * 16, "random"), (WINNER, "nsga2")])
def test_deep_strings_and_no_random_ones_have_a_page(string, origin):
    candidate = make_candidate(0, string, 0.5, origin=origin)
    read_page = read(make_findings(candidates=[candidate], references={}))
    assert len(read_page.tables[0]) == 1 + 1 + (origin == "random")


@pytest.mark.parametrize("sampler", ["evolution", "random", "nsga2"])
def test_the_page_of_a_search(tmp_path, sampler):
    settings = make_settings(sampler=sampler, cost="latency")
    study, space = open_synthetic(tmp_path, settings)
    landscape = Landscape()
    search(study, space, settings, landscape, SEED)
    found = candidates(study)
    references = {string: landscape(string) for string in reference_strings(space)}
    read_page = read(
        make_findings(candidates=found, space=space, settings=settings, references=references)
    )
    best = min(found, key=lambda candidate: candidate.scores["disc_loss"])
    rows = [cells(row) for row in read_page.tables[0]]
    assert rows[1][1:3] == [str(best.string), f"{best.scores['disc_loss']:.4f}"]
    assert "latency" in rows[0][-3]
    assert "of 28 strings scored" in " ".join(read_page.text.split())
    assert "were planned" not in read_page.text
