"""A model in memory, and reading the models that this package has written."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras_hub

from lvbert_tf.errors import InputError
from lvbert_tf.interop.foreign_weights import RestoreReport
from lvbert_tf.io.files import read_json_object
from lvbert_tf.models import (
    ElectraPretrainer,
    LVBertBackbone,
    LVBertSpanPredictor,
    LVBertTextClassifier,
    LVBertTextRegressor,
    LVBertTokenizer,
    LVBertTokenTagger,
    Supernet,
)
from lvbert_tf.presets import compact
from lvbert_tf.presets.directory import load_preset, read_compact
from lvbert_tf.runs.compact_networks import config_of
from lvbert_tf.runs.initialization import load_pretrainer
from lvbert_tf.runs.model_directory import (
    check_vocabulary,
    read_config,
    refuse_other_vocabulary,
)
from lvbert_tf.runs.named_weights import named_weights
from lvbert_tf.runs.open_model import CompactPreset, Preset, Run, open_own_model
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.text.vocabulary import Vocabulary

_TASKS = (LVBertTextClassifier, LVBertSpanPredictor, LVBertTextRegressor, LVBertTokenTagger)
_WHOLE = RestoreReport((), (), ())


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory, whatever it was read from.

    Attributes:
      pretrainer: the networks. An encoder alone is the discriminator of a pre-trainer that has no
        generator and no heads.
      tokenizer: the tokenizer of the model's texts; None where no vocabulary lies with the model.
      config: builds the networks; None where only an encoder was stored.
      task: the fine-tuned model whose encoder the discriminator is; None if the model is not fine-tuned.
      report: which weights were missing, and which tensors were not used.
    """

    pretrainer: ElectraPretrainer
    tokenizer: LVBertTokenizer | None
    config: PretrainingConfig | None = None
    task: keras_hub.models.Task | None = None
    report: RestoreReport = _WHOLE

    @property
    def encoder(self) -> LVBertBackbone:
        """The discriminator's encoder."""
        return self.pretrainer.discriminator


def load_pretrained(path: str | Path, dtype: str = "float32") -> LoadedModel:
    """Reads a model of this package, to look into it in Python.

    Args:
      path: the directory of a run (`models/NAME`), one of its checkpoints, a preset, a trial of
        fine-tuning with one task, or the name of a preset that comes with this package.
      dtype: Keras dtype policy of the layers.

    Raises:
      InputError: there is none, or it cannot be read.
    """
    return load_model(open_own_model(path), warnings.warn, dtype)


def load_model(
    stored: Run | Preset, report: Callable[[str], None], dtype: str = "float32"
) -> LoadedModel:
    """Reads a run of pre-training or a preset.

    Args:
      stored: where it is; see `open_model`.
      report: called with a line for each damaged checkpoint of a run that is passed over.
      dtype: Keras dtype policy of the layers.

    Raises:
      InputError: see `load_run`; or the preset is damaged or of another model.
    """
    if isinstance(stored, Run):
        return load_run(stored, report, dtype)
    if isinstance(stored, CompactPreset):
        return load_compact(stored, dtype)
    task = load_task_preset(stored.path, dtype)
    if task is None:
        return load_encoder(stored.path, dtype)
    tokenizer = None if task.preprocessor is None else task.preprocessor.tokenizer
    return LoadedModel(encoder_alone(task.backbone), tokenizer, task=task)


def load_run(run: Run, report: Callable[[str], None], dtype: str = "float32") -> LoadedModel:
    """Reads the newest readable checkpoint of a run, or the one that is named.

    The tokenizer is that of the run's preset if there is one, because the vocabulary file that
    config.json names may have been moved.

    Raises:
      InputError: no checkpoint can be read, the vocabulary has changed since, or the run is a supernet.
    """
    config = read_config(run.directory)
    assert config is not None  # else it would be no run
    pretrainer = load_pretrainer(run.path, report, dtype)
    if isinstance(pretrainer.discriminator, Supernet):
        raise InputError(f"{run.path} is a supernet; train one string of it first")
    if run.preset is not None:
        tokenizer = load_preset(LVBertTokenizer, run.preset.path)
    else:
        vocabulary = Vocabulary.load(config.vocab_file)
        check_vocabulary(run.directory, vocabulary, config.vocab_file)
        tokenizer = LVBertTokenizer(vocabulary, config.do_lower_case)
    return LoadedModel(pretrainer, tokenizer, config)


def load_compact(preset: CompactPreset, dtype: str = "float32") -> LoadedModel:
    """Reads the networks of a compact preset and their tokenizer.

    Raises:
      InputError: the preset is damaged, or its files contradict each other.
    """
    stored = read_compact(preset.path, compact.read_networks)
    tokenizer = load_preset(LVBertTokenizer, preset.path)
    file = preset.path / compact.WEIGHTS
    config = config_of(stored.seal, file)
    parameters = sum(value.size for value in stored.weights.values())
    if config.networks.num_parameters() != parameters:  # before memory is taken for them
        raise InputError(f"{file} has {parameters:,} weights, which are not those of its hparams")
    vocabulary = tokenizer.tokenizer.vocabulary
    refuse_other_vocabulary(file, stored.seal.vocabulary, vocabulary, f"{preset.path}/assets")
    pretrainer = ElectraPretrainer.from_networks(config.networks, dtype=dtype)
    compact.assign_weights(named_weights(pretrainer), stored.weights, file)
    return LoadedModel(pretrainer, tokenizer, config)


def load_encoder(preset: Path, dtype: str) -> LoadedModel:
    """Reads the encoder of a preset and its tokenizer, and no head.

    Raises:
      InputError: the preset is damaged or of another model.
    """
    encoder = load_preset(LVBertBackbone, preset, dtype=dtype)
    return LoadedModel(encoder_alone(encoder), load_preset(LVBertTokenizer, preset))


def load_task_preset(preset: Path, dtype: str) -> keras_hub.models.Task | None:
    """Reads the fine-tuned model of a preset; None if the preset has an encoder alone.

    Raises:
      InputError: it is a model of another package, or cannot be read.
    """
    if not (preset / "task.json").exists():
        return None
    name = read_json_object(preset / "task.json").get("class_name")
    if name is None:
        return None  # reading the encoder says what is wrong with the preset
    classes = {kind.__name__: kind for kind in _TASKS}
    if not isinstance(name, str) or name not in classes:
        raise InputError(f"{preset} holds a {name}, not {' | '.join(classes)}")
    return load_preset(classes[name], preset, dtype=dtype)


def encoder_alone(encoder: LVBertBackbone) -> ElectraPretrainer:
    """A pre-trainer that has an encoder as its discriminator, no generator and no heads."""
    return ElectraPretrainer(encoder, None, detects_replacements=False)
