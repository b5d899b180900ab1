"""Models that transformers saved give its logits here, and are written back as they were."""

import json
import shutil

import numpy as np
import pytest
import safetensors.numpy

from lvbert_tf.errors import InputError
from lvbert_tf.interop.huggingface_formats import ELECTRA, LV_BERT
from lvbert_tf.interop.huggingface_reading import load_huggingface
from lvbert_tf.interop.huggingface_tokenizer import read_tokenizer, write_tokenizer
from lvbert_tf.interop.huggingface_writing import huggingface_models, write_huggingface
from lvbert_tf.models import ElectraPretrainer

PARTS = ("discriminator", "generator")
EVERY_POSITION = np.tile(np.arange(12), (3, 1))


@pytest.fixture(scope="module")
def saved(fixtures):
    """What transformers wrote; see transformers_models.py."""
    return fixtures / "huggingface"


@pytest.fixture(scope="module")
def pair(saved):
    return load_huggingface(str(saved))


@pytest.fixture
def copied(saved, tmp_path):
    """A copy of one part, to spoil."""

    def copy(part):
        return shutil.copytree(saved / part, tmp_path / part)

    return copy


def logits_of(pretrainer: ElectraPretrainer, inputs) -> dict[str, np.ndarray]:
    found = {}
    if pretrainer.replaced_token_head is not None:
        found["discriminator"] = pretrainer.replaced_token_logits(inputs)
    if pretrainer.generator is not None:
        found["generator"] = pretrainer.masked_lm_logits(inputs, EVERY_POSITION)
    return found


def assert_same_logits(pretrainer, directory, parts):
    inputs, expected = (dict(np.load(directory / f"{name}.npz")) for name in ("inputs", "logits"))
    found = logits_of(pretrainer, inputs)
    assert set(found) == set(parts)
    real = inputs["padding_mask"] == 1
    for part in parts:
        np.testing.assert_allclose(
            np.asarray(found[part])[real], expected[part][real], rtol=0, atol=1e-5
        )


def change_tensors(directory, change):
    path = directory / "model.safetensors"
    tensors = safetensors.numpy.load_file(path)
    change(tensors)
    safetensors.numpy.save_file(tensors, path, metadata={"format": "pt"})


def change_config(directory, **changes):
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refusal(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- Reading


def test_the_pair_gives_the_logits_of_transformers(saved, pair):
    pretrainer, config, report = pair
    assert (report.missing, report.unused) == ((), ())
    assert str(config.layer_string) == "AFAF"
    assert pretrainer.generator.embeddings is pretrainer.discriminator.embeddings
    assert_same_logits(pretrainer, saved, PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_each_alone_gives_its_logits(saved, part):
    pretrainer, _, report = load_huggingface(str(saved / part))
    assert (report.missing, report.unused) == ((), ())
    assert_same_logits(pretrainer, saved, (part,))


@pytest.mark.parametrize("part", PARTS)
def test_the_tokenizer_gives_the_ids_of_transformers(saved, part, tmp_path):
    expected = np.load(saved / "logits.npz")[f"{part}_token_ids"].tolist()
    tokenizer = read_tokenizer(saved / part)
    write_tokenizer(tokenizer, 12, tmp_path)  # then vocab.txt is read, not tokenizer.json
    for one in (tokenizer, read_tokenizer(tmp_path)):
        text = one("tok1 TOK20, sea [MASK]").numpy().tolist()
        cls, sep = one.token_to_id("[CLS]"), one.token_to_id("[SEP]")
        mask = one.token_to_id("[MASK]")
        # Text that spells a special token is text to us, and the token to transformers.
        assert expected[-2:] == [mask, sep]
        assert [cls, *text][: len(expected) - 2] == expected[:-2]
        assert (one.lowercase, one.strip_accents) == (True, None)


def test_a_generator_with_embeddings_of_its_own(saved, copied):
    for part in PARTS:
        directory = copied(part)
    name = "electra.embeddings.LayerNorm.bias"
    change_tensors(directory, lambda tensors: tensors.update({name: tensors[name] + 1}))
    pretrainer, config, _ = load_huggingface(str(directory.parent))
    assert config.untied_generator_embeddings
    bias = safetensors.numpy.load_file(directory / "model.safetensors")[name]
    np.testing.assert_array_equal(pretrainer.generator.embeddings.layer_norm.beta, bias)
    assert np.any(pretrainer.discriminator.embeddings.layer_norm.beta.numpy() != bias)


def test_older_files_have_buffers_and_a_copy_of_the_table(saved, copied):
    def change(tensors):
        tensors["electra.embeddings.position_ids"] = np.arange(12)[None]
        table = tensors["electra.embeddings.word_embeddings.weight"]
        tensors["generator_lm_head.weight"] = table.copy()

    directory = copied("generator")
    change_tensors(directory, change)
    pretrainer, _, report = load_huggingface(str(directory))
    assert (report.missing, report.unused) == ((), ())
    assert_same_logits(pretrainer, saved, ("generator",))


def test_a_model_without_prefix_and_head(saved, copied):
    def change(tensors):
        for name in list(tensors):
            tensor = tensors.pop(name)
            if name.startswith("electra."):
                tensors[name.removeprefix("electra.")] = tensor

    directory = copied("discriminator")
    change_tensors(directory, change)
    pretrainer, _, report = load_huggingface(str(directory))
    assert len(report.missing) == 4
    assert all(name.startswith("discriminator_predictions.") for name in report.missing)
    assert set(map(id, report.fresh)) == set(map(id, pretrainer.replaced_token_head.weights))


# --- Writing


@pytest.fixture(scope="module")
def written(saved, pair, tmp_path_factory):
    directory = tmp_path_factory.mktemp("written")
    tokenizer = read_tokenizer(saved / "generator")
    for model in huggingface_models(pair[0], None, None):
        write_huggingface(model, model.weights, tokenizer, directory)
    return directory


@pytest.mark.parametrize("part", PARTS)
def test_the_same_tensors_are_written(saved, written, part):
    theirs = safetensors.numpy.load_file(saved / part / "model.safetensors")
    ours = safetensors.numpy.load_file(written / part / "model.safetensors")
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert (ours[name].dtype, ours[name].shape) == (tensor.dtype, tensor.shape), name
        assert ours[name].tobytes() == tensor.tobytes(), name
    with safetensors.safe_open(written / part / "model.safetensors", "numpy") as file:
        assert file.metadata() == {"format": "pt"}


@pytest.mark.parametrize("part", PARTS)
def test_the_same_configuration_is_written(saved, written, part):
    theirs = json.loads((saved / part / "config.json").read_text())
    ours = json.loads((written / part / "config.json").read_text())
    assert ours.pop("position_embedding_type") == "absolute"  # which transformers 4 writes
    assert {name: theirs[name] for name in ours} == ours


@pytest.mark.parametrize(
    "hparams",
    [{"custom_layer_list": "CAF"}, {"custom_layer_list": "AF", "generator_layer_list": "FA"}],
    ids=["discriminator", "generator"],
)
def test_other_strings_are_none_of_electra(tiny_pretrainer, hparams):
    pretrainer = tiny_pretrainer(**hparams)[0]
    message = refusal(huggingface_models, pretrainer, None, ELECTRA)
    assert "it has only AF repeated" in message
    assert {model.code for model in huggingface_models(pretrainer, None, None)} == {LV_BERT}
    assert ("FA" if "generator_layer_list" in hparams else "CAF") in message


# --- What cannot be read


def test_a_pickle_is_not_read(copied):
    directory = copied("discriminator")
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    assert "convert it to model.safetensors" in refusal(load_huggingface, str(directory))


@pytest.mark.parametrize("size", [0, 7, 500, 60_000])
def test_a_truncated_file_is_refused(copied, size):
    directory = copied("discriminator")
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    assert "model.safetensors cannot be read" in refusal(load_huggingface, str(directory))


def test_missing_files_are_refused(tmp_path, copied):
    assert "no config.json" in refusal(load_huggingface, str(tmp_path))
    directory = copied("discriminator")
    (directory / "model.safetensors").unlink()
    assert "model.safetensors cannot be read" in refusal(load_huggingface, str(directory))
    (directory / "config.json").write_text("{")
    assert "config.json is not JSON" in refusal(load_huggingface, str(directory))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model_type", "bert"),
        ("hidden_act", "gelu_new"),
        ("layer_norm_eps", 1e-5),
        ("is_decoder", True),
        ("num_hidden_layers", "2"),
        ("num_hidden_layers", 10**9),
        ("num_attention_heads", 5),
        ("hidden_size", "wide"),
    ],
    ids=lambda value: str(value),
)
def test_configurations_of_other_models_are_refused(copied, name, value):
    directory = copied("discriminator")
    change_config(directory, **{name: value})
    message = refusal(load_huggingface, str(directory))
    ours = {"num_attention_heads": "num_heads", "hidden_size": "hidden_dim"}.get(name, name)
    assert "config.json" in message
    assert ours in message


def test_tensors_of_another_kind_are_refused(copied):
    directory = copied("generator")
    name = "generator_lm_head.bias"
    change_tensors(directory, lambda t: t.update({name: t[name].astype(np.float64)}))
    assert f"{name} is F64; expected F32, F16 or BF16" in refusal(load_huggingface, str(directory))
    change_tensors(directory, lambda t: t.update({name: np.zeros(7, np.float32)}))
    assert f"{name} has shape 7, the model wants 120" in refusal(load_huggingface, str(directory))
    change_tensors(
        directory, lambda t: t.update({"generator_lm_head.weight": np.ones((120, 16), np.float32)})
    )
    assert "an output matrix of its own" in refusal(load_huggingface, str(directory))


def test_a_pair_that_does_not_fit_is_refused(saved, copied):
    for part in PARTS:
        directory = copied(part)
    change_config(directory, num_attention_heads=2)
    message = refusal(load_huggingface, str(directory.parent))
    assert "num_heads: 1 follows from the discriminator, 2 in " in message
    assert f"{directory}/config.json" in message
    shutil.rmtree(directory)
    shutil.copytree(saved / "discriminator", directory)
    assert "two of a kind" in refusal(load_huggingface, str(directory.parent))


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("tokenizer.json", {"model": {"type": "BPE", "vocab": {}}}, "not WordPiece"),
        ("tokenizer.json", {"model": {"type": "WordPiece", "vocab": {"a": 5}}}, "not 0 to 0"),
        ("tokenizer.json", {"model": {"type": "WordPiece", "vocab": {"a": 0}}}, "lacks [PAD]"),
        ("tokenizer.json", ["a"], "expected {"),
    ],
    ids=["BPE", "ids", "special tokens", "list"],
)
def test_other_tokenizers_are_refused(copied, file, content, expected):
    directory = copied("discriminator")
    (directory / file).write_text(json.dumps(content))
    assert expected in refusal(read_tokenizer, directory)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("handle_chinese_chars", False, "handle_chinese_chars true"),
        ("lowercase", "yes", "lowercase must be true or false"),
        ("type", "Lowercase", "normalizer is not BERT's"),
    ],
)
def test_other_normalizers_are_refused(copied, name, value, expected):
    directory = copied("discriminator")
    content = json.loads((directory / "tokenizer.json").read_text())
    content["normalizer"][name] = value
    (directory / "tokenizer.json").write_text(json.dumps(content))
    assert expected in refusal(read_tokenizer, directory)
