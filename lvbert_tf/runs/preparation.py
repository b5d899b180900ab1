"""What a run needs from its files before the devices are started and anything is computed."""

import dataclasses

from lvbert_tf.io.paths import parse_path
from lvbert_tf.presets.compact import read_seal
from lvbert_tf.presets.directory import read_compact
from lvbert_tf.runs.model_directory import (
    check_architecture,
    read_config,
    refuse_other_vocabulary,
)
from lvbert_tf.runs.open_model import (
    BareCheckpoint,
    CompactPreset,
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
    """Reads what a run continues or starts from, and refuses a configuration that does not fit it.

    Args:
      config: the configuration of the run.

    Returns:
      the configuration with `vocab_size` filled in, and if it only evaluates, the run's `ema_decay`;
      the vocabulary; and the model to start from, or None if `init_checkpoint` is not given, or the run
      has checkpoints of its own or does not train.

    Raises:
      InputError: see `fit_to_vocabulary` and `check_architecture`; or `init_checkpoint` is neither a run
        nor a checkpoint of one nor one of the reference, nor a compact preset, or it has
        another vocabulary.
    """
    saved = read_config(config.model_dir)
    if saved and not config.do_train:  # whether there are averages to evaluate is known
        config = dataclasses.replace(config, ema_decay=saved.ema_decay)
    config, vocabulary = fit_to_vocabulary(config)
    check_architecture(config.model_dir, config.networks, config.ema_decay)
    checkpoints = step_paths(parse_path(config.model_dir) / "checkpoints")
    initial_model = None
    if config.init_checkpoint and config.do_train and not checkpoints:
        initial_model = open_model(
            config.init_checkpoint, Run, BareCheckpoint, CompactPreset, ReferenceCheckpoint
        )
        if isinstance(initial_model, CompactPreset):
            known = read_compact(initial_model.path, read_seal).vocabulary
            refuse_other_vocabulary(initial_model.path, known, vocabulary, config.vocab_file)
    return config, vocabulary, initial_model
