"""Files of weights: of which architecture they are, whole, and read from nowhere else."""

import json
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from tiny_presets import LAYERS, make_backbone, make_task

from lvbert_tf.errors import InputError
from lvbert_tf.models import LVBertBackbone, LVBertTextClassifier


@pytest.fixture(scope="module")
def backbone(randomize):
    return make_backbone(randomize)


@pytest.fixture(scope="module")
def preset(backbone, tmp_path_factory):
    directory = tmp_path_factory.mktemp("weights") / "preset"
    backbone.save_to_preset(str(directory))
    return directory


@pytest.fixture
def file(preset, tmp_path):
    """A copy of the weights, to be spoiled."""
    return Path(shutil.copy(preset / "model.weights.h5", tmp_path))


def refusal(action, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        action(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "layers", ["CA", "CAFA", "FAC", "AAF"], ids=["prefix", "longer", "permuted", "other"]
)
def test_another_string_is_refused_with_both(preset, randomize, layers):
    """Keras alone loads a prefix of the string without a word."""
    expected = f"layer_string {LAYERS}, not {layers}"
    said = refusal(LVBertBackbone.from_preset, str(preset), layer_string=layers)
    assert said == f"{preset}/model.weights.h5 has weights of another model: {expected}"
    other = make_backbone(randomize, layers)
    before = other.get_weights()
    assert expected in refusal(other.load_weights, preset / "model.weights.h5")
    assert all(np.array_equal(*pair) for pair in zip(before, other.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden_dim", 8), ("num_heads", 4), ("max_sequence_length", 11), ("embedding_dim", 16)],
)
def test_other_sizes_are_refused_by_name(preset, backbone, name, value):
    said = refusal(LVBertBackbone.from_preset, str(preset), **{name: value})
    assert said.endswith(f"another model: {name} {getattr(backbone, name)}, not {value}")


def test_the_weights_of_tasks_are_those_of_one_string(randomize, tmp_path):
    task, other = (make_task("classifier", randomize, layers) for layers in (LAYERS, "CA"))
    task.save_task_weights(tmp_path / "head.weights.h5")
    task.save_weights(tmp_path / "all.weights.h5")
    for load, name in ((other.load_task_weights, "head"), (other.load_weights, "all")):
        assert f"layer_string {LAYERS}, not CA" in refusal(load, tmp_path / f"{name}.weights.h5")
    again = LVBertTextClassifier.from_config(task.get_config())
    again.load_weights(tmp_path / "all.weights.h5")
    for one, expected in zip(again.weights, task.weights, strict=True):
        np.testing.assert_array_equal(one, expected)


def test_whoever_asks_for_it_gets_what_fits(preset, backbone, randomize):
    shorter = make_backbone(randomize, "CA", max_sequence_length=5)
    with pytest.warns(UserWarning, match="could not be loaded"):
        shorter.load_weights(preset / "model.weights.h5", skip_mismatch=True)
    for ours, theirs in zip(shorter.encoder_layers, backbone.encoder_layers, strict=False):
        np.testing.assert_array_equal(ours.output_dense.kernel, theirs.output_dense.kernel)


def test_files_that_keras_alone_wrote_are_read(backbone, randomize, tmp_path):
    keras.saving.save_weights(backbone, tmp_path / "plain.weights.h5")
    again = LVBertBackbone.from_config(backbone.get_config())
    again.load_weights(tmp_path / "plain.weights.h5")
    for one, expected in zip(again.weights, backbone.weights, strict=True):
        np.testing.assert_array_equal(one, expected)


def test_a_seal_with_fewer_fields_is_compared_as_far_as_it_goes(file, backbone, randomize):
    """As a file may have it that was written before a field was added to encoders."""
    with h5py.File(file, "r+") as opened:
        seal = json.loads(opened.attrs["lvbert_tf"])
        architecture = seal["architecture"]
        assert set(architecture) == {
            *("vocabulary_size", "layer_string", "num_heads", "hidden_dim", "intermediate_dim"),
            *("embedding_dim", "max_sequence_length", "num_segments"),
        }
        del architecture["num_segments"], seal["quantization"]
        opened.attrs["lvbert_tf"] = json.dumps(seal)
    again = LVBertBackbone.from_config(backbone.get_config())
    again.load_weights(file)
    assert all(map(np.array_equal, again.get_weights(), backbone.get_weights()))
    other = make_backbone(randomize, "CA")
    assert f"layer_string {LAYERS}, not CA" in refusal(other.load_weights, file)


# --- Damage


@pytest.mark.parametrize("part", [0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999])
def test_a_truncated_file_is_one_line(file, backbone, part):
    content = file.read_bytes()
    file.write_bytes(content[: int(part * len(content))])
    assert refusal(backbone.load_weights, file).startswith(f"{file} is damaged: ")


def test_every_changed_number_is_noticed(file, backbone):
    with h5py.File(file, "r+") as opened:
        names = []
        opened.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
    assert len(names) == len(backbone.weights)
    content = file.read_bytes()
    for name in names[::5]:
        file.write_bytes(content)
        with h5py.File(file, "r+") as opened:
            opened[name][..., -1] += 1e-3
        said = refusal(backbone.load_weights, file)
        assert said == f"{file} is damaged: its weights are not those that were saved"


def test_changed_bytes_are_one_line_or_no_harm(file, backbone):
    """Anywhere in the file; HDF5 leaves some bytes unused."""
    content = file.read_bytes()
    expected = backbone.get_weights()
    again = LVBertBackbone.from_config(backbone.get_config())
    random = np.random.default_rng(0)
    for place in [*range(0, 96, 8), *random.integers(0, len(content), 40)]:
        changed = bytearray(content)
        changed[place] ^= 0x55
        file.write_bytes(changed)
        try:
            again.load_weights(file)
        except InputError as error:
            assert "\n" not in str(error) and str(file) in str(error)
        else:
            assert all(map(np.array_equal, again.get_weights(), expected))


# --- References to elsewhere

NAME = "layers/embeddings/vars/0"


def external_link(opened, outside):
    del opened[NAME]
    opened[NAME] = h5py.ExternalLink(str(outside), NAME)


def external_group(opened, outside):
    del opened["layers/embeddings"]
    opened["layers/embeddings"] = h5py.ExternalLink(str(outside), "layers/embeddings")


def soft_link(opened, outside):
    del opened[NAME]
    opened[NAME] = h5py.SoftLink(f"/{NAME[:-1]}1")


def external_storage(opened, outside):
    shape = opened[NAME].shape
    del opened[NAME]
    opened.create_dataset(NAME, shape, "f4", external=[(str(outside), 0, h5py.h5f.UNLIMITED)])


def virtual(opened, outside):
    shape = opened[NAME].shape
    del opened[NAME]
    layout = h5py.VirtualLayout(shape, "f4")
    layout[:] = h5py.VirtualSource(str(outside), NAME, shape)
    opened.create_virtual_dataset(NAME, layout)


def compressed(opened, outside):
    values = opened[NAME][()]
    del opened[NAME]
    opened.create_dataset(NAME, data=values, compression="gzip")


def enormous(opened, outside):
    del opened[NAME]
    opened.create_dataset(NAME, (1 << 40,), "f4")


def texts(opened, outside):
    del opened[NAME]
    opened[NAME] = ["a", "b"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (external_link, f"{NAME} is a link"),
        (external_group, "layers/embeddings is a link"),
        (soft_link, f"{NAME} is a link"),
        (external_storage, f"{NAME} is in another file"),
        (virtual, f"{NAME} is in another file"),
        (compressed, f"{NAME} is compressed"),
        (enormous, f"{NAME} holds fewer numbers than it claims"),
        (texts, f"{NAME} holds no numbers"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_not_in_the_file_is_refused(file, preset, backbone, tmp_path, spoil, message):
    outside = Path(shutil.copy(preset / "model.weights.h5", tmp_path / "outside.h5"))
    with h5py.File(file, "r+") as opened:
        if spoil is external_link:  # that HDF5 would follow it
            external_link(opened, outside)
            assert opened[NAME].shape == backbone.weights[0].shape
        else:
            spoil(opened, outside)
    assert refusal(backbone.load_weights, file).startswith(f"{file}: {message}")


@pytest.mark.parametrize("name", ["../secret.weights.h5", "/etc/hostname", "a.h5", ".."])
def test_shards_are_beside_their_list(backbone, tmp_path, name):
    backbone.save_to_preset(str(tmp_path), max_shard_size=8e-6)
    path = tmp_path / "model.weights.json"
    content = json.loads(path.read_text())
    content["weight_map"]["/vars"] = name
    path.write_text(json.dumps(content))
    expected = f"{path} names {name!r}; a shard is a .weights.h5 file beside the list"
    assert refusal(backbone.load_weights, path) == expected


@pytest.mark.parametrize(
    "content", ["", "[]", '{"weight_map": [1]}', '{"weight_map": {"a": 1}}', "[" * 100000]
)
def test_a_damaged_list_of_shards_is_one_line(backbone, tmp_path, content):
    path = tmp_path / "model.weights.json"
    path.write_text(content)
    assert refusal(backbone.load_weights, path).startswith(f"{path} is not a list of shards: ")


def test_a_shard_that_is_missing_is_named(backbone, tmp_path):
    backbone.save_to_preset(str(tmp_path), max_shard_size=8e-6)
    shard = sorted(tmp_path.glob("*.weights.h5"))[-1]
    shard.unlink()
    said = refusal(backbone.load_weights, tmp_path / "model.weights.json")
    assert said.endswith(f"names {shard.name}, which is not there")
