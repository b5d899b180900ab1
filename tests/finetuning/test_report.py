import json

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.results.report import write_answers

METRICS = {"exact": 50.0, "f1": 62.5}


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_answers_without_scores(tmp_path):
    write_answers(tmp_path, ["squadv1", "cola"], "squadv1", {"q1": "a café"}, None, METRICS)
    folder = tmp_path / "squadv1,cola_qa"
    assert {path.name: read(path) for path in folder.iterdir()} == {
        "squadv1_preds.json": {"q1": "a café"},
        "squadv1_eval.json": METRICS,
    }


def test_answers_with_scores(tmp_path):
    scores = {"q1": -8.5, "q2": 3.25}
    write_answers(tmp_path, ["squad"], "squad", {"q1": "x", "q2": "y"}, scores, METRICS)
    folder = tmp_path / "squad_qa"
    assert {path.name: read(path) for path in folder.iterdir()} == {
        "squad_preds.json": {"q1": "x", "q2": "y"},
        "squad_null_odds.json": scores,
        "squad_eval.json": METRICS,
    }


def test_scores_of_other_questions(tmp_path):
    with pytest.raises(ValueError, match="1 answers but 1 scores, or other ids"):
        write_answers(tmp_path, ["squad"], "squad", {"q1": "x"}, {"q2": 1.0}, METRICS)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_keeps_the_old_files(tmp_path, full_disk):
    write_answers(tmp_path, ["squadv1"], "squadv1", {"q1": "old"}, None, METRICS)
    with full_disk(5), pytest.raises(InputError, match=r"cannot write .*squadv1_preds"):
        write_answers(tmp_path, ["squadv1"], "squadv1", {"q1": "new answer"}, None, METRICS)
    assert read(tmp_path / "squadv1_qa" / "squadv1_preds.json") == {"q1": "old"}
    assert len(list(tmp_path.rglob("*.writing"))) == 0
