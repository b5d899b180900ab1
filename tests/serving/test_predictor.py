"""The predictor's answers from SavedModels are those of the graphs on strings."""

import json
import shutil

import numpy as np
import pytest
from texts_requests import ALL, ASKED, LONG, SHORT, TEXTS, answers_of, assert_same_answers

from lvbert_tf.serving import load
from lvbert_tf.serving.predictor import padded_length
from lvbert_tf.serving.predictor.runtimes import _gains_by_bfloat16
from lvbert_tf.serving.versions import export
from lvbert_tf.training.precision import cpu_gains_by_bfloat16


@pytest.fixture(scope="module")
def version(served, tmp_path_factory):
    """Exports a model by its name, once, to take token ids; gives the directory of the version."""
    directory, versions = tmp_path_factory.mktemp("versions"), {}

    def of(name):
        if name not in versions:
            model = {"savedmodel": served[name].of_ids()}
            versions[name] = export(model, directory / name, "MIT")
        return versions[name]

    return of


@pytest.fixture(scope="module")
def predictor(version):
    return load(version("classifier"))


@pytest.mark.parametrize(("name", "signature"), ALL)
def test_answers(served, version, name, signature):
    texts = ASKED[name][signature]
    expected = answers_of(served[name], signature, texts)
    assert_same_answers(load(version(name))(texts, signature), expected)


def test_a_text_of_any_bytes(served, version, predictor):
    odd = b"bad \xff\xfe bytes"
    expected = answers_of(served["classifier"], "serving_default", [odd])
    assert_same_answers(predictor([odd]), expected)
    assert_same_answers(predictor(["bad \udcff\udcfe bytes"]), expected)
    (tagged,) = load(version("tagger"))([odd])
    assert (tagged["starts"], tagged["ends"]) == ([0, 5], [3, 10])


def test_a_stream_has_the_order_of_its_texts_and_is_read_in_parts(predictor):
    read = []

    def texts():
        for number in range(100):
            read.append(number)
            yield SHORT * (number % 7) + str(number)

    stream = predictor.stream(texts(), batch_size=2)
    first = next(stream)
    assert len(read) < 50
    found = [first, *stream]
    expected = [predictor([SHORT * (number % 7) + str(number)])[0] for number in range(100)]
    assert_same_answers(found, [{**row, "label": row["label"].encode()} for row in expected])


@pytest.mark.parametrize(
    ("vendor", "flags", "expected"),
    [
        ("AuthenticAMD", "avx512_bf16", True),
        ("GenuineIntel", "avx512_bf16", False),
        ("GenuineIntel", "avx512_bf16 amx_bf16", True),
    ],
)
def test_bfloat16_is_computed_where_training_chooses_it(tmp_path, vendor, flags, expected):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"vendor_id\t: {vendor}\nflags\t: fpu {flags}\n")
    assert _gains_by_bfloat16(str(cpuinfo)) is expected
    assert cpu_gains_by_bfloat16(str(cpuinfo)) is expected


def test_batches_have_few_lengths_and_little_padding():
    padded = [padded_length(longest, 500) for longest in range(1, 501)]
    for longest, length in enumerate(padded, start=1):
        assert longest <= length <= min(500, longest * 9 / 8)
    assert padded[:16] == list(range(1, 17))
    assert len(set(padded)) == 56


def test_no_texts(predictor):
    assert predictor([]) == []


@pytest.mark.parametrize(
    ("texts", "signature", "message"),
    [
        (SHORT, "serving_default", "expected a list of texts, got a single one"),
        ([3], "serving_default", "expected a text, got 3"),
        ([(SHORT, LONG)], "serving_default", "expected a text, got "),
        ([SHORT], "fill_mask", "no signature 'fill_mask': serving_default"),
    ],
)
def test_what_is_no_text_is_refused(predictor, texts, signature, message):
    with pytest.raises(ValueError, match=message):
        predictor(texts, signature)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_has_a_row(predictor, size):
    with pytest.raises(ValueError, match=f"batch_size: expected 1 or more, got {size}"):
        predictor([SHORT], batch_size=size)


def test_a_model_of_pairs_refuses_single_texts(version):
    with pytest.raises(ValueError, match=r"expected pairs \(text, text_pair\), got 'A fine film.'"):
        load(version("regressor"))([SHORT])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"files": {"onnx": {"predict_ids": "../model.onnx"}}}, "it names files elsewhere"),
        ({"files": None}, "is no version of an exported model"),
        ({"format_version": 2}, "older than what exported it"),
        ({"kind": "chatbot"}, "older than what exported it"),
    ],
)
def test_a_changed_description_is_refused(version, tmp_path, change, message):
    shutil.copytree(version("classifier"), tmp_path / "1")
    config = json.loads((tmp_path / "1" / "config.json").read_text())
    (tmp_path / "1" / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "1")


def test_what_cannot_be_loaded(version, tmp_path):
    with pytest.raises(ValueError, match="is no version of an exported model"):
        load(tmp_path)
    with pytest.raises(ValueError, match="has no format 'onnx', only savedmodel"):
        load(version("classifier"), "onnx")


def test_a_model_that_reads_strings(served, tmp_path):
    """Its graph has operations of tensorflow-text."""
    directory = export({"savedmodel": served["classifier"]}, tmp_path / "films", "MIT")
    found = load(directory)(TEXTS)
    assert_same_answers(found, answers_of(served["classifier"], "serving_default", TEXTS))
    assert isinstance(found[0]["probabilities"], np.ndarray)
