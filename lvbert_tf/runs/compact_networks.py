"""The networks of a compact preset as the configuration of a pre-training, and the reverse."""

from lvbert_tf import hparams
from lvbert_tf.architecture.model_config import WEIGHT_FIELDS
from lvbert_tf.errors import InputError
from lvbert_tf.models import ElectraPretrainer, LVBertTokenizer
from lvbert_tf.presets.compact import Seal, StoredNetworks
from lvbert_tf.runs.model_directory import identity_of
from lvbert_tf.runs.named_weights import named_weights
from lvbert_tf.settings.devices import DeviceHparams
from lvbert_tf.settings.pretraining import PATHS, PretrainingConfig

_LEFT_OUT = (*PATHS, *DeviceHparams.__dataclass_fields__)
"""The hparams that say where a model was trained and not how."""


def networks_to_store(
    pretrainer: ElectraPretrainer, tokenizer: LVBertTokenizer, config: PretrainingConfig
) -> StoredNetworks:
    """What a compact preset holds of a model.

    Args:
      pretrainer: all of its networks.
      tokenizer: the tokenizer of its texts.
      config: what they were pre-trained with.
    """
    values = {**hparams.to_json(config), "do_lower_case": tokenizer.lowercase}
    seal = Seal(
        pretrainer.discriminator.config.to_dict(WEIGHT_FIELDS),
        {name: value for name, value in values.items() if name not in _LEFT_OUT},
        identity_of(tokenizer.tokenizer.vocabulary),
    )
    weights = {name: weight.numpy() for name, weight in named_weights(pretrainer).items()}
    return StoredNetworks(seal, weights)


def config_of(seal: Seal, file: object) -> PretrainingConfig:
    """The configuration that builds the networks of a compact preset.

    Args:
      seal: read from its file.
      file: the file, for the message.

    Raises:
      InputError: it is not the seal of a pre-training.
    """
    given = {name: value for name, value in seal.hparams.items() if name not in _LEFT_OUT}
    try:
        return PretrainingConfig.create("", "preset", given)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
