"""Finds out what a path holds: a run, a trial, a preset, or a checkpoint of another format.

`open_model` looks at the names of files and at config.json, and loads no weights. What it returns is
read by `loaded_model` (runs and presets), by `initialization` (weights alone), and by `interop` (the
formats of others).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from lvbert_tf.errors import InputError
from lvbert_tf.interop.huggingface_formats import CLASSES
from lvbert_tf.interop.reference_checkpoint import is_reference_checkpoint
from lvbert_tf.io.files import read_json_object
from lvbert_tf.io.paths import parse_path
from lvbert_tf.presets.directory import is_compact, is_preset
from lvbert_tf.presets.shipped import located
from lvbert_tf.runs.model_directory import model_dir_of, read_config
from lvbert_tf.training.checkpoints import is_checkpoint, step_paths


@dataclass(frozen=True)
class StoredModel:
    """A model on the disk, of one of the kinds below.

    Attributes:
      path: what the user gave.
      kind: what it is, for messages.
      example: how such a path looks, for messages.
    """

    path: Path | str
    kind: ClassVar[str]
    example: ClassVar[str]


@dataclass(frozen=True)
class Run(StoredModel):
    """A run of pre-training: its directory, or one of its checkpoints.

    Attributes:
      directory: the model directory.
    """

    path: Path
    kind = "the directory of a run"
    example = "the directory of a pre-training run (models/NAME)"

    @property
    def directory(self) -> Path:
        return model_dir_of(self.path)

    @property
    def preset(self) -> "Preset | None":
        """The preset in the model directory, which the run writes at its end; None before."""
        found = self.directory / "preset"
        return Preset(found) if is_preset(found) else None


@dataclass(frozen=True)
class BareCheckpoint(StoredModel):
    """Weights of a run without its config.json: a `step-N`, or a directory with `checkpoints/step-N`."""

    path: Path
    kind = "a checkpoint without the config.json of its run"
    example = "one of its checkpoints/step-N"


@dataclass(frozen=True)
class Preset(StoredModel):
    """A KerasHub preset: an encoder and its tokenizer, or a fine-tuned model that has both."""

    path: Path
    kind = "a KerasHub preset"
    example = "a preset"


@dataclass(frozen=True)
class CompactPreset(Preset):
    """A preset that holds the generator and the heads as well."""

    kind = "a compact preset"
    example = "a compact preset"


@dataclass(frozen=True)
class Trial(StoredModel):
    """A trial of fine-tuning, which has a preset for each of its tasks."""

    path: Path
    kind = "a trial of fine-tuning"
    example = "a trial of fine-tuning (finetuning_models/TASKS_TRIAL)"

    def preset(self, task: str | None) -> Preset:
        """The model of a task.

        Args:
          task: its name; None if the trial has but one task.

        Raises:
          InputError: the trial has no model or no such task, or there are several tasks to choose from.
        """
        presets = self.path / "presets"
        if not presets.is_dir():
            reason = "was not kept (keep_all_models false)"
            if not (self.path / "result.json").exists():
                reason = "is not trained yet; run the same command of run_finetuning.py to go on"
            raise InputError(f"{self.path}: the model of this trial {reason}")
        names = sorted(child.name for child in presets.iterdir() if is_preset(child))
        if task is None and len(names) == 1:
            task = names[0]
        if task not in names:
            wanted = "several tasks, name one with --task" if task is None else f"no task {task}"
            raise InputError(f"{self.path} has {wanted}: {', '.join(names) or 'there is no model'}")
        return Preset(presets / task)


@dataclass(frozen=True)
class ReferenceCheckpoint(StoredModel):
    """A TensorFlow 1 checkpoint of the reference's code: its prefix, or its directory."""

    kind = "a checkpoint of the reference's code"
    example = "a reference checkpoint (.../model.ckpt)"


@dataclass(frozen=True)
class TransformersDirectory(StoredModel):
    """A model that Hugging Face's transformers can load."""

    path: Path
    kind = "a model of Hugging Face's transformers"
    example = "the directory of a model of transformers"


Kind = TypeVar("Kind", bound=StoredModel)


def open_model(path: str | Path, *kinds: type[Kind]) -> Kind:
    """Finds out which kind of model a path holds.

    Args:
      path: a file, a directory, the prefix of a checkpoint, or the name of a preset that comes with
        this package.
      *kinds: the kinds that the caller can use.

    Raises:
      InputError: the path holds no model, or one of another kind.
    """
    found = recognise(path)
    if isinstance(found, kinds):
        return found
    *most, last = (kind.example for kind in kinds)
    wanted = f"expected {', '.join(most)} or {last}" if most else f"expected {last}"
    if found is not None:
        raise InputError(f"{path} is {found.kind}; {wanted}")
    if Run in kinds:
        read_config(path)  # which says what is wrong with a damaged config.json
    raise InputError(f"no model at {path}: {wanted}")


def open_own_model(path: str | Path, task: str | None = None) -> Run | Preset:
    """Finds a model that this package has written: a run, a preset, or the preset of a trial's task.

    Args:
      path: what the user gave.
      task: the name of a trial's task; None if it has but one, or for runs and presets.

    Raises:
      InputError: see `open_model` and `Trial.preset`; or a task is named and `path` is no trial.
    """
    found = open_model(path, Trial, Preset, Run)
    if isinstance(found, Trial):
        return found.preset(task)
    if task is not None:
        raise InputError(f"--task {task}: {path} is no trial of fine-tuning")
    assert isinstance(found, (Run, Preset))
    return found


def recognise(path: str | Path) -> StoredModel | None:
    """What a path holds; None if that is unknown.

    Raises:
      InputError: the path holds what is made from models, or several of them; the message says what to
        give instead.
    """
    given = located(path)
    path = parse_path(given)
    if (path / "presets").is_dir() or (path / "result.json").exists():
        return Trial(path)
    if (path / "study.journal").exists() or (path / "held_out.npz").exists():
        raise InputError(
            f"{path} is the directory of a search; give the run of a string that it found"
        )
    for directory in (path, *sorted(path.glob("[0-9]*"))):
        if (directory / "saved_model.pb").exists():
            raise InputError(
                f"{path} is a SavedModel, which is for serving; give the model that it was made from"
            )
    if is_preset(path):
        return CompactPreset(path) if is_compact(path) else Preset(path)
    if (path / "config.json").exists():
        # Beside a reference checkpoint it may be a file of any other program.
        return _recognise_config(path) or _recognise_reference(given)
    if is_preset(path / "preset"):  # of a fine-tuned model that was converted, or a compact one
        return recognise(path / "preset")
    if any((path / part / "config.json").exists() for part in CLASSES):
        return TransformersDirectory(path)
    trials = sorted(child for child in path.glob("*/presets") if child.is_dir())
    if trials:
        raise InputError(
            f"{path} is a directory of trials of fine-tuning; give one of them, as"
            f" {trials[0].parent}"
        )
    if is_checkpoint(path) or step_paths(path / "checkpoints"):
        run = _recognise_config(model_dir_of(path))
        return Run(path) if isinstance(run, Run) else BareCheckpoint(path)
    return _recognise_reference(given)


def _recognise_reference(given: str | Path) -> ReferenceCheckpoint | None:
    return ReferenceCheckpoint(given) if is_reference_checkpoint(str(given)) else None


def _recognise_config(path: Path) -> StoredModel | None:
    try:
        config = read_json_object(path / "config.json")
    except InputError:
        return None
    if "model_type" in config:
        return TransformersDirectory(path)
    if "inputs" in config:
        return Trial(path)
    return Run(path) if "hparams" in config else None
