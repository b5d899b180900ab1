"""Paths with wildcards, and several of them with commas between."""

import glob
from pathlib import Path, PurePath

from lvbert_tf.io.paths import MAGIC, BucketPath, parse_path


def matching(pattern: str) -> list[Path]:
    """The paths that match a pattern with wildcards (`*`, `?`, `[...]`), sorted; `**` is as `*`.

    A wildcard does not match the dot of a hidden file. A name that is there as it is written is no
    pattern, whatever characters it has.
    """
    start, rest = _divided(parse_path(pattern))
    if not rest:
        return [start] if pattern and (start.exists() or start.is_symlink()) else []
    if not isinstance(start, BucketPath):
        return [start / found for found in sorted(glob.glob(rest, root_dir=start))]
    names = rest.split("/")
    return sorted(
        path
        for path in start.glob(rest)
        if all(
            name.startswith(".") or not part.startswith(".")
            for name, part in zip(names, path.parts[-len(names) :], strict=True)
        )
    )


def _divided(path: Path) -> tuple[Path, str]:
    """The beginning of a path before its first wildcard, and the pattern that follows."""
    fixed = 2 if isinstance(path, BucketPath) else bool(path.anchor)
    start, names = type(path)(*path.parts[:fixed]), path.parts[fixed:]
    for index, name in enumerate(names):
        if MAGIC.search(name) and not (start / name).exists():
            return start, "/".join(names[index:])
        start /= name
    return start, ""


def divide_patterns(text: str) -> list[str]:
    """Divides patterns at the commas between them; a path may have commas itself.

    The text is one pattern if files match it as a whole. If nothing matches the parts either, they are
    patterns if each looks like one of record files.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    whole = text.strip()
    if len(parts) < 2 and whole in ("", *parts):
        return parts
    if matching(whole):
        return [whole]
    if any(map(matching, parts)):
        return parts
    names = [PurePath(part).name for part in parts]
    return parts if all("tfrecord" in name or MAGIC.search(name) for name in names) else [whole]
