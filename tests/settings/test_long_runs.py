import json

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.settings.pretraining import PretrainingConfig


@pytest.mark.parametrize(
    ("hparams", "message"),
    [
        ({"max_skipped_steps": -1}, "max_skipped_steps: -1 is not allowed; use >= 0"),
        ({"max_hours": 0}, "max_hours: 0.0 is not allowed; use > 0"),
        (
            {"profile_steps": "9:9"},
            "profile_steps: expected START:STOP with START < STOP, such as 100:110; got '9:9'",
        ),
        (
            {"profile_steps": 100},
            "profile_steps: expected START:STOP with START < STOP, such as 100:110; got 100",
        ),
        (
            {"profile_steps": "5:21", "num_train_steps": 20},
            "profile_steps 5:21 ends after num_train_steps 20",
        ),
        ({"optimizer": "sgd"}, "optimizer: 'sgd' is not allowed; use adam | lamb"),
        ({"adam_beta_1": 1.0}, "adam_beta_1: 1.0 is not allowed; use >= 0 and < 1"),
        ({"adam_beta_2": -0.1}, "adam_beta_2: -0.1 is not allowed; use >= 0 and < 1"),
        ({"adam_epsilon": 0}, "adam_epsilon: 0.0 is not allowed; use > 0"),
        ({"ema_decay": 1.0}, "ema_decay: 1.0 is not allowed; use > 0 and < 1"),
        ({"clip_norm": 0}, "clip_norm: 0.0 is not allowed; use > 0"),
    ],
)
def test_bad_values_are_refused(hparams, message):
    with pytest.raises(InputError) as error:
        PretrainingConfig.create("data", "m", hparams)
    assert str(error.value) == message


def test_values_survive_config_json():
    hparams = {
        "profile_steps": "100:110",
        "max_skipped_steps": 0,
        "max_hours": 23.5,
        "optimizer": "lamb",
        "clip_norm": 0.5,
    }
    config = PretrainingConfig.create("data", "m", hparams)
    written = json.loads(json.dumps(config.to_json_dict()))
    assert PretrainingConfig.from_json_dict(written) == config
