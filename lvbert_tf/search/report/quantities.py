"""What a report calls the metrics of a candidate, and how many of their digits it shows."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """What a score or a cost is called, and its unit.

    Args:
      label: as the field calls it.
      unit: of the number; empty for a share.
      is_count: whole numbers that are shown in thousands, millions or billions.
    """

    label: str
    unit: str = ""
    is_count: bool = False

    @property
    def axis(self) -> str:
        """The label of a plot's axis."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def text(self, value: float) -> str:
        """A value without its unit; a dash for one that is not finite."""
        if not math.isfinite(value):
            return "–"
        return short_count(value) if self.is_count else f"{value:.4f}"


_QUANTITIES = {
    "disc_loss": Quantity("RTD loss", "nats a token"),
    "disc_auc": Quantity("RTD AUC"),
    "disc_accuracy": Quantity("RTD accuracy"),
    "mlm_loss": Quantity("MLM loss", "nats a masked token"),
    "mlm_accuracy": Quantity("MLM accuracy"),
    "parameters": Quantity("parameters", is_count=True),
    "flops": Quantity("FLOPs", "a sequence", is_count=True),
    "latency": Quantity("latency", "ms"),
}


def quantity(name: str) -> Quantity:
    """The quantity with this name; a score that is not known here gets its own name as its label."""
    return _QUANTITIES.get(name, Quantity(name))


def short_count(value: float) -> str:
    """A count in four digits: `12.89 M`."""
    for scale, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            decimals = max(0, 3 - int(math.log10(value / scale)))
            return f"{value / scale:.{decimals}f} {prefix}"
    return f"{value:g}"


def duration(seconds: float) -> str:
    """Seconds as a person says them: `1 h 02 min`, `3 min 20 s`, `4.2 s`."""
    if not 60 <= seconds < math.inf:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"
