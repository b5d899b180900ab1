"""Starting from the weights of an earlier model: ours or the reference's."""

from collections.abc import Callable
from pathlib import Path

from lvbert_tf.errors import InputError
from lvbert_tf.interop.reference_checkpoint import restore_reference_weights
from lvbert_tf.io.paths import parse_path
from lvbert_tf.models import ElectraPretrainer, Supernet
from lvbert_tf.presets.compact import read_networks
from lvbert_tf.presets.directory import read_compact
from lvbert_tf.runs.model_directory import model_dir_of, read_config
from lvbert_tf.runs.named_weights import named_weights
from lvbert_tf.runs.open_model import (
    BareCheckpoint,
    CompactPreset,
    ReferenceCheckpoint,
    Run,
    StoredModel,
)
from lvbert_tf.training.checkpoints import find_damage, read_weights, step_paths


def initialize(
    pretrainer: ElectraPretrainer, start: StoredModel, report: Callable[[str], None]
) -> None:
    """Loads those weights of a checkpoint that fit a model; its other weights stay as they were drawn.

    Args:
      pretrainer: a built model, which is changed in place.
      start: a run of ours, one of its checkpoints, a compact preset, or a reference
        checkpoint.
      report: called with lines that say what was loaded, and list what was not.

    Raises:
      InputError: there is no checkpoint, it is damaged, or none of its weights fits.
    """
    path = start.path
    if isinstance(start, ReferenceCheckpoint):
        if isinstance(pretrainer.discriminator, Supernet):
            raise InputError(f"init_checkpoint {path}: the reference has no supernets")
        report(f"reference checkpoint {path}: {restore_reference_weights(pretrainer, str(path))}")
        return
    weights = named_weights(pretrainer)
    if isinstance(start, CompactPreset):
        saved = read_compact(start.path, read_networks).weights
    else:
        saved = read_weights(_readable(path, report))
    fitting = {
        name for name in weights if name in saved and saved[name].shape == weights[name].shape
    }
    if not fitting:
        raise InputError(f"init_checkpoint {path}: none of its weights fits this model")
    for name in fitting:
        weights[name].assign(saved[name])
    report(f"initialised {len(fitting)} of {len(weights)} weights from {path}")
    for what, names in (
        ("not in the checkpoint, or of another shape", weights.keys() - fitting),
        ("in the checkpoint, but unused", saved.keys() - fitting),
    ):
        if names:
            report(f"  {what}: {', '.join(sorted(names))}")


def load_pretrainer(
    path: str | Path, report: Callable[[str], None], dtype="float32"
) -> ElectraPretrainer:
    """Builds the networks of a run of ours and loads its newest readable checkpoint.

    Args:
      path: a model directory (`models/NAME`) or one of its `checkpoints/step-N`.
      report: called with a line for each damaged checkpoint that is passed over.
      dtype: Keras dtype policy of the layers.

    Raises:
      InputError: `path` is neither, no checkpoint can be read, or its weights are those of other
        networks than config.json describes.
    """
    model_dir = model_dir_of(parse_path(path))
    config = read_config(model_dir)
    if config is None:
        raise InputError(f"{model_dir} has no config.json; expected the directory of a run")
    saved = read_weights(_readable(path, report))
    pretrainer = ElectraPretrainer.from_networks(config.networks, dtype=dtype)
    weights = named_weights(pretrainer)
    ours, theirs = ({n: tuple(w.shape) for n, w in each.items()} for each in (weights, saved))
    if ours != theirs:
        differing = sorted(name for name, _ in ours.items() ^ theirs.items())
        raise InputError(
            f"{model_dir}/config.json describes other networks than the checkpoint has weights of"
            f" ({differing[0]}); put back the config.json of the run"
        )
    for name, weight in weights.items():
        weight.assign(saved[name])
    return pretrainer


def _readable(path: str | Path, report: Callable[[str], None]) -> Path:
    """The newest whole checkpoint of a model directory, or the checkpoint that is named."""
    for candidate in reversed(step_paths(parse_path(path) / "checkpoints") or [parse_path(path)]):
        damage = find_damage(candidate)
        if damage is None:
            return candidate
        if candidate.exists():
            report(f"checkpoint {candidate} cannot be read: {damage}")
    raise InputError(
        f"no checkpoint can be read at {path}: expected {Run.example} with checkpoints/, or"
        f" {BareCheckpoint.example}"
    )
