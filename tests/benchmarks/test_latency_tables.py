"""The tables of `benchmarks/serving_latency.py`, from times that are made up."""

import pytest

from benchmarks import latency_tables as tables
from benchmarks.contestant import Contestant

REQUESTS = {"1x32": (1, 32), "8x32": (8, 32)}


def contestant(name, precision, threads, *rounds, layers="AF x 12"):
    """Each round: request -> milliseconds of its answers."""
    results = [
        {"threads": threads, "seconds": {k: [t / 1e3 for t in v] for k, v in times.items()}}
        for times in rounds
    ]
    return Contestant(name, layers, precision, [], results)


@pytest.fixture
def runs():
    return [
        contestant("ours", "float32", 1, {"1x32": [10, 12, 11], "8x32": [80, 80, 80]},
                   {"1x32": [12, 12, 99], "8x32": [80, 80, 80]}),
        contestant("ours", "float32", 2, {"1x32": [14, 14, 14], "8x32": [50, 50, 50]},
                   {"1x32": [14, 14, 14], "8x32": [50, 50, 50]}),
        contestant("PyTorch", "float32", 2, {"1x32": [22, 22, 22], "8x32": [100, 100, 100]},
                   {"1x32": [36, 36, 36], "8x32": [100, 100, 100]}),
        contestant("ONNX Runtime", "float32", 1, {"1x32": [5.5], "8x32": [50]},
                   {"1x32": [5.5], "8x32": [50]}),
    ]  # fmt: skip


def row(table, *cells):
    """The one row that begins with these cells, without them."""
    start = "| " + " | ".join(cells) + " |"
    (line,) = (line for line in table.splitlines() if line.startswith(start))
    return [cell.strip() for cell in line.removeprefix(start).split("|")[:-1]]


def test_every_request_has_the_fastest_setting_of_each(runs):
    table = tables.comparison(runs, REQUESTS)
    assert row(table, "1", "32", "ours", "AF x 12")[0] == "float32, 1 thread"
    assert row(table, "8", "32", "ours", "AF x 12")[0] == "float32, 2 threads"
    assert len(table.splitlines()) == 2 + 2 * 3


def test_percentiles_are_over_all_rounds_and_ratios_within_them(runs):
    _, p50, p99, rate, *ratios = row(
        tables.comparison(runs, REQUESTS), "1", "32", "ours", "AF x 12"
    )
    # Of 10, 11, 12, 12, 12, 99: the 99th percentile is 95% of the way from 12 to 99.
    assert (p50, p99) == ("12", "94.7")
    assert rate == f"{1000 / (156 / 6):.0f}"
    # 22 / 11 in the first round and 36 / 12 in the second.
    assert ratios == ["2.50", "0.48"]


def test_a_batch_counts_as_many_sentences(runs):
    assert row(tables.comparison(runs, REQUESTS), "8", "32", "PyTorch", "AF x 12")[3] == "80"


def test_alone_there_is_nothing_to_compare_with(runs):
    table = tables.comparison(runs[:2], REQUESTS)
    assert "times" not in table
    assert len(row(table, "1", "32", "ours", "AF x 12")) == 4


def test_layer_strings_are_not_mixed(runs):
    other = contestant("ours", "float32", 1, {"1x32": [1], "8x32": [1]}, layers="LV-BERT")
    assert tables.fastest([*runs, other], "1x32") == [runs[0], *runs[2:], other]


def test_all_settings(runs):
    table = tables.settings(runs, list(REQUESTS))
    assert row(table, "ours", "AF x 12", "float32, 2 threads") == ["14", "50"]
    assert row(table, "PyTorch", "AF x 12", "float32, 2 threads") == ["29", "100"]
    assert row(table, "ONNX Runtime", "AF x 12", "float32, 1 thread") == ["5.5", "50"]


def test_who_was_not_asked_is_left_out(runs):
    single = contestant("ours", "bfloat16", 1, {"1x32": [1]})
    table = tables.settings([*runs, single], list(REQUESTS))
    assert row(table, "ours", "AF x 12", "bfloat16, 1 thread") == ["1", "–"]
    assert tables.fastest([single, *runs], "8x32")[0] is runs[1]


def test_texts(runs):
    times = {"short text": [9, 9], "short ids": [8.25, 8.25]}
    slower = {"short text": [10, 10], "short ids": [7, 7]}
    measured = [contestant("ours", "float32", 1, slower), contestant("ours", "float32", 2, times)]
    table = tables.texts(measured, {"short": {"text": "a fine film", "token_ids": [2, 3, 4, 5, 6]}})
    assert row(table, "short, 3 words", "5") == ["float32, 2 threads", "9", "9", "8.25"]
