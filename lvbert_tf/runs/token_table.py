"""The number of rows of a run's token table, which has to fit the vocabulary."""

import dataclasses

from lvbert_tf.errors import InputError
from lvbert_tf.interop.reference_checkpoint import count_token_embeddings
from lvbert_tf.io.paths import parse_path
from lvbert_tf.presets.compact import read_seal
from lvbert_tf.presets.directory import read_compact
from lvbert_tf.runs.compact_networks import config_of
from lvbert_tf.runs.model_directory import check_vocabulary, model_dir_of, read_config
from lvbert_tf.runs.open_model import CompactPreset, ReferenceCheckpoint, Run, recognise
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.text.vocabulary import Vocabulary


def fit_to_vocabulary(config: PretrainingConfig) -> tuple[PretrainingConfig, Vocabulary]:
    """Reads the vocabulary of a run, and replaces a null `vocab_size` by its value.

    The value is that of the run if it has begun, else that of the checkpoint that the run starts from.
    Without either it is the number of tokens, rounded up to a multiple of `vocab_size_multiple`.

    Returns:
      The configuration with its `vocab_size`, and the vocabulary.

    Raises:
      InputError: the vocabulary cannot be read, has more tokens than `vocab_size`, or is not that of
        the run or the checkpoint; or the rows of these are no multiple of `vocab_size_multiple`.
    """
    vocabulary = Vocabulary.load(config.vocab_file)
    config = as_begun(config)
    if config.vocab_size is None and config.init_checkpoint is not None:
        rows = _rows_of_checkpoint(config, config.init_checkpoint, vocabulary)
        config = _with_rows(config, rows, config.init_checkpoint)
    config = config.for_vocabulary(vocabulary.size)
    assert config.vocab_size is not None
    if vocabulary.size > config.vocab_size:
        raise InputError(
            f"{config.vocab_file} has {vocabulary.size} tokens, but vocab_size is"
            f" {config.vocab_size}; set vocab_size to {vocabulary.size}"
        )
    for model_dir in (config.model_dir, config.init_checkpoint):
        if model_dir:
            check_vocabulary(model_dir_of(parse_path(model_dir)), vocabulary, config.vocab_file)
    return config, vocabulary


def as_begun(config: PretrainingConfig) -> PretrainingConfig:
    """Replaces a null `vocab_size` by the value of the run, if the run has begun.

    Raises:
      InputError: the value is no multiple of `vocab_size_multiple`.
    """
    begun = read_config(config.model_dir) if config.vocab_size is None else None
    return config if begun is None else _with_rows(config, begun.vocab_size, config.model_dir)


def _with_rows(config: PretrainingConfig, rows: int | None, where: str) -> PretrainingConfig:
    multiple = config.vocab_size_multiple
    if rows is not None and rows % multiple:
        raise InputError(
            f"the token table of {where} has {rows} rows, not a multiple of vocab_size_multiple"
            f" {multiple}; leave vocab_size_multiple out"
        )
    return dataclasses.replace(config, vocab_size=rows)


def _rows_of_checkpoint(config: PretrainingConfig, path: str, vocabulary: Vocabulary) -> int | None:
    stored = recognise(path)
    if isinstance(stored, Run):
        other = read_config(stored.directory)
        return other.vocab_size if other else None
    if isinstance(stored, CompactPreset):
        return config_of(read_compact(stored.path, read_seal), path).vocab_size
    rows = count_token_embeddings(path) if isinstance(stored, ReferenceCheckpoint) else None
    if rows not in (None, vocabulary.size):
        raise InputError(
            f"init_checkpoint {path} has {rows} token embeddings, but"
            f" {config.vocab_file} has {vocabulary.size} tokens; give the vocabulary that it was"
            f" trained with, or set vocab_size to {rows} if the rest is padding"
        )
    return rows
