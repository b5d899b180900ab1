"""SavedModels in a process without the project, against the Keras models that they were made of."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from servable_models import LABELS, VOCABULARY

from lvbert_tf.models import LVBertTokenizer
from lvbert_tf.pretraining.inspection import fill_masks, flag_replacements
from lvbert_tf.runs.loaded_model import LoadedModel
from lvbert_tf.serving.versions import export
from lvbert_tf.text.sentence_words import words_of

SHORT, LONG = "A fine film.", "The plot — café, Ünïcödé, 漢字 — was   dull and long: " * 4
TEXTS = [SHORT, LONG, "", "tab\tand\nline\u00a0of\u3000blanks"]
ODD = b"bad \xff\xfe bytes"
HUGE = "word " * 200_000  # a megabyte
QUESTIONS = [
    ("Who was it?", LONG),
    ("Where?", SHORT),
    ("", ""),
    ("What is long, and why? " * 3, LONG),
]


def strings(rows):
    rows = [row if isinstance(row, bytes) else row.encode() for row in rows]
    return {"dtype": "string", "rows": [base64.b64encode(row).decode() for row in rows]}


def ids(rows):
    rows = np.asarray(rows)
    return {"dtype": "int32", "rows": rows.ravel().tolist(), "shape": rows.shape}


@pytest.fixture(scope="module")
def token_ids(models):
    """Inputs of a backbone, longer than the texts have need of."""
    return {k: v.numpy() for k, v in models["classifier"].preprocessor(TEXTS).items()}


@pytest.fixture(scope="module")
def answers(served, token_ids, tmp_path_factory):
    """(model, signature, what) -> outputs by name, all from one process."""
    directory = tmp_path_factory.mktemp("serving")
    paths = {
        name: str(export({"savedmodel": model}, directory / name, "MIT"))
        for name, model in served.items()
    }
    requests = {}
    for name, model in served.items():
        for signature, graph in model.signatures.items():
            specs = [spec.name for spec in graph.input_signature]
            if specs == ["text"]:
                columns = {
                    "texts": [TEXTS],
                    "masks": [["the [MASK] was [MASK]", "none", "[MASK]"]],
                    **{f"alone {row}": [[text]] for row, text in enumerate(TEXTS)},
                }
            elif specs == ["text", "text_pair"]:
                columns = {"texts": [TEXTS, TEXTS[::-1]]}
            elif specs == ["question", "context"]:
                columns = {"texts": list(map(list, zip(*QUESTIONS, strict=True)))}
            else:
                inputs = {spec: ids(token_ids[spec]) for spec in specs}
                requests[name, signature, "texts"] = inputs
                inputs = {spec: ids(np.zeros([0, 3], int)) for spec in specs}
                requests[name, signature, "ids of no rows"] = {**inputs}
                continue
            columns["nothing"] = [[] for _ in specs]
            columns["odd"] = [[ODD] for _ in specs]
            if name in ("classifier", "tagger", "answers", "pretrained"):
                columns["huge"] = [[HUGE] for _ in specs]
            for what, values in columns.items():
                requests[name, signature, what] = dict(
                    zip(specs, map(strings, values), strict=True)
                )
    asked = [[paths[key[0]], key[1], inputs] for key, inputs in requests.items()]
    (directory / "requests.json").write_text(json.dumps(asked))
    program = [sys.executable, "-I", Path(__file__).parent / "elsewhere.py"]
    files = [directory / "requests.json", directory / "answers.json"]
    with (directory / "log").open("wb") as log:
        done = subprocess.run([*program, *files], cwd=directory, stdout=log, stderr=log)
    log_text = (directory / "log").read_text()
    assert done.returncode == 0, log_text[-3000:]
    assert "gradient" not in log_text  # TensorFlow's warnings of what is not exported
    found = json.loads((directory / "answers.json").read_text())
    return {
        key: {
            name: np.array(output["values"], object if name in TEXT_OUTPUTS else None).reshape(
                output["shape"]
            )
            for name, output in outputs.items()
        }
        for key, outputs in zip(requests, found, strict=True)
    }


TEXT_OUTPUTS = {"label", "tags", "answer", "tokens"}


def test_classifier(models, answers, token_ids):
    model = models["classifier"]
    logits = model.predict(TEXTS, verbose=0)
    expected = tf.nn.softmax(logits).numpy()
    found = answers["classifier", "serving_default", "texts"]
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
    assert found["label"].tolist() == [LABELS[index] for index in logits.argmax(-1)]
    found = answers["classifier", "predict_ids", "texts"]
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
    # A row does not depend on its company.
    for row in range(len(TEXTS)):
        alone = answers["classifier", "serving_default", f"alone {row}"]["probabilities"]
        np.testing.assert_allclose(alone[0], expected[row], atol=1e-5)


def test_regressor_of_pairs(models, answers):
    expected = models["regressor"].predict((TEXTS, TEXTS[::-1]), verbose=0)
    found = answers["regressor", "serving_default", "texts"]["value"]
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert abs(found - models["regressor"].predict((TEXTS[::-1], TEXTS), verbose=0)).max() > 1e-3


def test_tagger(models, answers):
    found = answers["tagger", "serving_default", "texts"]
    for row, (text, tagged) in enumerate(zip(TEXTS, models["tagger"].tag(TEXTS), strict=True)):
        words = len(tagged)
        places = zip(found["starts"][row], found["ends"][row], strict=True)
        assert [text[start:end] for start, end in places][:words] == [word for word, _ in tagged]
        assert found["tags"][row].tolist()[:words] == [tag for _, tag in tagged]
        assert (found["probabilities"][row][:words] > 1 / 3).all()
        for name in ("starts", "ends", "probabilities"):
            assert not found[name][row][words:].any()
        assert not any(found["tags"][row][words:])
    assert len(models["tagger"].tag([LONG])[0]) < len(words_of(LONG))  # what is cut is missing


@pytest.mark.parametrize("name", ["answers", "answers_or_none", "spans_or_none"])
def test_span_predictor(models, answers, name):
    model = models[name]
    found = answers[name, "serving_default", "texts"]
    assert len(model.preprocessor.windows([QUESTIONS[0][0]], [LONG]).lengths) > 4
    for row, (question, context) in enumerate(QUESTIONS):
        expected = model.answer(question, context)
        if not expected["n_best"]:
            assert (found["answer"][row], found["start"][row], found["end"][row]) == ("", -1, -1)
            continue
        best = expected["n_best"][0]
        np.testing.assert_allclose(found["score"][row], best["score"], atol=1e-4)
        assert found["answer"][row] == context[found["start"][row] : found["end"][row]]
        assert (found["start"][row], found["end"][row]) == (best["start"], best["end"])
        if model.no_answer is not None:
            score = expected["no_answer_score"]
            np.testing.assert_allclose(found["no_answer_score"][row], score, atol=1e-4)
            assert bool(found["answerable"][row]) == (score <= model.no_answer_threshold)
    assert ("answerable" in found) == (model.no_answer is not None)


def test_encoder(models, answers, token_ids):
    expected = models["classifier"].backbone(token_ids)
    found = answers["encoder", "embed", "texts"]
    length = found["sequence"].shape[1]
    assert length == token_ids["padding_mask"].sum(-1).max()
    real = found["padding_mask"][..., None]
    np.testing.assert_allclose(
        found["sequence"] * real, expected["sequence_output"][:, :length] * real, atol=1e-5
    )
    np.testing.assert_allclose(found["pooled"], expected["pooled_output"], atol=1e-5)
    assert answers["encoder", "serving_default", "texts"].keys() == found.keys()
    assert answers["encoder", "embed", "alone 0"]["sequence"].shape[1] < length


def test_offsets_of_tokens(answers):
    found = answers["pretrained", "replaced_tokens", "texts"]
    starts, ends = found["starts"][0], found["ends"][0]
    pieces = [SHORT[s:e] for s, e in zip(starts, ends, strict=True) if e]
    assert "".join(pieces) == SHORT.replace(" ", "")


def loaded(pretrainer):
    return LoadedModel(pretrainer, LVBertTokenizer(str(VOCABULARY)))


def test_fill_mask(pretrainer, answers):
    found = answers["pretrained", "fill_mask", "masks"]
    assert found["tokens"].shape == (3, 2, 5)
    for row, text in ((0, "the [MASK] was [MASK]"), (2, "[MASK]")):
        for gap, candidates in enumerate(fill_masks(loaded(pretrainer), text)):
            assert found["tokens"][row, gap].tolist() == [c.token for c in candidates]
            expected = [c.probability for c in candidates]
            np.testing.assert_allclose(found["probabilities"][row, gap], expected, atol=1e-5)
    assert not any(found["tokens"][1].ravel()) and not found["probabilities"][1].any()


def test_replaced_tokens(pretrainer, answers):
    found = answers["pretrained", "replaced_tokens", "alone 0"]
    expected = [word.probability for word in flag_replacements(loaded(pretrainer), SHORT)]
    by_word, start = [], 0
    for word in SHORT.split():
        inside = (found["starts"][0] >= start) & (found["ends"][0] <= start + len(word))
        inside &= found["ends"][0] > 0
        by_word.append(found["probabilities"][0][inside].max())
        start += len(word) + 1
    np.testing.assert_allclose(by_word, expected, atol=1e-5)


def test_every_signature_answers_what_is_odd(answers):
    """No row for no row; one for invalid UTF-8, for a megabyte, and for an empty string."""
    for (name, signature, what), outputs in answers.items():
        rows = {"nothing": 0, "ids of no rows": 0, "odd": 1, "huge": 1}.get(what)
        for output, value in outputs.items():
            if rows is not None:
                assert len(value) == rows, (name, signature, what, output)
            if value.dtype != object:
                assert np.isfinite(value[value != -np.inf]).all()


def test_invalid_bytes_are_dropped(models, answers):
    dropped = ODD.decode("utf-8", "ignore")
    for name, output in (("classifier", "probabilities"), ("tagger", "probabilities")):
        found = answers[name, "serving_default", "odd"]
        if name == "classifier":
            expected = tf.nn.softmax(models[name].predict([dropped], verbose=0))
            np.testing.assert_allclose(found[output], expected, atol=1e-5)
        else:
            places = zip(found["starts"][0], found["ends"][0], strict=True)
            assert [dropped[start:end] for start, end in places] == list(words_of(dropped))


def test_long_texts_are_cut_as_in_training(models, answers):
    found = answers["classifier", "serving_default", "huge"]["probabilities"]
    expected = tf.nn.softmax(models["classifier"].predict([HUGE], verbose=0))
    np.testing.assert_allclose(found, expected, atol=1e-5)
