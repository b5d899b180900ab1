"""The presets that come with this package, by name."""

from pathlib import Path

from lvbert_tf.io.paths import parse_path

_DIRECTORY = Path(__file__).parent


def shipped_names() -> list[str]:
    """The names that may stand where a preset is asked for."""
    return sorted(path.parent.name for path in _DIRECTORY.glob("*/config.json"))


def located(preset: str | Path) -> str | Path:
    """The directory of a preset of this package that is given by its name, unless a path has that name.

    Anything else is returned unchanged.
    """
    if str(preset) in shipped_names() and not parse_path(preset).exists():
        return _DIRECTORY / str(preset)
    return preset
