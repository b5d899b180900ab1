"""Configurations of pre-training, made and refused."""

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.settings.pretraining import PretrainingConfig


def create(**user_hparams) -> PretrainingConfig:
    return PretrainingConfig.create("data", "m", user_hparams)


def refused(**user_hparams) -> str:
    """The message, of one line, with which hparams are refused."""
    with pytest.raises(InputError) as caught:
        create(**user_hparams)
    message = str(caught.value)
    assert "\n" not in message
    return message
