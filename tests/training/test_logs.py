import json
import math

import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.training.logs import EVAL, TRAIN, MetricsFile, TrainingLog


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_are_json_and_nan_is_null(tmp_path):
    file = MetricsFile(tmp_path / "metrics.jsonl")
    file.append(10, TRAIN, {"loss": 1.5, "disc_auc": math.nan})
    assert lines(file.path) == [{"step": 10, "split": "train", "loss": 1.5, "disc_auc": None}]


def test_continuing_removes_what_will_be_written_again(tmp_path):
    file = MetricsFile(tmp_path / "metrics.jsonl")
    for step in (10, 20, 30):
        file.append(step, TRAIN, {"loss": step})
        file.append(step, EVAL, {"loss": step})
    with file.path.open("a") as cut_short:
        cut_short.write('{"step": 40, "split": "tr')
    file.truncate(step=20, evaluated_step=10)
    kept = [(line["step"], line["split"]) for line in lines(file.path)]
    assert kept == [(10, TRAIN), (10, EVAL), (20, TRAIN)]


def test_tensorboard_has_the_same_figures(tmp_path):
    with TrainingLog(tmp_path, total_steps=20) as log:
        log.progress(10, 2.0, 5.0)
        log.figures(10, TRAIN, {"loss": 2.0, "disc_auc": math.nan, "commonest_token": "the"})
        log.figures(20, EVAL, {"loss": 1.0})
    assert [line["step"] for line in lines(tmp_path / "metrics.jsonl")] == [10, 20]
    found = {}
    for split in (TRAIN, EVAL):
        (file,) = (tmp_path / "tensorboard" / split).iterdir()
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                found[split, event.step, value.tag] = float(tf.make_ndarray(value.tensor))
    assert found == {(TRAIN, 10, "loss"): 2.0, (EVAL, 20, "loss"): 1.0}


def test_other_workers_write_nothing(tmp_path):
    with TrainingLog(tmp_path, total_steps=20, writer=False) as log:
        log.progress(10, 2.0)
        log.figures(10, TRAIN, {"loss": 2.0})
        log.message("hello")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("room", [100, 600])
def test_a_full_disk_is_one_line(tmp_path, full_disk, room):
    """Whether the JSON line or TensorBoard's events, which are longer, meet its end."""
    values = {f"figure_{number}": 1.0 for number in range(20)}
    with TrainingLog(tmp_path, total_steps=20) as log:
        log.figures(1, TRAIN, {"loss": 1.0})
        with full_disk(room), pytest.raises(InputError, match="cannot write the fig") as error:
            log.figures(2, TRAIN, values)
    assert str(error.value).endswith(f"of step 2 to {tmp_path}: File too large")
