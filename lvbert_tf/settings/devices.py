"""What a user says about the hardware: where to compute, in which number format, and on which TPU."""

from dataclasses import dataclass

from lvbert_tf.hparams import AT_LEAST_1, POSITIVE, hparam

STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker", "tpu")
"""What `--strategy` accepts."""
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
"""What the hparam `precision` accepts."""
JIT_COMPILE = ("auto", True, False)
"""What the hparam `jit_compile` accepts."""

_TPU_HPARAMS = ("tpu_name", "tpu_zone", "gcp_project", "tpu_job_name")


@dataclass(frozen=True, kw_only=True)
class DeviceHparams:
    """The hparams about TPUs and workers, which pre-training and fine-tuning share.

    Attributes:
      use_tpu: whether to compute on a TPU.
      num_tpu_cores: accepted as the reference accepts it, without any effect: all cores are used.
      tpu_job_name: the name of the TPU worker's job.
      tpu_name: a Cloud TPU's name, a grpc:// address, or `local` on a TPU VM.
      tpu_zone, gcp_project: the Cloud zone and project of the TPU.
      worker_timeout: the seconds that a worker waits for the others: until they have started, and then
        between two agreements (`training.workers.agreement`). After that it ends.
    """

    use_tpu: bool = hparam(False, doc="train on a TPU")
    num_tpu_cores: int = hparam(1, AT_LEAST_1, "no effect: a TPU computes with all its cores")
    tpu_job_name: str | None = hparam(None, doc="name of the TPU worker's job")
    tpu_name: str | None = hparam(None, doc="name or address of the TPU")
    tpu_zone: str | None = hparam(None, doc="Cloud zone of the TPU")
    gcp_project: str | None = hparam(None, doc="Cloud project of the TPU")
    worker_timeout: float = hparam(
        1800.0, POSITIVE, "seconds that a worker waits for the others, at the start and later"
    )


@dataclass(frozen=True)
class DeviceSettings(DeviceHparams):
    """Where and how a run computes.

    Attributes:
      precision: one of `PRECISIONS`.
      jit_compile: whether XLA compiles the whole training step; "auto": on GPUs and TPUs.
    """

    precision: str
    jit_compile: bool | str

    def without_effect(self, tpu: str | None) -> list[str]:
        """Lists hparams that were given and that nothing makes use of.

        Args:
          tpu: the TPU that the flag --tpu names, if any.

        Returns:
          a line for the user for each reason.
        """
        lines = []
        if self.num_tpu_cores != 1:
            lines.append("num_tpu_cores has no effect: a TPU computes with all its cores")
        given = [name for name in _TPU_HPARAMS if getattr(self, name) is not None]
        if given and not self.use_tpu and tpu is None:
            lines.append(f"{', '.join(given)}: no effect without use_tpu or --tpu")
        elif self.tpu_name is not None and tpu is not None:
            lines.append(f"tpu_name has no effect: --tpu {tpu} takes its place")
        return lines
