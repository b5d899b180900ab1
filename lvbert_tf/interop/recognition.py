"""What a path holds, for those who give it as something else."""

from pathlib import Path

from lvbert_tf.errors import InputError
from lvbert_tf.interop.reference_checkpoint import is_reference_checkpoint
from lvbert_tf.io.files import read_json_object


def check_format(kind: str, path: str) -> None:
    """Refuses what is clearly of another format, and says what to give instead.

    Args:
        kind: the format that it is given as: "reference", "huggingface" or "preset".
        path: where.

    Raises:
        InputError: it is of another format, or holds nothing that can be converted.
    """
    found = _recognise(Path(path))
    if found is None:
        return
    other, what = found
    if other is None:
        raise InputError(f"{path} is {what}")
    if other != kind:
        raise InputError(f"{path} is {what}; give it with --from {other}")


def _recognise(path: Path) -> tuple[str | None, str] | None:
    """(its format, what it is); format None if it has none; None if nothing is known about it."""
    if (path / "presets").is_dir():
        return "preset", "a trial of fine-tuning"
    if (path / "study.journal").exists() or (path / "held_out.npz").exists():
        return None, "the directory of a search; convert the run of a string that it found"
    for directory in (path, *sorted(path.glob("[0-9]*"))):
        if (directory / "saved_model.pb").exists():
            return (
                None,
                "a SavedModel, which is for serving; convert the model that it was made from",
            )
    if (path / "config.json").exists():
        return _recognise_config(path)
    trials = sorted(child for child in path.glob("*/presets") if child.is_dir())
    if trials:
        return (
            None,
            f"a directory of trials of fine-tuning; give one of them, as {trials[0].parent}",
        )
    if is_reference_checkpoint(str(path)):
        return "reference", "a checkpoint of the reference's code"
    return None


def _recognise_config(path: Path) -> tuple[str | None, str] | None:
    try:
        config = read_json_object(path / "config.json")
    except InputError:
        return None
    for key, kind, what in (
        ("model_type", "huggingface", "a model of Hugging Face's transformers"),
        ("class_name", "preset", "a KerasHub preset"),
        ("hparams", "preset", "the directory of a run"),
    ):
        if key in config:
            return kind, what
    return None
