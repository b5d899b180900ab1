"""Writing a file whole or not at all, and reading JSON that others wrote."""

import json
import os
from pathlib import Path
from typing import Any

from lvbert_tf.errors import InputError, reason


def replace_file(path: str | Path, content: str | bytes) -> None:
    """Writes a temporary file, waits for the disk and renames: readers see the old file or the new.

    Raises:
      InputError: it cannot be written, e.g. on a full disk; the old file is untouched.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.writing")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {reason(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, value: Any) -> None:
    """Writes JSON; see `replace_file`."""
    replace_file(path, json.dumps(value, indent=2) + "\n")


def read_json_object(path: Path) -> dict[str, Any]:
    """Reads a file that holds one JSON object.

    Raises:
      InputError: it is missing, unreadable, or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f'{path}: expected {{"name": value, ...}}')
    return value
