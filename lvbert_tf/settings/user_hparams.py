"""Reads the hparams that a user gives, and the paths and names among them."""

import json
import os
import tomllib
from pathlib import PurePath
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.io.files import check_ordinary, expand_home, text_of, unusable
from lvbert_tf.io.paths import parse_path


def load_hparams(text: str) -> dict[str, Any]:
    """Reads hparams from inline JSON, a `.json` file or a `.toml` file.

    Args:
      text: the JSON or the path of the file. An empty text stands for no hparams.

    Returns:
      the values by name, neither converted nor checked.

    Raises:
      InputError: the file does not exist, or its name ends in neither `.json` nor `.toml`; the text is
        not JSON or TOML (the error has the position); a name is given twice; the text is not a table
        of names and values; or a text in it can be no name and no path.
    """
    values = _read(text)
    for name, value in values.items():
        _check_texts(name, value)
    return values


def _read(text: str) -> dict[str, Any]:
    text = text.removeprefix("\ufeff").strip()  # a byte-order mark, as of --hparams "$(cat FILE)"
    if not text:
        return {}
    if text.startswith("{"):
        return _parse_json(text, "--hparams")
    text = expand_home(text)
    suffix = PurePath(text).suffix
    if suffix not in (".json", ".toml"):
        if os.path.exists(text):
            raise InputError(
                f"hparams file {text}: a .json or .toml at the end of its name must say how to read"
                ' it; for what a command prints, JSON itself will do: --hparams "$(command)"'
            )
        return _parse_json(text, "--hparams")
    try:
        check_ordinary(text)
        content = text_of(parse_path(text).read_bytes(), text)
    except FileNotFoundError:
        raise InputError(f"hparams file {text} does not exist") from None
    except InputError as error:
        raise InputError(f"hparams file {error}") from error
    except OSError as error:
        raise InputError(f"hparams file {text} cannot be read: {error}") from error
    if suffix == ".json":
        return _parse_json(content, text)
    try:
        return tomllib.loads(content)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{text} is not TOML: {error}") from error


def expand_path(path: str, data_dir: str) -> str:
    """Replaces `{data_dir}` and `~` in a path, or in each of several paths separated by commas.

    A path may contain commas itself, so nothing else of the text changes.

    Args:
      path: `{data_dir}` in it stands for the data directory, `~` at its start for a home directory.
      data_dir: the data directory.

    Raises:
      InputError: `~` is followed by a name that no user has.
    """
    parts = path.split(",")
    expanded = (
        expand_home(part.strip()) if part.strip().startswith("~") else part for part in parts
    )
    return ",".join(expanded).replace("{data_dir}", data_dir)


def check_directory_name(what: str, name: str) -> None:
    """Refuses a name that is empty or a path.

    Args:
      what: the thing that has the name, for the error.
      name: the name.

    Raises:
      InputError: `name` is not the name of one directory.
    """
    if name in ("", "..") or PurePath(name).name != name or unusable(name):
        raise InputError(f"{what} {name!r}: expected one directory name")


def _check_texts(name: str, value: Any) -> None:
    """Refuses texts with characters that neither the system nor TensorFlow takes, in lists too."""
    waiting = [name, value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += (*item.keys(), *item.values())
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str) and (fault := unusable(item)):
            raise InputError(f"hparam {name!r}: {item!r} has {fault}, as no name and no path may")


def _parse_json(text: str, where: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"{where}: hparam {name!r} is given twice")
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=unique)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:  # also an integer of thousands of digits
        raise InputError(
            f"{where} is neither JSON nor a path to a .json or .toml file: {error}"
        ) from error
    if not isinstance(value, dict):
        raise InputError(f'{where}: expected {{"name": value, ...}}, got {text[:60]!r}')
    return value
