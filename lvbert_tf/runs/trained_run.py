"""What a run of pre-training has left: its networks and the tokenizer of their texts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lvbert_tf.errors import InputError
from lvbert_tf.models import ElectraPretrainer, LVBertTokenizer, Supernet
from lvbert_tf.presets.directory import is_preset, load_preset
from lvbert_tf.runs.initialization import load_pretrainer
from lvbert_tf.runs.model_directory import check_vocabulary, model_dir_of, read_config
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class TrainedRun:
    """Networks of one layer string, their tokenizer, and what they were trained with."""

    config: PretrainingConfig
    pretrainer: ElectraPretrainer
    tokenizer: LVBertTokenizer


def load_trained_run(
    path: Path, report: Callable[[str], None], dtype: str = "float32"
) -> TrainedRun | None:
    """Loads the newest readable checkpoint of a run; None if there is no run.

    The tokenizer is that of the run's preset, which may have been moved, if it has one.

    Args:
      path, report, dtype: see `load_pretrainer`.

    Raises:
      InputError: no checkpoint can be read, the vocabulary has changed since, or the run is a
        supernet's.
    """
    model_dir = model_dir_of(path)
    config = read_config(model_dir)
    if config is None:
        return None
    pretrainer = load_pretrainer(path, report, dtype)
    if isinstance(pretrainer.discriminator, Supernet):
        raise InputError(f"{path} is a supernet; train one string of it first")
    preset = model_dir / "preset"
    if is_preset(preset):
        tokenizer = load_preset(LVBertTokenizer, preset)
    else:
        vocabulary = Vocabulary.load(config.vocab_file)
        check_vocabulary(model_dir, vocabulary, config.vocab_file)
        tokenizer = LVBertTokenizer(vocabulary, config.do_lower_case)
    return TrainedRun(config, pretrainer, tokenizer)
