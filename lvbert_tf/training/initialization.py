"""Starting from the weights of an earlier model: ours or the reference's."""

from collections.abc import Callable
from pathlib import Path

import keras

from lvbert_tf.errors import InputError
from lvbert_tf.interop.reference_checkpoint import (
    is_reference_checkpoint,
    restore_reference_weights,
)
from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.training.checkpoints import restore_model, saved_steps
from lvbert_tf.training.model_directory import read_config

_PARTS = (
    "discriminator",
    "generator",
    "right_to_left_generator",
    "masked_lm_head",
    "replaced_token_head",
)


def initialize(pretrainer: ElectraPretrainer, path: str, report: Callable[[str], None]) -> None:
    """Loads what a checkpoint has of a model's weights; the rest stays freshly initialised.

    Args:
      pretrainer: built; changed in place.
      path: a model directory of ours (`models/NAME`), one of its `checkpoints/step-N`, or the
        prefix or directory of a reference checkpoint.
      report: called with lines that say what was loaded and list what was not.

    Raises:
      InputError: there is no checkpoint, it is damaged, or nothing in it fits.
    """
    if is_reference_checkpoint(path):
        report(f"reference checkpoint {path}: {restore_reference_weights(pretrainer, path)}")
        return
    source = load_pretrainer(Path(path), report)
    theirs, ours = named_weights(source), named_weights(pretrainer)
    fitting = [name for name in ours if name in theirs and theirs[name].shape == ours[name].shape]
    if not fitting:
        raise InputError(f"init_checkpoint {path}: none of its weights fits this model")
    for name in fitting:
        ours[name].assign(theirs[name])
    report(f"initialised {len(fitting)} of {len(ours)} weights from {path}")
    for what, names in (
        ("not in the checkpoint, or of another shape", sorted(set(ours) - set(fitting))),
        ("in the checkpoint, but unused", sorted(set(theirs) - set(fitting))),
    ):
        if names:
            report(f"  {what}: {', '.join(names)}")


def named_weights(pretrainer: ElectraPretrainer) -> dict[str, keras.Variable]:
    """The trainable weights by names such as `generator/layer_3/self_attention/...`.

    Weights that two parts share have the name of the first.
    """
    named: dict[str, keras.Variable] = {}
    seen: set[int] = set()
    for part in _PARTS:
        layer = getattr(pretrainer, part)
        for weight in layer.trainable_variables if layer is not None else ():
            name = f"{part}/{weight.path.removeprefix(f'{part}/')}"
            if id(weight) in seen:
                continue
            if name in named:
                raise ValueError(f"two weights are named {name}")
            seen.add(id(weight))
            named[name] = weight
    return named


def load_pretrainer(path: Path, report: Callable[[str], None]) -> ElectraPretrainer:
    """Builds the networks of a run of ours, in float32, and loads its newest readable checkpoint.

    Args:
      path: a model directory (`models/NAME`) or one of its `checkpoints/step-N`.
      report: called with one line for each damaged checkpoint that is passed over.

    Raises:
      InputError: it is neither, or no checkpoint can be read.
    """
    model_dir = path.parent.parent if path.parent.name == "checkpoints" else path
    config = read_config(model_dir)
    if config is None:
        raise InputError(
            f"init_checkpoint {path}: neither a model directory with config.json and checkpoints/"
            " nor a reference checkpoint (.../model.ckpt)"
        )
    source = ElectraPretrainer.from_config(config, dtype="float32")
    candidates = [path]
    if path == model_dir:
        checkpoints = path / "checkpoints"
        candidates = [checkpoints / f"step-{s:08d}" for s in reversed(saved_steps(checkpoints))]
    for candidate in candidates:
        damage = restore_model(source, candidate)
        if damage is None:
            return source
        report(f"checkpoint {candidate} is damaged ({damage})")
    raise InputError(f"init_checkpoint {path}: no checkpoint there can be read")
