import pytest
from pretraining_configs import create

from lvbert_tf.finetuning.settings import FinetuningConfig


def test_a_part_has_the_final_values():
    config = create(model_size="base", mask_prob=0.2, train_batch_size=6, jit_compile=True)
    assert config.objective.max_predictions_per_seq == config.max_predictions_per_seq == 26
    assert config.optimisation.learning_rate == 2e-4
    assert config.step.clip_norm == 1.0
    assert (config.step.train_batch_size, config.step.jit_compile) == (6, True)
    assert config.records.max_seq_length == 128
    assert config.evaluation.num_eval_steps == 100
    assert config.schedule.num_train_steps == 1_000_000
    assert FinetuningConfig.create("data", "m", {"use_tpu": True}).devices.use_tpu


@pytest.mark.parametrize(
    ("hparams", "tpu", "lines"),
    [
        ({}, None, []),
        ({"use_tpu": True, "tpu_name": "pod", "tpu_zone": "z"}, None, []),
        ({"tpu_zone": "z"}, "local", []),
        ({"use_tpu": True, "num_tpu_cores": 8}, None, ["num_tpu_cores has no effect: "]),
        ({"tpu_name": "pod", "tpu_zone": "z"}, None, ["tpu_name, tpu_zone: no effect without "]),
        ({"tpu_name": "pod"}, "local", ["tpu_name has no effect: --tpu local "]),
    ],
)
def test_hparams_of_devices_without_effect_are_told(hparams, tpu, lines):
    found = create(**hparams).devices.without_effect(tpu)
    assert len(found) == len(lines)
    assert all(line.startswith(start) for line, start in zip(found, lines, strict=True))
