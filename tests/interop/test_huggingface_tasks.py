"""Fine-tuned models of transformers give its outputs here, and ours travel there and back."""

import json
import shutil

import numpy as np
import pytest
import safetensors.numpy
import scipy.special

from lvbert_tf.conversion.conversion import convert
from lvbert_tf.errors import InputError
from lvbert_tf.interop.huggingface_formats import ELECTRA, LV_BERT, TASKS
from lvbert_tf.interop.huggingface_saved import TransformersModel
from lvbert_tf.interop.huggingface_tasks import load_task
from lvbert_tf.interop.huggingface_writing import huggingface_models
from lvbert_tf.models import (
    ElectraPretrainer,
    LVBertSpanPredictor,
    LVBertTextClassifier,
    LVBertTokenizer,
)
from lvbert_tf.runs.loaded_model import load_task_preset
from tests.presets.tiny_presets import KINDS, inputs_of, make_backbone, make_task, outputs_of

IN_ELECTRA = ("classifier", "regressor", "tagger")
SAVED = [("huggingface_tasks", kind) for kind in TASKS]
SAVED += [("huggingface_lv_bert", kind) for kind in ("classifier", "span_predictor")]


@pytest.fixture
def saved_task(fixtures, tmp_path):
    """A copy of a model that transformers saved, to spoil."""

    def copy(kind, name="huggingface_tasks"):
        return shutil.copytree(fixtures / name / kind, tmp_path / kind)

    return copy


def change_config(directory, **changes):
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refusal(call, *arguments, **named):
    with pytest.raises(InputError) as caught:
        call(*arguments, **named)
    message = str(caught.value)
    assert "\n" not in message
    return message


def outputs_of_inputs(task, inputs):
    """What a task gives for token ids, by the names of transformers' outputs."""
    if hasattr(task, "span_head"):
        best = task(inputs, training=False)
        first = best["starts"][:, 0]
        return {**task.training_logits(inputs, first), **best}
    outputs = np.asarray(task(inputs, training=False))
    return {"logits": outputs if outputs.ndim > 1 else outputs[:, None]}


def assert_same_outputs(task, kind, directory):
    """Within 1e-5 of what transformers computed, where it computes the same."""
    inputs, expected = (dict(np.load(directory / f"{name}.npz")) for name in ("inputs", "logits"))
    names = [name for name in expected if name.startswith(kind) and "token_ids" not in name]
    compared = 0
    for name, value in outputs_of_inputs(task, inputs).items():
        theirs = expected.get(kind if name == "logits" else f"{kind}_{name}")
        if theirs is None:
            continue
        value = np.asarray(value)
        if value.shape[1:2] == (12,):  # transformers' ELECTRA leaves hiding positions to others
            hidden = inputs["padding_mask"] * inputs["segment_ids"] == 0
            hidden = hidden if kind == "span_predictor" else inputs["padding_mask"] == 0
            value, theirs = value[~hidden], theirs[~hidden]
        if name in ("starts", "ends", "start_scores", "end_scores"):
            # Float32 has no five digits behind the point where logits are lowered by 1000.
            scores = expected[f"{kind}_{name.split('_')[0].removesuffix('s')}_scores"]
            value, theirs = value[scores > -500], theirs[scores > -500]
        np.testing.assert_allclose(value, theirs, rtol=0, atol=1e-5, err_msg=name)
        compared += 1
    assert compared == len([name for name in names if not name.endswith("_labels")])


# --- From transformers


@pytest.mark.parametrize(("name", "kind"), SAVED)
def test_a_fine_tuned_model_gives_the_outputs_of_transformers(fixtures, tmp_path, name, kind):
    source = fixtures / name
    vocabulary = str(fixtures / "tiny" / "vocab.txt")
    convert("huggingface", "preset", str(source / kind), str(tmp_path / "out"), "", vocabulary)
    task = load_task_preset(tmp_path / "out" / "preset", "float32")
    assert_same_outputs(task, kind, source)
    tokenizer = task.preprocessor.tokenizer
    theirs = np.load(source / "logits.npz")[f"{kind}_token_ids"].tolist()
    assert tokenizer("tok1 TOK20, sea").numpy().tolist() == theirs[1:-2]


def test_labels_and_dropout_are_read(fixtures):
    def load(kind):
        saved = TransformersModel.load(fixtures / "huggingface_tasks" / kind)
        return load_task(saved, LVBertTokenizer(str(fixtures / "tiny" / "vocab.txt")))[0]

    classifier = load("classifier")
    assert classifier.labels == ("no", "yes", "maybe")
    assert (classifier.hidden_layer, classifier.dropout) == (True, 0.2)
    tagger = load("tagger")
    assert tagger.tags == tagger.preprocessor.tags == ("O", "B-ü")
    regressor = load("regressor")
    assert (regressor.label_range, regressor.dropout) == ((0.0, 1.0), 0.1)
    assert not load("span_predictor").joint


# --- There and back


def there_and_back(task, directory, **named):
    """A task that was written for transformers and read again, and what was written."""
    task.save_to_preset(str(directory / "preset"))
    convert("preset", "huggingface", str(directory / "preset"), str(directory / "there"), **named)
    (written,) = (directory / "there").iterdir()
    convert("huggingface", "preset", str(directory / "there"), str(directory / "back"))
    return load_task_preset(directory / "back" / "preset", "float32"), written


def assert_same_weights(ours, theirs):
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        assert one.numpy().tobytes() == other.numpy().tobytes(), one.path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("layers", "code"), [("CAF", "auto"), ("AFAF", "auto"), ("AF", "lv_bert")])
def test_there_and_back_is_the_same(randomize, tmp_path, kind, layers, code):
    task = make_task(kind, randomize, layers)
    again, written = there_and_back(task, tmp_path, huggingface_code=code)
    own = layers == "CAF" or code == "lv_bert" or kind not in IN_ELECTRA
    model_type = json.loads((written / "config.json").read_text())["model_type"]
    assert model_type == ("lv_bert" if own else "electra")
    assert (written / "modeling_lv_bert.py").exists() == own
    assert (
        again.preprocessor.tokenizer.get_vocabulary()
        == task.preprocessor.tokenizer.get_vocabulary()
    )
    outputs = again(inputs_of(task), training=False)
    outputs = outputs if isinstance(outputs, dict) else {"output": outputs}
    for name, value in outputs_of(task).items():
        ours = np.asarray(outputs[name])
        if kind == "classifier":  # its outputs are probabilities
            ours = scipy.special.softmax(ours, -1)
        np.testing.assert_allclose(ours, value, rtol=0, atol=1e-5, err_msg=name)
    if kind != "regressor":  # whose range of labels is now in the weights of its last layer
        assert_same_weights(again, task)
    if kind == "classifier":
        assert again.labels == task.labels
    if kind == "tagger":
        assert again.tags == task.tags


@pytest.mark.parametrize("no_answer", [None, "span"])
def test_answers_whose_ends_depend_on_nothing_are_electras(randomize, tmp_path, no_answer):
    whole = make_task("span", randomize, "AF")
    settings = {"joint": False, "no_answer": no_answer, "beam_size": 3}
    task = randomize(LVBertSpanPredictor(whole.backbone, whole.preprocessor, **settings), seed=4)
    again, written = there_and_back(task, tmp_path)
    tensors = safetensors.numpy.load_file(written / "model.safetensors")
    assert tensors["qa_outputs.weight"].shape == (2, 16)
    assert_same_weights(again, task)


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
@pytest.mark.parametrize("code", ["electra", "lv_bert"])
def test_a_hidden_layer_travels_as_it_is(randomize, tmp_path, kind, code):
    linear = make_task(kind, randomize, "AF")
    units = linear.output_dense.units if kind == "classifier" else (0.0, 1.0)
    task = type(linear)(linear.backbone, units, linear.preprocessor, hidden_layer=True)
    randomize(task, seed=2)
    again, written = there_and_back(task, tmp_path, huggingface_code=code)
    assert again.hidden_layer
    assert_same_weights(again, task)
    hidden = safetensors.numpy.load_file(written / "model.safetensors")["classifier.dense.weight"]
    np.testing.assert_array_equal(hidden.T, task.hidden_dense.kernel)


def test_a_linear_head_that_was_trained_on_is_one_no_more(randomize, tmp_path):
    _, written = there_and_back(make_task("classifier", randomize, "AF"), tmp_path)
    tensors = safetensors.numpy.load_file(written / "model.safetensors")
    tensors["classifier.out_proj.bias"][1] = 0.5
    safetensors.numpy.save_file(tensors, written / "model.safetensors")
    task, _ = load_task(TransformersModel.load(written), None)
    assert task.hidden_layer
    np.testing.assert_array_equal(task.output_dense.bias, [0, 0.5, 0])


def test_a_trial_and_a_model_directory_are_read(randomize, tmp_path):
    trial = tmp_path / "sst_1"
    for name in ("one", "other"):
        make_task("tagger", randomize).save_to_preset(str(trial / "presets" / name))
    message = refusal(convert, "preset", "huggingface", str(trial), str(tmp_path / "out"))
    assert message == f"{trial} has several tasks, name one with --task: one, other"
    convert("preset", "huggingface", str(trial), str(tmp_path / "out"), task="other")
    assert (tmp_path / "out" / "tagger" / "config.json").exists()
    shutil.rmtree(trial / "presets" / "one")
    convert("preset", "huggingface", str(trial), str(tmp_path / "again"))
    (trial / "result.json").write_text("{}")
    shutil.rmtree(trial / "presets")
    message = refusal(convert, "preset", "huggingface", str(trial), str(tmp_path / "none"))
    assert "the model of this trial was not kept" in message
    convert("huggingface", "preset", str(tmp_path / "again"), str(tmp_path / "models"))
    convert("preset", "huggingface", str(tmp_path / "models"), str(tmp_path / "back"))


def test_a_head_has_no_place_in_the_reference(randomize, tmp_path):
    make_task("tagger", randomize, "AF").save_to_preset(str(tmp_path / "preset"))
    arguments = ("preset", "reference", str(tmp_path / "preset"), str(tmp_path / "out"))
    message = refusal(convert, *arguments)
    assert "the reference format has no place for weights of our model, 2: " in message
    assert "logits/kernel" in message
    convert(*arguments, allow_partial=True)


# --- What is refused


def test_what_electra_cannot_compute_is_named(randomize):
    def refuse(task):
        pretrainer = ElectraPretrainer(task.backbone, None, detects_replacements=False)
        assert huggingface_models(pretrainer, task, None)[0].code is LV_BERT
        return refusal(huggingface_models, pretrainer, task, ELECTRA)

    message = refuse(make_task("span-likely_starts", randomize, "AF"))
    assert "the end of an answer depends on its start (joint)" in message
    assert "a classifier tells whether there is an answer (likely_starts)" in message
    assert "huggingface_code lv_bert writes it" in message
    message = refuse(make_task("span-first_vector", randomize, "AF"))
    assert "(first_vector)" in message
    assert "joint" not in message
    assert "layer string is CAF" in refuse(make_task("tagger", randomize, "CAF"))
    many = LVBertTextClassifier(make_backbone(randomize, "AF"), 9)
    assert "its 9 classes are more than the 8 that a linear head of width 16" in refuse(many)


def test_an_encoder_that_looks_to_one_side_is_refused(randomize):
    backbone = make_backbone(randomize, "AF", direction="left_to_right")
    pretrainer = ElectraPretrainer(backbone, None)
    message = refusal(huggingface_models, pretrainer, None, None)
    assert "the discriminator's positions look left_to_right" in message


def test_outputs_that_are_no_logits_are_refused(randomize):
    task = LVBertTextClassifier(make_backbone(randomize, "AF"), 2, activation="sigmoid")
    pretrainer = ElectraPretrainer(task.backbone, None, detects_replacements=False)
    message = refusal(huggingface_models, pretrainer, task, None)
    assert "the classifier's outputs are sigmoid of its logits" in message


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ("classifier", {"problem_type": "multi_label_classification"}, "problem_type is 'multi_"),
        ("classifier", {"id2label": {"0": "a", "2": "b"}}, "expected id2label"),
        ("classifier", {"id2label": {"0": "a", "1": 3}}, "id2label names 3"),
        ("classifier", {"id2label": ["a"]}, "expected id2label"),
        ("classifier", {"id2label": {}}, "expected id2label"),
        ("classifier", {"id2label": {"0": "a", "1": "b"}}, "has shape 3x16, the model wants 2x16"),
        ("classifier", {"classifier_dropout": 1}, "classifier_dropout is 1"),
        ("classifier", {"classifier_dropout": "0.1"}, "classifier_dropout is '0.1'"),
        ("regressor", {"id2label": {"0": "a", "1": "b"}}, "a regression with 2 labels"),
        ("tagger", {"id2label": {"0": "a", "1": "a"}}, "id2label: tags: expected one or more diff"),
        ("tagger", {"id2label": None, "num_labels": 10**12}, "num_labels is 1000000000000"),
        (
            "tagger",
            {"architectures": ["ElectraForPreTraining"]},
            "no place for, 2: classifier.bias",
        ),
    ],
    ids=str,
)
def test_heads_that_are_none_of_ours_are_refused(saved_task, tmp_path, kind, changes, expected):
    directory = saved_task(kind)
    change_config(directory, **changes)
    output = str(tmp_path / "out")
    assert expected in refusal(convert, "huggingface", "preset", str(directory), output)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("span_no_answer", "never"),
        ("span_no_answer", ["span"]),
        ("span_beam_size", 10**9),
        ("span_joint", 1),
        ("kernel_size", 7),
        ("layer_string", "CXF"),
        ("mask_convolution_padding", "yes"),
    ],
)
def test_other_lv_berts_are_refused(saved_task, tmp_path, name, value):
    directory = saved_task("span_predictor", "huggingface_lv_bert")
    change_config(directory, **{name: value})
    message = refusal(convert, "huggingface", "preset", str(directory), str(tmp_path / "out"))
    assert str(directory / "config.json") in message


def test_several_models_are_not_chosen_among(saved_task, tmp_path):
    for kind in ("classifier", "tagger"):
        saved_task(kind)
    message = refusal(convert, "huggingface", "preset", str(tmp_path), str(tmp_path / "out"))
    assert f"several models; give one of {tmp_path}/classifier, {tmp_path}/tagger" in message
