"""`models/<model_name>/`: the configuration of its run, and writing presets."""

import json
import math
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from lvbert_tf.errors import InputError
from lvbert_tf.io.files import read_json_object
from lvbert_tf.io.paths import in_bucket, parse_path
from lvbert_tf.io.whole import new_directory, write_json
from lvbert_tf.presets.compact import StoredNetworks, write_networks
from lvbert_tf.presets.directory import has_stamp, write_stamp
from lvbert_tf.runs.named_weights import fingerprint
from lvbert_tf.settings.networks import Networks
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.text.vocabulary import Vocabulary

_MIXED_POLICY = re.compile(r'"mixed_(bfloat16|float16)"')
_PRESET_OVERHEAD = (
    2 << 20
)  # bytes of a preset beside its float32 arrays: names, JSON, the vocabulary


class Savable(Protocol):
    """A backbone, tokenizer or task of KerasHub."""

    @property
    def weights(self) -> list[Any]: ...

    def save_to_preset(self, preset_dir: str) -> None: ...


def model_dir_of(path: Path) -> Path:
    """The model directory of a path that is the directory itself or one of its `checkpoints/step-N`."""
    return path.parent.parent if path.parent.name == "checkpoints" else path


def read_config(model_dir: str | Path) -> PretrainingConfig | None:
    """The configuration of the run in a model directory; None if there is no run.

    Raises:
      InputError: config.json is not the configuration of a run.
    """
    path = parse_path(model_dir) / "config.json"
    if not path.exists():
        return None
    try:
        return PretrainingConfig.from_json_dict(json.loads(path.read_bytes()))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def check_architecture(model_dir: str | Path, networks: Networks, ema_decay: float | None) -> None:
    """Refuses to continue the run in a model directory with other networks.

    Args:
      model_dir: the model directory, which may hold no run.
      networks: the networks to continue with.
      ema_decay: the decay of the averages of the weights to keep; None if there are none.

    Raises:
      InputError: the networks differ, and the message says in what; or averages are asked for,
        and the run has kept none so far.
    """
    saved = read_config(model_dir)
    differences = networks.differences(saved.networks) if saved else []
    if differences:
        raise InputError(
            f"{model_dir} holds another architecture ({'; '.join(differences)});"
            " use another --model_name, or the saved hparams"
        )
    if saved and ema_decay and not saved.ema_decay:
        raise InputError(
            f"ema_decay {ema_decay}: {model_dir} has not averaged its weights so far;"
            f" start another run with init_checkpoint {model_dir}"
        )


def write_config(directory: Path, config: PretrainingConfig, vocabulary: Vocabulary) -> None:
    """Writes config.json, with the hash of the vocabulary for `check_vocabulary`."""
    content = config.to_json_dict()
    content["vocabulary"] = identity_of(vocabulary)
    write_json(directory / "config.json", content)


def identity_of(vocabulary: Vocabulary) -> dict[str, Any]:
    """What `refuse_other_vocabulary` knows a vocabulary by, as JSON types."""
    return {"tokens": vocabulary.size, "sha256": vocabulary.sha256}


def check_vocabulary(model_dir: str | Path, vocabulary: Vocabulary, file: str) -> None:
    """Refuses a vocabulary that is not the one that a run was trained with.

    Nothing is checked where there is no run, or where its config.json has no hash of a vocabulary.

    Args:
      model_dir: the model directory.
      vocabulary: the vocabulary to use with the weights of the run.
      file: the path of the vocabulary, for the message.

    Raises:
      InputError: the run was trained with another vocabulary.
    """
    path = parse_path(model_dir) / "config.json"
    known = read_json_object(path).get("vocabulary") if path.exists() else None
    refuse_other_vocabulary(model_dir, known, vocabulary, file)


def refuse_other_vocabulary(
    model: str | Path, known: object, vocabulary: Vocabulary, file: str
) -> None:
    """Refuses a vocabulary that is not the one that is known to belong to a model.

    Args:
      model: the path of the model, for the message.
      known: the number of `tokens` of its vocabulary and the `sha256`, or anything if they are unknown.
      vocabulary: the vocabulary to use with it.
      file: the path of the vocabulary, for the message.

    Raises:
      InputError: they differ.
    """
    if isinstance(known, dict) and known.get("sha256") != vocabulary.sha256:
        raise InputError(
            f"{file} has {vocabulary.size} tokens and is not the vocabulary of"
            f" {known.get('tokens')} that {model} was trained with"
        )


def save_preset(
    parts: Sequence[Savable],
    directory: Path,
    step: int,
    networks: StoredNetworks | None = None,
) -> None:
    """Saves a KerasHub preset, unless that of the same step and weights is there already, undamaged.

    The preset is written as one of float32, so that it loads as float32 unless another policy is given.
    The precision of the training is not a property of the weights, and KerasHub cannot load a task whose
    policy is mixed_bfloat16.

    Args:
      parts: a backbone and a tokenizer, or a task that has both.
      directory: the directory of the preset.
      step: the training step, which is saved beside the weights.
      networks: all networks of the pre-training, for a compact preset; None for one of `parts` alone.

    Raises:
      InputError: the disk has not enough room, or a weight does not fit in 16 bits.
    """
    values = [weight.numpy() for part in parts for weight in part.weights]
    weights = fingerprint([*values, *(networks.weights.values() if networks else ())])
    if has_stamp(directory, step, weights):
        return
    # The room is checked first, because HDF5 crashes when it cannot write.
    elements = sum(math.prod(weight.shape) for part in parts for weight in part.weights)
    needed = 4 * elements + _PRESET_OVERHEAD
    directory.parent.mkdir(parents=True, exist_ok=True)
    disk = tempfile.gettempdir() if in_bucket(directory) else directory.parent
    if shutil.disk_usage(disk).free < needed:
        raise InputError(f"cannot write {directory}: it needs {needed / 1e6:,.0f} MB of free space")
    with new_directory(directory, replace=True) as temporary:
        for part in parts:
            part.save_to_preset(str(temporary))
        for file in temporary.glob("*.json"):
            text = file.read_text(encoding="utf-8")
            file.write_text(_MIXED_POLICY.sub('"float32"', text), encoding="utf-8")
        if networks is not None:
            for file in temporary.glob("model*.weights.*"):
                file.unlink()
            write_networks(temporary, networks)
        write_stamp(temporary, step, weights)
