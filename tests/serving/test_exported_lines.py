"""Lines that an exported model answers, as a trial's model does."""

import gzip
import json

import pytest
from texts_requests import LONG, PAIRS, SHORT, TEXTS, answers_of

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.line_answers import answer_lines
from lvbert_tf.serving.exported_lines import load_exported_model
from lvbert_tf.serving.versions import export


@pytest.fixture(scope="module")
def version(served, tmp_path_factory):
    """Exports a model by its name to take token ids; gives the directory of the version."""
    directory = tmp_path_factory.mktemp("versions")
    return lambda name: str(export({"savedmodel": served[name].of_ids()}, directory / name, "MIT"))


def answers(directory, source, target):
    answer_lines(lambda: load_exported_model(directory), str(source), str(target))
    return [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]


def test_a_classifier_answers_texts_and_objects(served, version, tmp_path):
    texts = [text for text in TEXTS if "\n" not in text]
    lines = [*texts, json.dumps({"text": TEXTS[3], "id": 7})]
    (tmp_path / "in.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    found = answers(version("classifier"), tmp_path / "in.gz", tmp_path / "out")
    expected = answers_of(served["classifier"], "serving_default", [*texts, TEXTS[3]])
    assert (
        len({row["probabilities"]["bad"] for row in found}) > 2
    )  # it does not always say the same
    assert [row["label"] for row in found] == [row["label"].decode() for row in expected]
    for row, wanted in zip(found, expected, strict=True):
        assert list(row["probabilities"]) == ["bad", "so-so", "good"]
        assert list(row["probabilities"].values()) == pytest.approx(
            wanted["probabilities"].tolist(), abs=1e-5
        )
    assert [row.get("id") for row in found] == [None] * len(texts) + [7]


def test_a_regressor_answers_pairs(served, version, tmp_path):
    rows = [{"text": first, "text_pair": second} for first, second in PAIRS]
    (tmp_path / "in").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = answers(version("regressor"), tmp_path / "in", tmp_path / "out")
    expected = answers_of(served["regressor"], "serving_default", PAIRS)
    assert [row["value"] for row in found] == pytest.approx(
        [float(row["value"]) for row in expected], abs=1e-5
    )
    (tmp_path / "in").write_text(SHORT)
    with pytest.raises(InputError, match=r"in, line 1: .*text_pair"):
        answers(version("regressor"), tmp_path / "in", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_what_does_not_answer_lines_is_one_line(version, tmp_path):
    (tmp_path / "in").write_text(LONG)

    def refused(directory):
        with pytest.raises(InputError) as caught:
            answers(str(directory), tmp_path / "in", tmp_path / "out")
        assert not (tmp_path / "out").exists()
        return str(caught.value)

    assert "a tagger answers by lvbert_tf.serving.load in Python" in refused(version("tagger"))
    assert "is no version of an exported model" in refused(tmp_path)
    damaged = version("classifier")
    with open(f"{damaged}/saved_model.pb", "r+b") as file:
        file.truncate(100)
    said = refused(damaged)
    assert said.startswith(f"--exported {damaged}: ") and "\n" not in said
