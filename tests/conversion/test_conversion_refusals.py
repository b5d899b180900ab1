"""Nothing is lost in silence: what a conversion refuses or warns of."""

import json
import shutil

import numpy as np
import pytest
import safetensors.numpy
from conversions import fixture_hparams, refusal, tensors_of

from lvbert_tf.conversion.conversion import convert
from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.learning.starting_model import load_starting_model
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.models import ElectraPretrainer, LVBertTextClassifier
from lvbert_tf.runs.initialization import load_pretrainer
from lvbert_tf.runs.named_weights import named_weights
from lvbert_tf.training.checkpoints import Checkpoints


@pytest.fixture
def partial(fixtures, tmp_path):
    """A discriminator with a tensor too many and one too few."""
    directory = shutil.copytree(fixtures / "huggingface" / "discriminator", tmp_path / "partial")
    path = directory / "model.safetensors"
    tensors = safetensors.numpy.load_file(path)
    tensors["classifier.bias"] = np.zeros(2, np.float32)
    del tensors["discriminator_predictions.dense.bias"]
    safetensors.numpy.save_file(tensors, path)
    return directory


def test_tensors_without_a_counterpart_end_the_conversion(partial, tmp_path, capsys):
    output = tmp_path / "out"
    message = refusal("huggingface", "preset", str(partial), str(output))
    assert "what is read has tensors that our model has no place for, 1: classifier.bias" in message
    assert "lacks tensors of our model, 1: discriminator_predictions.dense.bias" in message
    assert not output.exists()
    convert("huggingface", "reference", str(partial), str(output), allow_partial=True)
    assert (
        "warning: what is read has tensors that our model has no place for, 1: classifier.bias"
        in capsys.readouterr().err
    )
    # What was not there is not made up.
    names = tensors_of(output / "model.ckpt").keys()
    assert "discriminator_predictions/dense/bias" not in names
    assert "discriminator_predictions/dense/kernel" in names


def test_two_towers_have_no_place_in_hugging_face(presets, tiny_config, randomize, tmp_path):
    source = tmp_path / "towers"
    shutil.copytree(presets / "tiny", source)
    config = tiny_config(
        vocab_size=120,
        custom_layer_list="AF",
        two_tower_generator=True,
        vocab_file=str(source / "vocab.txt"),
    )
    pretrainer = ElectraPretrainer.from_networks(config.networks)
    (source / "config.json").write_text(json.dumps(config.to_json_dict()))
    shutil.rmtree(source / "checkpoints")
    Checkpoints(source / "checkpoints", 0, weights=named_weights(pretrainer)).save(0)
    message = refusal("preset", "huggingface", str(source), str(tmp_path / "out"))
    assert "right_to_left_generator.layer_0" in message
    assert "masked_lm_head.output_bias" in message
    convert("preset", "reference", str(source), str(tmp_path / "ckpt"))
    again, saved = tmp_path / "again", named_weights(pretrainer)
    # hparams.json lies beside the checkpoint, so hparams need not be given.
    convert("reference", "preset", str(tmp_path / "ckpt"), str(again))
    for name, weight in named_weights(load_pretrainer(again, print)).items():
        np.testing.assert_array_equal(weight, saved[name], err_msg=name)


@pytest.mark.parametrize(
    ("hparams", "code", "expected"),
    [
        ({"custom_layer_list": "CAF"}, "lv_bert", "CAF has an odd length"),
        ({"custom_layer_list": "CAFA"}, "electra", "the layer string is CAFA; ELECTRA's code"),
        (
            {"custom_layer_list": "CAFA", "generator_layer_list": "AF"},
            "lv_bert",
            "the generator's layers are AF",
        ),
    ],
    ids=["odd", "strings", "generator"],
)
def test_what_the_reference_cannot_build_is_refused(
    tiny_pretrainer, tmp_path, hparams, code, expected
):
    pretrainer, config = tiny_pretrainer(**hparams)
    directory = tmp_path / "model"
    Checkpoints(directory / "checkpoints", 0, weights=named_weights(pretrainer)).save(0)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]
    (directory / "vocab.txt").write_text("\n".join(vocabulary))
    saved = config.to_json_dict()
    saved["hparams"]["vocab_file"] = str(directory / "vocab.txt")
    (directory / "config.json").write_text(json.dumps(saved))
    output = str(tmp_path / "out")
    assert expected in refusal("preset", "reference", str(directory), output, reference_code=code)
    message = refusal("preset", "huggingface", str(directory), output, huggingface_code="electra")
    assert "has only AF repeated" in message


@pytest.mark.parametrize("name", ["reference", "huggingface"])
def test_a_vocabulary_of_fewer_tokens_than_embeddings(fixtures, tmp_path, capsys, name):
    source = fixtures / "official_electra"  # of 110 rows
    path, hparams, rows = str(source / "model.ckpt"), fixture_hparams(source), 110
    if name == "huggingface":
        path, hparams, rows = str(fixtures / "huggingface"), "", 120
    lines = (source / "vocab.txt").read_text().splitlines(keepends=True)
    file = tmp_path / "short.txt"
    file.write_text("".join(lines[:40]))
    output = tmp_path / "out"
    arguments = (name, "preset", path, str(output), hparams, str(file))
    expected = f"has {rows} token embeddings, but its vocabulary has 40 tokens ({file})"
    message = refusal(*arguments)
    assert expected in message and "allow_partial" in message
    convert(*arguments, allow_partial=True)
    assert expected in capsys.readouterr().err
    # The preset says that they belong together.
    target = "reference" if name == "huggingface" else "huggingface"
    convert("preset", target, str(output), str(tmp_path / "again"))
    if name == "reference":
        asked = json.dumps({**json.loads(hparams), "vocab_size": rows})
        convert(name, "preset", path, str(tmp_path / "asked"), asked, str(file))


def test_bad_requests_are_refused(fixtures, presets, tmp_path):
    output = str(tmp_path / "out")
    tiny, preset = str(fixtures / "tiny" / "model.ckpt"), str(presets / "tiny")
    assert "nothing to convert" in refusal("preset", "preset", preset, output)
    assert "hparams describe reference" in refusal("preset", "huggingface", preset, output, "{}")
    assert f"no model at {tmp_path}: " in refusal("preset", "reference", str(tmp_path), output)
    short = tmp_path / "short.txt"
    short.write_text((fixtures / "tiny" / "vocab.txt").read_text() + "more\n")
    message = refusal(
        "reference", "preset", tiny, output, fixture_hparams(fixtures / "tiny"), str(short)
    )
    assert "120 token embeddings, but its vocabulary has 121" in message
    for file in (fixtures / "tiny").glob("model.ckpt*"):
        shutil.copy(file, tmp_path)
    alone = str(tmp_path / "model.ckpt")
    message = refusal("reference", "preset", alone, output, fixture_hparams(fixtures / "tiny"))
    assert "has no vocabulary; name it with vocab_file" in message


@pytest.mark.parametrize("target", ["reference", "huggingface", "compact"])
def test_a_quantised_model_is_refused(presets, tmp_path, target):
    """The file has 8-bit numbers for its weights, and their scales."""
    classifier = LVBertTextClassifier.from_preset(
        str(presets / "official_electra" / "preset"), num_classes=2
    )
    classifier.quantize("int8")
    smaller = tmp_path / "smaller"
    classifier.save_to_preset(str(smaller))
    message = refusal("preset", target, str(smaller), str(tmp_path / "out"))
    assert message.startswith(f"{smaller} is quantised (int8)")
    settings = FinetuningConfig.create(
        str(tmp_path), "m", {"init_checkpoint": str(smaller)}
    ).starting_model
    with pytest.raises(InputError, match=r"smaller is quantised \(int8\)"):
        load_starting_model(settings, "float32", print)


def test_no_conversion_replaces_what_it_reads(fixtures, presets, tmp_path):
    source = tmp_path / "model"
    shutil.copytree(presets / "tiny", source)
    not_ours = shutil.ignore_patterns("pretraining.npz", "variables.txt")
    shutil.copytree(fixtures / "tiny", tmp_path / "reference", ignore=not_ours)
    hparams = fixture_hparams(fixtures / "tiny")
    for arguments in (
        ("preset", "compact", source, source),
        ("preset", "reference", source / "preset", source),
        ("preset", "huggingface", source, tmp_path / "x" / ".." / "model"),
        (
            "reference",
            "preset",
            tmp_path / "reference" / "model.ckpt",
            tmp_path / "reference",
            hparams,
        ),
    ):
        message = refusal(*map(str, arguments), overwrite=True)
        assert message.endswith("itself, which --overwrite would remove")
    assert (source / "checkpoints").exists()
    assert (tmp_path / "reference" / "model.ckpt.index").exists()


def test_a_path_of_another_format_is_named(fixtures, presets, tmp_path):
    output, preset = str(tmp_path / "out"), presets / "official_electra"
    huggingface = fixtures / "huggingface" / "discriminator"
    reference = fixtures / "tiny" / "model.ckpt"
    for kind, path, expected in (
        ("preset", huggingface, "a model of Hugging Face's transformers; give it with --from hugg"),
        ("reference", huggingface, "a model of Hugging Face's transformers; give it with --from"),
        ("huggingface", preset, "the directory of a run; give it with --from preset"),
        ("huggingface", preset / "preset", "a KerasHub preset; give it with --from preset"),
        ("reference", preset / "preset", "a KerasHub preset; give it with --from preset"),
        (
            "preset",
            reference,
            "a checkpoint of the reference's code; give it with --from reference",
        ),
        ("huggingface", reference, "a checkpoint of the reference's code; give it with --from ref"),
    ):
        target = "reference" if kind != "reference" else "preset"
        assert refusal(kind, target, str(path), output).startswith(f"{path} is {expected}")
    for what, file, expected in (
        (
            "export",
            "1/saved_model.pb",
            "a SavedModel, which is for serving; give the model that",
        ),
        ("search", "study.journal", "the directory of a search; give the run of a string"),
        (
            "trials",
            "sst_1/presets/sst/config.json",
            "a directory of trials of fine-tuning; give one",
        ),
    ):
        (tmp_path / what / file).parent.mkdir(parents=True)
        (tmp_path / what / file).write_text("{}")
        message = refusal("preset", "huggingface", str(tmp_path / what), output)
        assert message.startswith(f"{tmp_path / what} is {expected}")
    message = refusal("huggingface", "preset", str(huggingface), output, task="sst")
    assert "--task sst chooses among the models of a trial" in message
