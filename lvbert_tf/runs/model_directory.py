"""`models/<model_name>/`: which run it belongs to, and its preset."""

import json
import math
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from lvbert_tf.errors import InputError
from lvbert_tf.io.files import read_json_object
from lvbert_tf.io.whole import new_directory, write_json
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.text.vocabulary import Vocabulary

_MIXED_POLICY = re.compile(r'"mixed_(bfloat16|float16)"')
_PRESET_OVERHEAD = 2 << 20  # bytes beside the float32 arrays: their names, JSON, the vocabulary


class Savable(Protocol):
    """A backbone, tokenizer or task of KerasHub."""

    @property
    def weights(self) -> list[Any]: ...

    def save_to_preset(self, preset_dir: str) -> None: ...


def model_dir_of(path: Path) -> Path:
    """The model directory itself, also of one of its `checkpoints/step-N`."""
    return path.parent.parent if path.parent.name == "checkpoints" else path


def read_config(model_dir: str | Path) -> PretrainingConfig | None:
    """The configuration of the run that a model directory belongs to, if any.

    Raises:
      InputError: its config.json is not a configuration.
    """
    path = Path(model_dir) / "config.json"
    if not path.exists():
        return None
    try:
        return PretrainingConfig.from_json_dict(json.loads(path.read_bytes()))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def check_architecture(config: PretrainingConfig) -> None:
    """Refuses to continue a directory whose network is another one.

    Raises:
      InputError: naming what differs.
    """
    saved = read_config(config.model_dir)
    differences = config.networks.differences(saved.networks) if saved else []
    if differences:
        raise InputError(
            f"{config.model_dir} holds another architecture ({'; '.join(differences)});"
            " use another --model_name, or the saved hparams"
        )


def write_config(directory: Path, config: PretrainingConfig, vocabulary: Vocabulary) -> None:
    """Writes config.json, with which `check_vocabulary` knows the vocabulary again."""
    known = {"tokens": vocabulary.size, "sha256": vocabulary.sha256}
    write_json(directory / "config.json", {**config.to_json_dict(), "vocabulary": known})


def check_vocabulary(model_dir: str | Path, vocabulary: Vocabulary, file: str) -> None:
    """Refuses a vocabulary that is not the one that a run was trained with, where that is recorded.

    Args:
      model_dir: of the run, if there is one.
      vocabulary: to be used with its weights.
      file: where the vocabulary is from, for the message.

    Raises:
      InputError: its ids would mean other tokens.
    """
    path = Path(model_dir) / "config.json"
    known = read_json_object(path).get("vocabulary") if path.exists() else None
    if isinstance(known, dict) and known.get("sha256") != vocabulary.sha256:
        raise InputError(
            f"{file} has {vocabulary.size} tokens and is not the vocabulary of"
            f" {known.get('tokens')} that {model_dir} was trained with"
        )


def save_preset(parts: Sequence[Savable], directory: Path, step: int) -> None:
    """Saves a KerasHub preset; kept as it is if it is already the one of this step.

    It loads as float32 unless whoever loads it wants another policy: how it was trained is no property
    of the weights, and KerasHub cannot load a task that says mixed_bfloat16.

    Args:
      parts: a backbone and a tokenizer, or a task that has both.
      directory: where.
      step: of the training, to know it by.

    Raises:
      InputError: the disk has no room for it.
    """
    stamp = directory / "step.json"
    if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == {"step": step}:
        return
    # Asked first, because HDF5 crashes where a write fails.
    elements = sum(math.prod(weight.shape) for part in parts for weight in part.weights)
    needed = 4 * elements + _PRESET_OVERHEAD
    directory.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(directory.parent).free < needed:
        raise InputError(f"cannot write {directory}: it needs {needed / 1e6:,.0f} MB of free space")
    with new_directory(directory, replace=True) as temporary:
        for part in parts:
            part.save_to_preset(str(temporary))
        for file in temporary.glob("*.json"):
            text = file.read_text(encoding="utf-8")
            file.write_text(_MIXED_POLICY.sub('"float32"', text), encoding="utf-8")
        write_json(temporary / "step.json", {"step": step})
