"""How the plots of a report look, and turning one into SVG that stands in a page.

matplotlib is imported where it draws: who only searches need not wait for it.
"""

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from lvbert_tf.architecture.layer_types import LAYER_TYPES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people with any colour vision can tell apart.
SEARCH, RANDOM, GREY = "#0072B2", "#D55E00", "#555555"
# A bar's colour and that of a letter written on it, one pair for each row of the table of layer types.
_LAYER_COLOURS = (
    ("#E69F00", "black"),
    ("#0072B2", "white"),
    ("#009E73", "black"),
    ("#CC79A7", "black"),
    ("#56B4E9", "black"),
    ("#F0E442", "black"),
    ("#D55E00", "white"),
)
REFERENCE_STYLES = ((0, (8, 3)), (0, (1, 2)), (0, (8, 3, 1, 3)))
REFERENCE_MARKERS = ("s", "D", "^")

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched and read aloud
    "text.parse_math": False,
    "font.sans-serif": ["DejaVu Sans", "Arial"],
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E5E5E5",
    "legend.fontsize": 10,
}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def layer_colours(layer_type: str) -> tuple[str, str]:
    """The colour of a layer type's bars, and the colour of letters on them.

    There are seven pairs; an eighth layer type shares the first.
    """
    return _LAYER_COLOURS[list(LAYER_TYPES).index(layer_type) % len(_LAYER_COLOURS)]


def layer_label(layer_type: str) -> str:
    """How a legend names a layer type: "C dynamic convolution"."""
    return f"{layer_type} {LAYER_TYPES[layer_type].name}"


def svg(title: str, width: float, height: float, plot: Callable[["Figure"], None]) -> Markup:
    """Draws a figure.

    Args:
      title: read aloud in place of the picture.
      width, height: inches, of 72 points.
      plot: adds the axes to an empty figure.

    Returns:
      an `<svg>` element for a page of HTML; the same for the same figure.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's matplotlibrc must not change the page
        # Ids are hashes with this salt: alike on every run, and no two figures share one.
        matplotlib.rcParams.update({**_STYLE, "svg.hashsalt": title})
        figure = Figure(figsize=(width, height), layout="constrained")
        plot(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()  # HTML has no XML declaration in its middle
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r' id="[\w.]+_\d+"', "", text)  # groups are counted, so figures repeat them
    return Markup(text.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1))


def says_nothing(axes: "Axes", message: str) -> None:
    """Writes in empty axes why they are empty."""
    axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center")
    axes.set(xticks=[], yticks=[])
