"""Recognises what a path holds, for messages to users who call it something else."""

from pathlib import Path

from lvbert_tf.errors import InputError
from lvbert_tf.interop.reference_checkpoint import is_reference_checkpoint
from lvbert_tf.io.files import read_json_object


def check_format(kind: str, path: str) -> None:
    """Refuses a path that clearly holds another format than the user says.

    Args:
        kind: the format that the user gives: "reference", "huggingface" or "preset".
        path: the path.

    Raises:
        InputError: the path holds another format, or nothing that can be converted. The message says
            what to do instead.
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
    """The format of what a path holds, and a phrase for it.

    The format is None where it cannot be converted. The result is None where nothing is recognised.
    """
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
