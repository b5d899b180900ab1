from dataclasses import dataclass, field
from typing import Any

import pytest

from lvbert_tf.training.logs import TRAIN
from lvbert_tf.training.precision import LossScale
from lvbert_tf.training.reporter import Reporter


@dataclass
class Log:
    lines: list[Any] = field(default_factory=list)

    def progress(self, *line):
        self.lines.append(line)

    def metrics(self, *line):
        self.lines.append(line)


def report(peak_rate=80.0, steps_per_second=2.0, dynamic=True):
    log = Log()
    reporter = Reporter(
        log,
        lambda sums: {"loss": sums["loss"] / sums["rows"]},
        lambda updates: 0.1 * updates,
        LossScale(dynamic),
        batch_size=8,
        peak_rate=peak_rate,
    )
    reporter.progress(5, 0.5, steps_per_second, 2)
    reporter.trained(5, {"loss": 6.0, "rows": 3.0}, {"gradient_norm": 7.0}, steps_per_second, 2)
    progress, (step, split, metrics) = log.lines
    assert (step, split) == (5, TRAIN)
    return progress, metrics


def test_a_line_has_rates_and_norms():
    progress, metrics = report()
    assert progress == (5, 0.5, 16.0, 2)
    assert metrics == {
        "loss": 2.0,
        "learning_rate": pytest.approx(0.4),  # of the update that made step 5
        "gradient_norm": 7.0,
        "skipped_steps": 2,
        "examples_per_second": 16.0,
        "share_of_peak": 0.2,
        "loss_scale": 2.0**15,
    }


def test_what_is_not_known_is_left_out():
    progress, metrics = report(steps_per_second=None)
    assert progress == (5, 0.5, None, 2)
    assert not {"examples_per_second", "share_of_peak"} & metrics.keys()
    _, metrics = report(peak_rate=None, dynamic=False)
    names = {"loss", "learning_rate", "gradient_norm", "skipped_steps", "examples_per_second"}
    assert metrics.keys() == names
