"""The tables of `benchmarks/serving_latency.py`, from times that are made up."""

import pytest

from benchmarks import latency_tables as tables
from benchmarks.contestant import Contestant

REQUESTS = ("1x32", "8x32")


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


def test_each_implementation_has_its_fastest_number_of_threads_and_its_precision(runs):
    table = tables.comparison(runs, REQUESTS)
    # 12 of 10, 11, 12, 12, 12, 99; of 8 x 32 two threads are faster. 5.5 ms of ONNX Runtime is half of
    # the 11 of the first round, and less than half of the 12 of the second.
    assert row(table, "float32", "ours", "AF x 12") == ["12 (0.48)", "50 (1.00)"]
    assert row(table, "float32", "PyTorch", "AF x 12") == ["29", "100"]
    assert len(table.splitlines()) == 2 + 3


def test_only_peers_of_equal_precision_count(runs):
    half = contestant("ours, openvino", "bfloat16", 2, {"1x32": [2.0], "8x32": [9.0]})
    other = contestant("PyTorch", "bfloat16", 2, {"1x32": [3.0]})
    table = tables.comparison([*runs, half, other], REQUESTS)
    assert row(table, "bfloat16", "ours, openvino", "AF x 12") == ["2 (1.50)", "9"]
    assert row(table, "bfloat16", "PyTorch", "AF x 12") == ["3", "–"]


def test_alone_there_is_nothing_to_compare_with(runs):
    table = tables.comparison(runs[:2], REQUESTS)
    assert row(table, "float32", "ours", "AF x 12") == ["12", "50"]


def test_layer_strings_are_not_mixed(runs):
    other = contestant("ours", "float32", 1, {"1x32": [1], "8x32": [1]}, layers="LV-BERT")
    assert list(tables.fastest([*runs, other], "1x32").values()) == [runs[0], *runs[2:], other]


def test_all_settings(runs):
    table = tables.settings(runs, REQUESTS)
    assert row(table, "ours", "AF x 12", "float32, 2 threads") == ["14 (14 to 14)", "50 (50 to 50)"]
    slower = ["29 (22 to 36)", "100 (100 to 100)"]  # in the second round
    assert row(table, "PyTorch", "AF x 12", "float32, 2 threads") == slower


def test_who_was_not_asked_is_left_out(runs):
    single = contestant("ours", "bfloat16", 1, {"1x32": [1]})
    table = tables.settings([*runs, single], REQUESTS)
    assert row(table, "ours", "AF x 12", "bfloat16, 1 thread") == ["1 (1 to 1)", "–"]
    assert next(iter(tables.fastest([single, *runs], "8x32").values())) is runs[1]


def test_texts(runs):
    times = {"short text": [9, 9], "short ids": [8.25, 8.25]}
    slower = {"short text": [10, 10], "short ids": [7, 7]}
    measured = [contestant("ours", "float32", 1, slower), contestant("ours", "float32", 2, times)]
    table = tables.texts(measured, {"short": {"text": "a fine film", "token_ids": [2, 3, 4, 5, 6]}})
    cells = ("short, 3 words", "5", "ours", "AF x 12")
    assert row(table, *cells) == ["float32, 2 threads", "9", "9", "8.25"]
