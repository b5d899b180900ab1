"""How many operations a training step launches: budgets that a change may not exceed unnoticed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TINY = {
    "custom_layer_list": "F",
    "generator_layer_list": "F",
    "embedding_size": 8,
    "max_seq_length": 12,
    "model_hparam_overrides": {
        "hidden_size": 16,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    },
}


@pytest.fixture(scope="module")
def launched():
    """(way of compilation, replicas) -> nodes on a device."""
    command = [sys.executable, "-m", "benchmarks.launches", "--hparams", json.dumps(TINY)]
    process = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=900
    )
    printed = process.stdout.splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed]
    return {(row[0], row[1]): int(row[2].replace(",", "")) for row in rows[2:]}


def test_launches_a_step_and_device(launched):
    # XLA compiles the step; or the parts between the reductions of sums and of gradients.
    assert launched["whole", "1"] <= 3
    assert launched["whole", "2"] <= 45
    assert launched["stretches", "1"] <= 950
    assert launched["stretches", "2"] <= 1.1 * launched["stretches", "1"]
