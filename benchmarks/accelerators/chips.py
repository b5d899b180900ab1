"""The TPUs that a step is compiled for, and what their maker publishes about them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Chip:
    """A TPU chip.

    Attributes:
      topology: the smallest slice of such chips that libtpu compiles for.
      accelerator_type: Cloud TPU's name of that slice.
      peak_flops: FLOP/s of products in bfloat16.
      bandwidth: bytes a second between the chip and its HBM.
      memory: bytes of HBM.
      clock: cycles a second of the matrix units. It is not published but follows from what is:
        `peak_flops` divided by the number of multipliers in all matrix units, and by 2 FLOPs.
    """

    topology: str
    accelerator_type: str
    peak_flops: float
    bandwidth: float
    memory: float
    clock: float


# From docs.cloud.google.com/tpu/docs/v4, /v5e and /v6e, some versions of which round the bandwidths of
# v5e and v6e to 800 and 1,600 GB/s. The clocks count 8 units of 128 x 128 multipliers (v4, whose two
# cores are one device), 4 of 128 x 128 (v5e) and 4 of 256 x 256 (v6e).
CHIPS = {
    "tpu-v4": Chip("v4:2x2x1", "v4-8", 275e12, 1200e9, 32e9, 1.05e9),
    "tpu-v5e": Chip("v5e:2x2", "v5litepod-4", 197e12, 819e9, 16e9, 1.5e9),
    "tpu-v6e": Chip("v6e:2x2", "v6e-4", 918e12, 1640e9, 32e9, 1.75e9),
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
        return cls(flops / chip.peak_flops, hbm_bytes / chip.bandwidth)

    @property
    def seconds(self) -> float:
        """Of a step in which arithmetic and memory overlap without a gap."""
        return max(self.arithmetic_seconds, self.memory_seconds)

    @property
    def share_of_peak(self) -> float:
        """The largest share of the chip's peak FLOP/s that the step can reach."""
        return self.arithmetic_seconds / self.seconds
