"""A directory holds the results of one experiment."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.io.whole import write_json


def claim(output_dir: Path, settings: Mapping[str, Any]) -> None:
    """Notes in a directory what its results depend on, or checks that they depend on the same.

    Args:
      output_dir: the directory of an experiment, which is made if it is not there.
      settings: what the results depend on, as JSON types.

    Raises:
      InputError: it holds results of other settings, naming what differs.
    """
    path = output_dir / "experiment.json"
    output_dir.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_json(path, settings)
    there = json.loads(path.read_text(encoding="utf-8"))
    if differing := [name for name, value in settings.items() if there.get(name) != value]:
        raise InputError(
            f"{output_dir} holds another experiment (it differs in {', '.join(differing)});"
            " use another --output_dir"
        )
