"""Making configurations of pre-training."""

from lvbert_tf.settings.pretraining import PretrainingConfig


def create(**user_hparams) -> PretrainingConfig:
    return PretrainingConfig.create("data", "m", user_hparams)
