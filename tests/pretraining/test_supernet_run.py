"""The pre-training program on a supernet: what it leaves, and what it refuses."""

import json

import pytest
from tiny_run import hparams_json, make_data

from lvbert_tf.errors import InputError
from lvbert_tf.models import Supernet
from lvbert_tf.pretraining.run import pretrain
from lvbert_tf.runs.initialization import load_pretrainer


def settings(**changes):
    return hparams_json(
        **{
            "custom_layer_list": "FA",
            "layer_types": "AF",
            "generator_layer_list": "F",
            "num_train_steps": 4,
            **changes,
        }
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("supernet") / "data")


@pytest.fixture(scope="module")
def trained(data):
    assert pretrain(str(data), "trained", settings()) == 0
    return data / "models" / "trained"


def test_leaves_a_supernet(trained):
    assert not (trained / "preset").exists()
    assert {"disc_loss", "disc_auc"} <= json.loads((trained / "eval.json").read_text()).keys()
    pretrainer = load_pretrainer(trained, pytest.fail, dtype="mixed_bfloat16")
    assert isinstance(pretrainer.discriminator, Supernet)
    assert pretrainer.dtype_policy.name == "float32"
    assert pretrainer.discriminator.dtype_policy.name == "mixed_bfloat16"


def test_other_layer_types_are_another_architecture(data, trained):
    with pytest.raises(InputError, match="layer_types: CAF here, AF there"):
        pretrain(str(data), "trained", settings(layer_types="CAF"))
    with pytest.raises(InputError, match="layer_types: None here, AF there"):
        pretrain(str(data), "trained", settings(layer_types=None))


def test_a_batch_that_fair_paths_cannot_share_is_refused(data):
    with pytest.raises(InputError, match=r"not divisible by 3 .* 3 paths .* 6 or 9"):
        pretrain(str(data), "fair", settings(layer_types="CAF", path_sampling="fair"))


def test_starts_from_another_supernet_but_not_from_the_reference(data, trained, fixtures, capfd):
    assert pretrain(str(data), "second", settings(init_checkpoint=str(trained))) == 0
    assert "initialised" in capfd.readouterr().err
    checkpoint = fixtures / "tiny" / "model.ckpt"
    with pytest.raises(InputError, match="the reference has no supernets"):
        pretrain(str(data), "third", settings(init_checkpoint=str(checkpoint)))
