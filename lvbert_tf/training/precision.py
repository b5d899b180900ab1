"""Number formats: the one that the hardware computes fastest in, and loss scaling for float16."""

import re
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from lvbert_tf.errors import InputError

POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def resolve_precision(name: str) -> str:
    """Turns the hparam into `float32`, `bfloat16` or `float16`.

    `auto` means what the matrix units of the devices multiply in: bfloat16 on a TPU, on GPUs of compute
    capability 8 or more, and on a CPU where it is faster than float32 (see `cpu_gains_by_bfloat16`);
    float16, with loss scaling, on GPUs of compute capability 7 (V100, T4), which have no bfloat16. Of
    several GPUs the oldest one decides. Everywhere else both are emulated or as slow as float32, and
    `auto` means float32.

    Raises:
      InputError: the name is not known.
    """
    if name in POLICIES:
        return name
    if name != "auto":
        raise InputError(f"precision {name!r}: expected auto, {', '.join(POLICIES)}")
    if tf.config.list_logical_devices("TPU"):
        return "bfloat16"
    if gpus := tf.config.list_physical_devices("GPU"):
        return _fastest_on_gpus(gpus)
    return "bfloat16" if cpu_gains_by_bfloat16() else "float32"


def _fastest_on_gpus(gpus: Sequence[tf.config.PhysicalDevice]) -> str:
    details = (tf.config.experimental.get_device_details(gpu) for gpu in gpus)
    # TensorFlow lists none for GPUs that are not NVIDIA's.
    oldest = min(detail.get("compute_capability", (0, 0)) for detail in details)
    if oldest >= (8, 0):
        return "bfloat16"
    return "float16" if oldest >= (7, 0) else "float32"


def cpu_gains_by_bfloat16(cpuinfo: str = "/proc/cpuinfo") -> bool:
    """Whether the processor multiplies matrices faster in bfloat16 than in float32.

    With AMX it does. An instruction of AVX512-BF16 multiplies twice as many numbers as one for float32.
    AMD's processors start as many of them in a cycle, Intel's half as many, so that nothing is gained
    there, and conversions cost time.

    Args:
      cpuinfo: the file in which Linux describes the processor; False where there is none.
    """
    path = Path(cpuinfo)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    flags = found.group(1).split() if found else []
    return "amx_bf16" in flags or ("avx512_bf16" in flags and "AuthenticAMD" in text)


class LossScale(tf.Module):
    """Dynamic loss scaling (Micikevicius et al. 2018, section 3.2).

    The smallest gradients would be zero in float16, so the gradient of the loss times a scale is
    computed, and divided by the scale in float32. The scale doubles after `growth_steps` steps in a row
    with finite gradients. It halves, down to 1, after a step whose gradients are not finite. Such a step
    is skipped as any step that is not finite is; see `TrainingStep`. Outside float16 nothing is scaled.

    Checkpoints save the scale, so that a run continues exactly as it would have gone on.

    Args:
      dynamic: whether to scale at all.
      initial: the first scale.
      growth_steps: the number of finite steps between doublings.
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

    def continue_restored(self) -> None:
        """Begins to scale after a checkpoint was restored that a run in another precision wrote.

        Such a run leaves the scale at 1 and counts no steps. From there the scale would need thousands
        of steps to become large enough. A run in float16 leaves the same where its scale has fallen to
        1 in the last step, and begins to scale again, too.
        """
        if self.dynamic and self.scale.numpy() == 1.0 and self.finite_steps.numpy() == 0:
            self.reset()

    def update(self, finite: tf.Tensor) -> None:
        """Adjusts the scale after a step.

        Args:
          finite: whether loss and gradients of the step are finite, a boolean scalar, equal on all
            replicas.
        """
        if not self.dynamic:
            return
        steps = tf.where(finite, self.finite_steps + 1, 0)
        grow = steps >= self.growth_steps
        shrunk = tf.maximum(self.scale / 2.0, 1.0)
        self.scale.assign(tf.where(finite, tf.where(grow, self.scale * 2.0, self.scale), shrunk))
        self.finite_steps.assign(tf.where(grow, 0, steps))
