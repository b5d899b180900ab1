"""A run looks at its files before it starts."""

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.runs.model_directory import write_config
from lvbert_tf.runs.open_model import ReferenceCheckpoint
from lvbert_tf.runs.preparation import prepare
from lvbert_tf.settings.pretraining import PretrainingConfig


@pytest.fixture
def config_of(fixtures, tmp_path):
    def make(**hparams) -> PretrainingConfig:
        values = {
            "vocab_file": str(fixtures / "tiny" / "vocab.txt"),
            "init_checkpoint": str(fixtures / "tiny" / "model.ckpt"),
            "custom_layer_list": "F",
        }
        return PretrainingConfig.create(str(tmp_path), "run", {**values, **hparams})

    return make


def test_the_model_to_start_from_is_opened(config_of):
    config, vocabulary, start = prepare(config_of())
    assert config.vocab_size == vocabulary.size == 120
    assert start == ReferenceCheckpoint(config.init_checkpoint)
    assert prepare(config_of(init_checkpoint=None))[2] is None
    with pytest.raises(InputError, match="no model at nowhere: expected"):
        prepare(config_of(init_checkpoint="nowhere"))


def test_a_run_that_continues_or_evaluates_needs_no_model_to_start_from(config_of, tmp_path):
    evaluation = config_of(init_checkpoint="nowhere", do_train=False, do_eval=True)
    assert prepare(evaluation)[2] is None
    (tmp_path / "models" / "run" / "checkpoints" / "step-00000001").mkdir(parents=True)
    assert prepare(config_of(init_checkpoint="nowhere"))[2] is None


def test_a_run_with_other_networks_is_refused(config_of, tmp_path):
    config = config_of()
    model_dir = tmp_path / "models" / "run"
    model_dir.mkdir(parents=True)
    write_config(model_dir, *prepare(config)[:2])
    prepare(config)
    with pytest.raises(
        InputError, match=r"run holds another architecture \(layer_string: C here, F"
    ):
        prepare(config_of(custom_layer_list="C"))


def test_a_run_is_evaluated_with_its_averages_whether_or_not_they_are_asked_for(
    config_of, tmp_path
):
    model_dir = tmp_path / "models" / "run"
    model_dir.mkdir(parents=True)
    write_config(model_dir, *prepare(config_of(ema_decay=0.9))[:2])
    evaluated, *_ = prepare(config_of(do_train=False, do_eval=True))
    assert evaluated.ema_decay == 0.9
    continued, *_ = prepare(config_of())
    assert continued.ema_decay is None
