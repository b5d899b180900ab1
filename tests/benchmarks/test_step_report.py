"""The report on a compiled step: lines of the project, bounds of time, tables."""

import json

import pytest
from test_hlo_text import TEXT, TURNED, WHOLE

from benchmarks.accelerators.chips import CHIPS, Roofline
from benchmarks.accelerators.step_report import report, source_of, tables

SOURCES = {"dense/MatMul": "layers/dense.py:40", "path": "models/supernet.py:7"}
STEP = {
    "layers": "CAF",
    "generator_layers": "AF",
    "batch_size": 8,
    "max_seq_length": 16,
    "precision": "bfloat16",
    "own_flops": 2.5e9,
    "hlo_lines": 1234,
    "sources": SOURCES,
}
COMPILED = {
    "device": "TPU v5 lite",
    "flops": 2e9,
    "bytes_between_instructions": 9e6,
    "argument_bytes": 3_000_000,
    "output_bytes": 2_000_000,
    "alias_bytes": 1_900_000,
    "temporary_bytes": 500_000,
    "code_bytes": 100_000,
    "compile_cpu_seconds": 7.4,
}


@pytest.fixture(scope="module")
def values():
    return report(STEP, "tpu-v5e", COMPILED, TEXT)


@pytest.mark.parametrize(
    ("operation", "source"),
    [
        ("dense/MatMul", "layers/dense.py:40"),
        ("gradient_tape/dense/MatMul/MatMul_1", "layers/dense.py:40 (backward)"),
        ("path/switch_case/add", "models/supernet.py:7"),
        ("elsewhere/add", "elsewhere/add"),
        ("XLA_Args", "arguments of the step"),
        ("", "arguments of the step"),
    ],
)
def test_operations_have_the_line_that_made_them_or_what_they_are_in(operation, source):
    assert source_of(operation, SOURCES) == source


def test_a_step_takes_as_long_as_the_slower_of_arithmetic_and_memory():
    chip = CHIPS["tpu-v5e"]
    bound = Roofline.of(chip, 303e9, 2.8e9)
    assert bound.arithmetic_seconds == pytest.approx(1.54e-3, rel=1e-2)
    assert bound.seconds == bound.memory_seconds == pytest.approx(3.42e-3, rel=1e-2)
    assert bound.share_of_peak == pytest.approx(0.45, abs=0.005)
    assert Roofline.of(chip, 303e9, 1e6).share_of_peak == 1


def test_sums(values):
    moved = 12 + WHOLE + (4 + WHOLE) + TURNED + 2 * 4 * 128 * 4 + 8 + WHOLE
    moved += 2 * 4 * 128 * 4 + 4
    assert values["hbm_bytes"] == moved
    assert sum(group["hbm_bytes"] for group in values["kinds"].values()) == moved
    assert sum(group["hbm_bytes"] for group in values["sources"].values()) == moved
    assert values["peak_bytes"] == 3_700_000
    counts = ("instructions", "scalar_instructions", "copies", "slices", "transposes")
    assert [values[name] for name in counts] == [8, 1, 1, 1, 0]
    assert values["estimated_seconds"] == pytest.approx(700 / 1.5e9)
    json.dumps(values)


def test_tables_show_both_counts_of_flops_and_every_chip(values):
    printed = tables(values)
    assert "2.0 G by XLA's count, 2.5 G by the project's" in printed
    assert all(f"| {name} |" in printed for name in CHIPS)
    assert "| layers/dense.py:40 | 3 |" in printed
