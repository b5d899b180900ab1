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


def test_continuing_removes_what_will_be_written_again(tmp_path, capsys):
    file = MetricsFile(tmp_path / "metrics.jsonl")
    for step in (10, 20, 30):
        file.append(step, TRAIN, {"loss": step})
        file.append(step, EVAL, {"loss": step})
    with file.path.open("a") as cut_short:
        cut_short.write('{"step": 40, "split": "tr')
    with TrainingLog(tmp_path, total_steps=40, step=20, evaluated_step=10) as log:
        assert "20/40" in capsys.readouterr().err
        log.progress(30, 2.0)
    assert "30/40" in capsys.readouterr().err
    kept = [(line["step"], line["split"]) for line in lines(file.path)]
    assert kept == [(10, TRAIN), (10, EVAL), (20, TRAIN)]


def test_no_line_is_lost_if_continuing_fails(tmp_path, full_disk):
    file = MetricsFile(tmp_path / "metrics.jsonl")
    file.append(10, TRAIN, {"loss": 1.5})
    before = file.path.read_bytes()

    with full_disk(5), pytest.raises(InputError, match="cannot write"):
        file.truncate(step=10, evaluated_step=-1)
    assert file.path.read_bytes() == before


def plotted(model_dir):
    """What TensorBoard shows, by split, step and name."""
    found = {}
    for split in (TRAIN, EVAL):
        (file,) = (model_dir / "tensorboard" / split).iterdir()
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                found[split, event.step, value.tag] = float(tf.make_ndarray(value.tensor))
    return found


def test_tensorboard_has_the_same_metrics_at_once(tmp_path):
    with TrainingLog(tmp_path, total_steps=20) as log:
        log.metrics(10, TRAIN, {"loss": 2.0, "disc_auc": math.nan, "commonest_token": "the"})
        log.metrics(20, EVAL, {"loss": 1.0})
        assert plotted(tmp_path) == {(TRAIN, 10, "loss"): 2.0, (EVAL, 20, "loss"): 1.0}
    assert [line["step"] for line in lines(tmp_path / "metrics.jsonl")] == [10, 20]


def test_messages_go_beside_the_bar(tmp_path, capsys):
    with TrainingLog(tmp_path, total_steps=20) as log:
        log.message("hello")
    printed = capsys.readouterr()
    assert "hello\n" in printed.err
    assert printed.out == ""


def test_other_workers_write_nothing(tmp_path, capsys):
    with TrainingLog(tmp_path, total_steps=20, writer=False) as log:
        log.progress(10, 2.0)
        log.metrics(10, TRAIN, {"loss": 2.0})
        log.message("hello")
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("room", [100, 600])
def test_a_full_disk_is_one_line(tmp_path, full_disk, room):
    """Whether the JSON line or TensorBoard's events, which are longer, meet its end."""
    values = {f"metric_{number}": 1.0 for number in range(20)}
    with TrainingLog(tmp_path, total_steps=20) as log:
        log.metrics(1, TRAIN, {"loss": 1.0})
        with full_disk(room), pytest.raises(InputError, match="cannot write the metrics") as error:
            log.metrics(2, TRAIN, values)
    assert str(error.value).endswith(f"of step 2 to {tmp_path}: File too large")


@pytest.mark.parametrize(
    "damaged", [b"\xff{", b"7", b"[]", b'{"step": "x"}', b'{"stop": 1}', b"[" * 99_999]
)
def test_damaged_lines_are_left_out(tmp_path, damaged):
    file = MetricsFile(tmp_path / "metrics.jsonl")
    file.append(10, TRAIN, {"loss": 1.0})
    with file.path.open("ab") as opened:
        opened.write(damaged + b"\n")
    file.append(20, TRAIN, {"loss": 2.0})
    file.truncate(20, -1)
    assert [line["step"] for line in lines(file.path)] == [10, 20]
