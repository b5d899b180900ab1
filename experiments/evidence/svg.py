"""Plots as SVG files."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lvbert_tf.io.whole import replace_file
from lvbert_tf.search.report import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMESPACES = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def write(
    path: Path, title: str, width: float, height: float, plot: Callable[["Figure"], None]
) -> None:
    """Draws a plot into a file, in the style of a search's report; width and height are in inches."""
    text = drawing.svg(title, width, height, plot).replace("<svg", _NAMESPACES, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, text + "\n")
