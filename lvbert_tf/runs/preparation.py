"""What a run needs from its files before the devices are started and anything is computed."""

from pathlib import Path

from lvbert_tf.runs.model_directory import check_architecture
from lvbert_tf.runs.open_model import (
    BareCheckpoint,
    ReferenceCheckpoint,
    Run,
    StoredModel,
    open_model,
)
from lvbert_tf.runs.token_table import fit_to_vocabulary
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.text.vocabulary import Vocabulary
from lvbert_tf.training.checkpoints import step_paths


def prepare(
    config: PretrainingConfig,
) -> tuple[PretrainingConfig, Vocabulary, StoredModel | None]:
    """Reads the files that a run continues or starts from, and refuses what does not fit them.

    Args:
      config: the configuration of the run.

    Returns:
      the configuration with its `vocab_size`; the vocabulary; and the model of `init_checkpoint`, or
      None if the run does not need it, because it has checkpoints of its own or does not train.

    Raises:
      InputError: see `fit_to_vocabulary` and `check_architecture`; or `init_checkpoint` is no model that
        a run can start from.
    """
    config, vocabulary = fit_to_vocabulary(config)
    check_architecture(config.model_dir, config.networks, config.ema_decay)
    begun = step_paths(Path(config.model_dir) / "checkpoints")
    start = None
    if config.init_checkpoint and config.do_train and not begun:
        start = open_model(config.init_checkpoint, Run, BareCheckpoint, ReferenceCheckpoint)
    return config, vocabulary, start
