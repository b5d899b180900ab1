"""Saved as a preset and loaded again: the same model, by our classes and by KerasHub's."""

import json
import shutil

import keras_hub
import numpy as np
import pytest
from tiny_presets import (
    KINDS,
    SENTENCES,
    TOKENS,
    assert_same,
    inputs_of,
    make_backbone,
    make_task,
    outputs_of,
)

from lvbert_tf.errors import InputError
from lvbert_tf.models import (
    LVBertBackbone,
    LVBertSpanPredictor,
    LVBertSpanPredictorPreprocessor,
    LVBertTextClassifier,
    LVBertTextClassifierPreprocessor,
    LVBertTextRegressor,
    LVBertTokenizer,
    LVBertTokenTagger,
    LVBertTokenTaggerPreprocessor,
)
from lvbert_tf.presets.directory import has_stamp, load_preset, write_stamp


@pytest.fixture(scope="module")
def saved(tmp_path_factory, randomize):
    """By kind: a task, and the preset it is saved as."""
    made = {}

    def save(kind):
        if kind not in made:
            directory = tmp_path_factory.mktemp(kind) / "preset"
            task = make_task(kind, randomize)
            task.save_to_preset(str(directory))
            made[kind] = task, str(directory)
        return made[kind]

    return save


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory, randomize):
    """A backbone, and the preset of it and a tokenizer that pre-training leaves."""
    directory = str(tmp_path_factory.mktemp("pretrained") / "preset")
    backbone = make_backbone(randomize)
    backbone.save_to_preset(directory)
    LVBertTokenizer(TOKENS).save_to_preset(directory)
    return backbone, directory


def assert_same_weights(ours, theirs):
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=one.path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_comes_back_as_it_was(saved, kind):
    task, directory = saved(kind)
    assert_same(type(task).from_preset(directory), task)


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("entry", [LVBertTokenizer, keras_hub.tokenizers.Tokenizer])
def test_a_tokenizer_comes_back_as_it_was(pretrained, tmp_path, entry, lowercase):
    backbone, _ = pretrained
    tokenizer = LVBertTokenizer(TOKENS, lowercase, strip_accents=False)
    backbone.save_to_preset(str(tmp_path))
    tokenizer.save_to_preset(str(tmp_path))
    again = entry.from_preset(str(tmp_path))
    assert type(again) is LVBertTokenizer
    assert again.get_config() == tokenizer.get_config()
    assert again.get_vocabulary() == TOKENS
    text = [*SENTENCES, "ANN É"]
    assert again(text) == tokenizer(text)


@pytest.mark.parametrize(
    ("kind", "preprocessor"),
    [
        ("classifier", LVBertTextClassifierPreprocessor),
        ("tagger", LVBertTokenTaggerPreprocessor),
        ("span", LVBertSpanPredictorPreprocessor),
    ],
    ids=["classifier", "tagger", "span"],
)
def test_a_preprocessor_comes_back_by_itself(saved, tmp_path, kind, preprocessor):
    task, directory = saved(kind)
    again = preprocessor.from_preset(directory)
    assert again.get_config() == task.preprocessor.get_config()
    alone = str(tmp_path / "alone")
    task.backbone.save_to_preset(alone)
    again.save_to_preset(alone)
    assert preprocessor.from_preset(alone).get_config() == again.get_config()


@pytest.mark.parametrize(
    "entry", [keras_hub.models.TextClassifier, LVBertTextClassifier], ids=["kerashub", "ours"]
)
def test_kerashubs_entry_points_find_our_classes(saved, pretrained, entry):
    task, directory = saved("classifier")
    assert_same(entry.from_preset(directory), task)
    fresh = entry.from_preset(pretrained[1], num_classes=2)
    assert isinstance(fresh, LVBertTextClassifier)
    assert_same_weights(fresh.backbone, pretrained[0])
    preprocessor = keras_hub.models.TextClassifierPreprocessor.from_preset(directory)
    assert preprocessor.get_config() == task.preprocessor.get_config()


@pytest.mark.parametrize("entry", [LVBertBackbone, keras_hub.models.Backbone])
@pytest.mark.parametrize("kind", ["classifier", "span"])
def test_a_tasks_preset_is_also_one_of_its_backbone(saved, entry, kind):
    task, directory = saved(kind)
    again = entry.from_preset(directory)
    assert again.get_config() == task.backbone.get_config()
    assert_same_weights(again, task.backbone)


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        (LVBertTextClassifier, {"num_classes": 2}),
        (LVBertTextRegressor, {}),
        (LVBertTokenTagger, {"tags": ["A", "B"]}),
        (LVBertSpanPredictor, {"no_answer": "span"}),
    ],
    ids=["classifier", "regressor", "tagger", "span"],
)
def test_a_backbones_preset_becomes_a_task_with_a_fresh_head(pretrained, saved, task, settings):
    backbone, directory = pretrained
    other, others = saved("classifier" if task is LVBertTokenTagger else "tagger")
    for encoder, preset in ((backbone, directory), (other.backbone, others)):
        made = task.from_preset(preset, **settings)
        assert_same_weights(made.backbone, encoder)
        assert len(made.weights) > len(backbone.weights)
        assert made.preprocessor.tokenizer.get_vocabulary() == TOKENS


def test_other_classes_than_before(saved):
    """`num_classes` asks for a fresh head on the tuned encoder, as KerasHub documents it."""
    task, directory = saved("classifier")
    other = LVBertTextClassifier.from_preset(directory, num_classes=4, labels=None)
    assert outputs_of(other)["output"].shape == (2, 4)
    assert_same_weights(other.backbone, task.backbone)


@pytest.mark.parametrize("kind", ["classifier", "span"])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
def test_loaded_in_another_precision(saved, kind, policy):
    task, directory = saved(kind)
    low = type(task).from_preset(directory, dtype=policy)
    assert low.backbone.dtype_policy.name == policy
    vectors = low.backbone(inputs_of(low))["sequence_output"]
    expected = task.backbone(inputs_of(task))["sequence_output"]
    assert vectors.dtype == "bfloat16"
    assert np.abs(np.asarray(vectors, np.float32) - expected).max() < 0.2
    assert low.get_config()["name"] == task.get_config()["name"]


@pytest.mark.parametrize("kind", ["classifier", "span"])
def test_loaded_without_weights(saved, kind):
    task, directory = saved(kind)
    fresh = type(task).from_preset(directory, load_weights=False)
    settings, expected = fresh.get_config(), task.get_config()
    assert settings == expected
    kernel = fresh.backbone.encoder_layers[0].output_dense.kernel
    assert np.abs(kernel - task.backbone.encoder_layers[0].output_dense.kernel).max() > 0.1
    backbone = LVBertBackbone.from_preset(directory, load_weights=False, layer_string="AF")
    assert backbone.layer_string == "AF"  # nothing is loaded that could contradict


def test_settings_that_no_weight_depends_on_can_be_changed(pretrained):
    backbone, directory = pretrained
    changes = {"dropout": 0.0, "attention_dropout": 0.3, "mask_convolution_padding": False}
    again = LVBertBackbone.from_preset(directory, **changes)
    assert {name: getattr(again, name) for name in changes} == changes
    assert_same_weights(again, backbone)


def test_weights_in_several_files(pretrained, tmp_path):
    backbone, _ = pretrained
    backbone.save_to_preset(str(tmp_path), max_shard_size=8e-6)
    shards = sorted(path.name for path in tmp_path.glob("*.weights.*"))
    assert shards[0] == "model.weights.json" and len(shards) > 2
    assert_same_weights(LVBertBackbone.from_preset(str(tmp_path)), backbone)


def test_another_vocabulary_is_refused(saved, tmp_path):
    """Its ids would mean other tokens."""
    shutil.copytree(saved("classifier")[1], tmp_path / "preset")
    file = tmp_path / "preset" / "assets" / "tokenizer" / "vocabulary.txt"
    file.write_text("".join(f"{token}\n" for token in reversed(TOKENS)))
    for load in (LVBertTokenizer.from_preset, LVBertTextClassifier.from_preset):
        with pytest.raises(InputError, match="is not the one that the preset was saved with"):
            load(str(tmp_path / "preset"))
    file.write_bytes("\r\n".join(TOKENS).encode())  # line ends make no other vocabulary
    assert LVBertTokenizer.from_preset(str(tmp_path / "preset")).get_vocabulary() == TOKENS


def test_the_metadata_name_the_tasks(pretrained):
    with open(f"{pretrained[1]}/metadata.json", encoding="utf-8") as file:
        metadata = json.load(file)
    assert metadata["tasks"] == ["Task", "TextClassifier"]
    assert metadata["parameter_count"] == pretrained[0].count_params()


def test_a_changed_file_of_a_stamped_preset_is_refused(saved, tmp_path):
    """A damaged digit of a configuration is a digit still, and the weights load all the same."""
    preset = tmp_path / "preset"
    shutil.copytree(saved("classifier")[1], preset)
    write_stamp(preset, 7, "weights")
    assert has_stamp(preset, 7, "weights")
    assert not has_stamp(preset, 8, "weights") and not has_stamp(preset, 7, "others")
    load_preset(LVBertTextClassifier, preset)
    config = json.loads((preset / "config.json").read_text())
    config["config"]["dropout"] += 0.5
    (preset / "config.json").write_text(json.dumps(config))
    assert not has_stamp(preset, 7, "weights")
    with pytest.raises(InputError, match=r"config.json is not the file .* remove step.json"):
        load_preset(LVBertTextClassifier, preset)
    (preset / "step.json").unlink()  # the user has changed it on purpose
    load_preset(LVBertTextClassifier, preset)


def test_a_stamp_of_an_earlier_release_has_no_hashes(saved, tmp_path):
    preset = tmp_path / "preset"
    shutil.copytree(saved("classifier")[1], preset)
    (preset / "step.json").write_text('{"step": 7}')
    assert not has_stamp(preset, 7, "weights")
    load_preset(LVBertTextClassifier, preset)


def test_models_of_one_vocabulary_share_what_was_traced(pretrained):
    ours = LVBertTokenizer(TOKENS)
    loaded = LVBertTokenizer.from_preset(pretrained[1])
    assert loaded.tokenizer is ours.tokenizer
    others = (LVBertTokenizer(TOKENS, lowercase=False), LVBertTokenizer([*TOKENS, "more"]))
    assert all(other.tokenizer is not ours.tokenizer for other in others)
