"""The accelerators that a plan knows: published speeds, memory and list prices."""

import re
from dataclasses import dataclass

from lvbert_tf.errors import InputError, nearest

PRICES_OF = "2026"
"""The year of the list prices below."""


@dataclass(frozen=True)
class Chip:
    """What the maker and a cloud publish about one chip.

    Attributes:
      peak_flops: FLOP/s of dense products in bfloat16.
      bandwidth: bytes a second between the chip and its memory (HBM; GDDR6 in an L4).
      memory: bytes of that memory.
      link: bytes a second that a chip sends to the others of its machine or slice.
      dollars: the on-demand list price of a chip for an hour, machine included, in a US region.
      machine_chips: chips of a machine. The machines of a TPU slice are joined by the chips' own links.
      network: bytes a second that a machine sends to other machines; None where `link` joins them.
      most_chips: of the largest slice; None: no limit.
      source: where the price is published.
    """

    peak_flops: float
    bandwidth: float
    memory: float
    link: float
    dollars: float
    machine_chips: int
    network: float | None
    most_chips: int | None
    source: str


_TPU = "cloud.google.com/tpu/pricing"
_GPU = "cloud.google.com/compute/gpus-pricing"

# Prices: on demand in us-central1 (a v4 in us-central2), without disks, of the machines that are named
# below. They were compared in November 2026 with a catalog that is read from Google's billing API
# (github.com/skypilot-org/skypilot-catalog, catalogs/v8/gcp/vms.csv), not with the pages themselves.

# Speeds and memory: docs.cloud.google.com/tpu/docs and NVIDIA's data sheets (A100 of 40 GB, H100 SXM).
# Links: a TPU's inter-chip interconnect in all directions together, which is what an all-reduce on a
# torus reaches (Google publishes 51.2 TB/s for 256 chips of v5e); half of NVLink's published total, and
# of PCIe 4's for an L4. Networks: those of a2-highgpu-8g and g2-standard-96 (100 Gbit/s) and of
# a3-highgpu-8g (1,000 Gbit/s).
CHIPS = {
    "tpu-v4": Chip(275e12, 1200e9, 32e9, 300e9, 3.22, 4, None, 4096, _TPU),
    "tpu-v5e": Chip(197e12, 819e9, 16e9, 200e9, 1.20, 4, None, 256, _TPU),
    "tpu-v5p": Chip(459e12, 2765e9, 95e9, 600e9, 4.20, 4, None, 6144, _TPU),
    "tpu-v6e": Chip(918e12, 1640e9, 32e9, 400e9, 2.70, 4, None, 256, _TPU),
    "a100": Chip(312e12, 1555e9, 40e9, 300e9, 3.67, 8, 12.5e9, None, _GPU),
    "h100": Chip(989e12, 3350e9, 80e9, 450e9, 10.98, 8, 125e9, None, _GPU),
    "l4": Chip(121e12, 300e9, 24e9, 32e9, 1.00, 8, 12.5e9, None, _GPU),
}


@dataclass(frozen=True)
class Devices:
    """Some chips of one kind.

    Attributes:
      name: the kind, a name of `CHIPS`.
      chip: the kind's figures.
      count: the number of chips. Each is a replica.
    """

    name: str
    chip: Chip
    count: int

    @classmethod
    def parse(cls, text: str) -> "Devices":
        """Reads a kind and a number of chips, such as `tpu-v5e-16` or `a100-8`.

        Raises:
          InputError: there is no such kind, or no such number of its chips.
        """
        found = re.fullmatch(r"(.+)-(\d{1,6})", text.strip().lower())
        name = found[1] if found else text
        name = f"tpu-{name}" if f"tpu-{name}" in CHIPS else name
        if found is None or name not in CHIPS:
            raise InputError(
                f"devices {text!r}: expected a kind of chip and their number, such as"
                f" {nearest(name, CHIPS)}-8; the kinds are {', '.join(CHIPS)}"
            )
        chip, count = CHIPS[name], int(found[2])
        if not 1 <= count <= (chip.most_chips or count):
            most = f"1 to {chip.most_chips}" if chip.most_chips else "1 or more"
            raise InputError(f"devices {text!r}: {count} chips of {name}; use {most}")
        return cls(name, chip, count)

    @property
    def machines(self) -> int:
        """The number of machines that the chips are in."""
        return -(-self.count // self.chip.machine_chips)

    def all_reduce_seconds(self, size: float) -> float:
        """The time in which all chips get the sum of their vectors, by rings without any latency.

        Chips that one machine joins sum first, then machines, each at the speed of its network.

        Args:
          size: bytes of the vector of a chip.
        """
        chip = self.chip
        inner = self.count if chip.network is None else min(self.count, chip.machine_chips)
        seconds = 2 * (inner - 1) / inner * size / chip.link
        if chip.network is not None:
            seconds += 2 * (self.machines - 1) / self.machines * size / chip.network
        return seconds
