"""What convert_checkpoint.py does: round trips are exact, and nothing is lost in silence."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras_hub
import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

from lvbert_tf.conversion.conversion import convert
from lvbert_tf.errors import InputError
from lvbert_tf.interop import load_reference_checkpoint
from lvbert_tf.models import ElectraPretrainer, LVBertTokenizer
from lvbert_tf.runs.initialization import initialize, load_pretrainer
from lvbert_tf.runs.named_weights import named_weights
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.training.checkpoints import Checkpoints

ROOT = Path(__file__).parents[2]
CODES = {"tiny": "lv_bert", "electra_order": "lv_bert", "official_electra": "electra"}


def fixture_hparams(directory) -> str:
    config = json.loads((directory / "config.json").read_text())
    names = ("hidden_size", "num_attention_heads", "intermediate_size")
    overrides = {name: config[name] for name in names}
    size = config["generator_hidden_size"]
    return json.dumps({"generator_hidden_size": size, "model_hparam_overrides": overrides})


@pytest.fixture(scope="module")
def presets(fixtures, tmp_path_factory):
    """The reference's checkpoints, converted to our form."""
    directory = tmp_path_factory.mktemp("presets")
    for name in CODES:
        source = fixtures / name
        path = str(source / "model.ckpt")
        convert("reference", "preset", path, str(directory / name), fixture_hparams(source))
    return directory


def tensors_of(checkpoint) -> dict[str, np.ndarray]:
    """The weights; the step, which evaluation in the reference needs, is none."""
    reader = tf.train.load_checkpoint(str(checkpoint))
    names = set(reader.get_variable_to_shape_map()) - {"global_step"}
    return {name: reader.get_tensor(name) for name in names}


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert (ours[name].dtype, ours[name].shape) == (tensor.dtype, tensor.shape), name
        assert ours[name].tobytes() == tensor.tobytes(), name


def refusal(*arguments, **named):
    with pytest.raises(InputError) as caught:
        convert(*arguments, **named)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- Round trips


@pytest.mark.parametrize("name", CODES)
def test_the_reference_gets_back_what_it_wrote(fixtures, presets, tmp_path, name):
    output = tmp_path / "out"
    convert("preset", "reference", str(presets / name), str(output), reference_code=CODES[name])
    variables = ["global_step", "", *(fixtures / name / "variables.txt").read_text().split()]
    listed = {
        variable: "x".join(map(str, shape))
        for variable, shape in tf.train.list_variables(tf.train.latest_checkpoint(str(output)))
    }
    assert listed == dict(zip(variables[::2], variables[1::2], strict=True))
    assert_same(tensors_of(output / "model.ckpt"), tensors_of(fixtures / name / "model.ckpt"))
    assert (output / "vocab.txt").read_text() == (fixtures / name / "vocab.txt").read_text()


def test_a_graph_of_tensorflow_1_restores_what_was_written(presets, tmp_path):
    """As an Estimator of the reference does to evaluate: every variable and the step, or none."""
    convert("preset", "reference", str(presets / "tiny"), str(tmp_path / "out"))
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.train.get_or_create_global_step()
        for name, tensor in tensors_of(tmp_path / "out" / "model.ckpt").items():
            v1.get_variable(name, tensor.shape)
        v1.train.Saver().restore(session, tf.train.latest_checkpoint(str(tmp_path / "out")))
        assert session.run(step) == 0


@pytest.mark.parametrize("name", CODES)
def test_hparams_of_a_written_checkpoint_build_its_model(presets, tmp_path, name):
    output = tmp_path / "out"
    convert("preset", "reference", str(presets / name), str(output), reference_code=CODES[name])
    hparams = json.loads((output / "hparams.json").read_text())
    reports = []
    again = load_reference_checkpoint(str(output), hparams, reports.append)
    assert (reports[0].missing, reports[0].unused) == ((), ())
    before = load_pretrainer(presets / name, print)
    for part in ("discriminator", "generator"):
        ours, theirs = (getattr(model, part).get_config() for model in (again, before))
        assert {**ours, "name": ""} == {**theirs, "name": ""}


@pytest.mark.parametrize("name", ["electra_order", "official_electra"])
def test_from_the_reference_to_hugging_face_and_back(fixtures, tmp_path, name):
    source = fixtures / name
    there, back = tmp_path / "there", tmp_path / "back"
    path = str(source / "model.ckpt")
    convert("reference", "huggingface", path, str(there), fixture_hparams(source))
    convert("huggingface", "reference", str(there), str(back), reference_code=CODES[name])
    assert_same(tensors_of(back / "model.ckpt"), tensors_of(source / "model.ckpt"))


def test_from_hugging_face_to_a_preset_and_back(fixtures, tmp_path):
    source = fixtures / "huggingface"
    convert("huggingface", "preset", str(source), str(tmp_path / "there"))
    convert("preset", "huggingface", str(tmp_path / "there"), str(tmp_path / "back"))
    for part in ("discriminator", "generator"):
        ours, theirs = (
            safetensors.numpy.load_file(directory / part / "model.safetensors")
            for directory in (tmp_path / "back", source)
        )
        assert_same(ours, theirs)


# --- What a converted model is good for


def test_a_converted_model_is_a_model_directory(presets, tiny_config, capsys):
    directory = presets / "tiny"
    backbone = keras_hub.models.Backbone.from_preset(str(directory / "preset"))
    assert backbone.layer_string == "CAFFCA"
    assert not backbone.mask_convolution_padding  # the reference's convolution
    whole = load_pretrainer(directory, print)
    for ours, theirs in zip(backbone.weights, whole.discriminator.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    tokenizer = LVBertTokenizer.from_preset(str(directory / "preset"))
    assert tokenizer.vocabulary_size() == 120
    config = PretrainingConfig.from_json_dict(json.loads((directory / "config.json").read_text()))
    fresh = ElectraPretrainer.from_networks(config.networks)
    lines = []
    initialize(fresh, str(directory), lines.append)
    (line,) = lines  # so nothing was left over on either side
    assert line.startswith(f"initialised {len(named_weights(fresh))} of")


def test_it_is_no_run_to_continue(presets):
    model = load_pretrainer(presets / "tiny", print)
    run = Checkpoints(
        presets / "tiny" / "checkpoints", 0, weights=named_weights(model), step=tf.Variable(0)
    )
    with pytest.raises(InputError, match="name it as init_checkpoint"):
        run.restore_latest(print)


def test_a_preset_alone_has_no_generator_and_no_head(presets, tmp_path):
    path = str(presets / "official_electra" / "preset")
    convert("preset", "reference", path, str(tmp_path / "ckpt"))
    assert all(name.startswith("electra/") for name in tensors_of(tmp_path / "ckpt" / "model.ckpt"))
    convert("preset", "huggingface", path, str(tmp_path / "hf"))
    assert [entry.name for entry in (tmp_path / "hf").iterdir()] == ["discriminator"]
    tensors = safetensors.numpy.load_file(tmp_path / "hf" / "discriminator" / "model.safetensors")
    assert all(name.startswith("electra.") for name in tensors)


# --- Nothing is lost in silence


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


@pytest.mark.parametrize("name", ["tiny", "official_electra"])
def test_there_and_back_with_code_of_our_own(presets, tmp_path, name):
    path = str(presets / name)
    convert("preset", "huggingface", path, str(tmp_path / "there"), huggingface_code="lv_bert")
    for part in ("discriminator", "generator"):
        written = {file.name for file in (tmp_path / "there" / part).iterdir()}
        assert written >= {f"{what}_lv_bert.py" for what in ("configuration", "modeling", "layers")}
        config = json.loads((tmp_path / "there" / part / "config.json").read_text())
        assert {name.partition(".")[0] for name in config["auto_map"].values()} == {
            *("configuration_lv_bert", "modeling_lv_bert")
        }
    convert("huggingface", "preset", str(tmp_path / "there"), str(tmp_path / "back"))
    before, after = (load_pretrainer(directory, print) for directory in (path, tmp_path / "back"))
    theirs = named_weights(before)
    for weight_name, weight in named_weights(after).items():
        np.testing.assert_array_equal(weight, theirs[weight_name], err_msg=weight_name)
    assert not after.discriminator.mask_convolution_padding or name == "official_electra"


# --- The output


def test_an_output_that_exists_is_kept(presets, tmp_path, fixtures):
    output, path = tmp_path / "out", str(presets / "tiny")
    output.mkdir()
    (output / "mine.txt").write_text("mine")
    assert "is not empty" in refusal("preset", "reference", path, str(output))
    message = refusal("preset", "reference", path, str(output), overwrite=True)
    assert "holds 'mine.txt'" in message
    (output / "mine.txt").rename(output / "model.ckpt.old")
    convert("preset", "reference", path, str(output), overwrite=True)
    assert not (output / "model.ckpt.old").exists()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out"]


def test_the_program(fixtures, presets, tmp_path):
    source = shutil.copytree(presets / "official_electra", tmp_path / "source")

    def run(*arguments):
        return subprocess.run(
            [sys.executable, str(ROOT / "convert_checkpoint.py"), *arguments],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
        )

    arguments = ("--from", "preset", "--to=huggingface", f"--input={source}")
    done = run(*arguments, "--output", str(tmp_path / "out"))
    assert (done.returncode, done.stdout.count("\n")) == (0, 3), done.stderr
    assert (tmp_path / "out" / "generator" / "model.safetensors").exists()

    data = source / "checkpoints" / "step-00000000" / "state.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:5000])
    failed = run(*arguments, "--output", str(tmp_path / "other"))
    assert (failed.returncode, failed.stdout) == (2, "")
    assert "error: no checkpoint can be read" in failed.stderr.splitlines()[-1]
    assert not (tmp_path / "other").exists()
