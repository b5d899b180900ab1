"""The TPUs that a step is compiled for, and what their maker publishes about them."""

from dataclasses import dataclass

from lvbert_tf.plan import chips


@dataclass(frozen=True)
class Chip:
    """A TPU chip.

    Attributes:
      published: its speeds and its memory.
      topology: the smallest slice of such chips that libtpu compiles for.
      accelerator_type: Cloud TPU's name of that slice.
      clock: cycles a second of the matrix units. It is not published but follows from what is:
        the peak FLOP/s divided by the number of multipliers in all matrix units, and by 2 FLOPs.
    """

    published: chips.Chip
    topology: str
    accelerator_type: str
    clock: float


# The clocks count 8 units of 128 x 128 multipliers (v4, whose two cores are one device), 4 of 128 x 128
# (v5e) and 4 of 256 x 256 (v6e).
CHIPS = {
    "tpu-v4": Chip(chips.CHIPS["tpu-v4"], "v4:2x2x1", "v4-8", 1.05e9),
    "tpu-v5e": Chip(chips.CHIPS["tpu-v5e"], "v5e:2x2", "v5litepod-4", 1.5e9),
    "tpu-v6e": Chip(chips.CHIPS["tpu-v6e"], "v6e:2x2", "v6e-4", 1.75e9),
}


@dataclass(frozen=True)
class Roofline:
    """The shortest time of a step on a chip (Williams et al. 2009).

    Attributes:
      arithmetic_seconds: the FLOPs at the chip's peak.
      memory_seconds: the bytes at the chip's bandwidth.
    """

    arithmetic_seconds: float
    memory_seconds: float

    @classmethod
    def of(cls, chip: Chip, flops: float, hbm_bytes: float) -> "Roofline":
        return cls(flops / chip.published.peak_flops, hbm_bytes / chip.published.bandwidth)

    @property
    def seconds(self) -> float:
        """Of a step in which arithmetic and memory overlap without a gap."""
        return max(self.arithmetic_seconds, self.memory_seconds)

    @property
    def share_of_peak(self) -> float:
        """The largest share of the chip's peak FLOP/s that the step can reach."""
        return self.arithmetic_seconds / self.seconds
