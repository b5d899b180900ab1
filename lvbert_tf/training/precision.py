"""Number formats: which one the hardware computes fastest in, and loss scaling for float16."""

import re
from pathlib import Path

import tensorflow as tf

from lvbert_tf.errors import InputError

POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}
_CPU_FLAGS = {"avx512_bf16", "amx_bf16"}


def resolve_precision(name: str) -> str:
    """Turns the hparam into `float32`, `bfloat16` or `float16`.

    `auto` means bfloat16 only where the hardware multiplies in it: on a TPU, on a GPU of compute
    capability 8 or more, and on a CPU with AVX512-BF16 or AMX. Elsewhere bfloat16 is emulated, and
    slower than float32.

    Raises:
      InputError: unknown name.
    """
    if name in POLICIES:
        return name
    if name != "auto":
        raise InputError(f"precision {name!r}: expected auto, {', '.join(POLICIES)}")
    return "bfloat16" if _hardware_has_bfloat16() else "float32"


def _hardware_has_bfloat16() -> bool:
    if tf.config.list_logical_devices("TPU"):
        return True
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = (tf.config.experimental.get_device_details(gpu) for gpu in gpus)
        return all(detail.get("compute_capability", (0, 0)) >= (8, 0) for detail in details)
    return bool(_CPU_FLAGS & cpu_flags())


def cpu_flags(cpuinfo: str = "/proc/cpuinfo") -> set[str]:
    """The instruction sets of the processor; empty where the system does not list them."""
    path = Path(cpuinfo)
    if not path.exists():
        return set()
    found = re.search(r"^flags\s*:(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return set(found.group(1).split()) if found else set()


class LossScale(tf.Module):
    """Dynamic loss scaling (Micikevicius et al. 2018, section 3.2).

    The scale doubles after `growth_steps` steps with finite gradients. It halves, down to 1, after a
    step whose gradients are not finite. Outside float16 it is constantly 1.

    Args:
      dynamic: whether to scale at all.
      initial: first scale.
      growth_steps: finite steps between doublings.
    """

    def __init__(self, dynamic: bool, initial: float = 2.0**15, growth_steps: int = 2000):
        super().__init__()
        self.dynamic = dynamic
        self.initial = initial if dynamic else 1.0
        self.growth_steps = growth_steps
        options = {
            "trainable": False,
            "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA,
        }
        self.scale = tf.Variable(self.initial, dtype=tf.float32, **options)
        self.finite_steps = tf.Variable(0, dtype=tf.int32, **options)

    def scaled(self, loss: tf.Tensor) -> tf.Tensor:
        """The loss times the scale: what is differentiated."""
        return loss * self.scale if self.dynamic else loss

    def reset(self) -> None:
        """Sets the scale back to its first value."""
        self.scale.assign(self.initial)
        self.finite_steps.assign(0)

    def update(self, finite: tf.Tensor) -> None:
        """Adjusts the scale after a step; `finite` is a boolean scalar, equal on all replicas."""
        if not self.dynamic:
            return
        steps = tf.where(finite, self.finite_steps + 1, 0)
        grow = steps >= self.growth_steps
        shrunk = tf.maximum(self.scale / 2.0, 1.0)
        self.scale.assign(tf.where(finite, tf.where(grow, self.scale * 2.0, self.scale), shrunk))
        self.finite_steps.assign(tf.where(grow, 0, steps))
