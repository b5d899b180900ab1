"""Where training runs: one device, several, several machines, or a TPU."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.layers.kernels import Compilation
from lvbert_tf.settings.devices import STRATEGIES, DeviceSettings
from lvbert_tf.training import cluster, rendezvous
from lvbert_tf.training.batch_parts import is_default, prepare_parts
from lvbert_tf.training.workers import worker_of


@dataclass(frozen=True)
class TpuAddress:
    """Which TPU: `name` is a Cloud TPU's name, a grpc:// address, or `local` on a TPU VM."""

    name: str
    zone: str | None = None
    project: str | None = None
    job_name: str | None = None


@contextlib.contextmanager
def explained_device_errors() -> Iterator[None]:
    """Says what a user can do about a worker that no longer answers, or a device that is too small.

    Raises:
      InputError: TensorFlow has noticed one.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.DeadlineExceededError) as error:
        raise InputError(
            "another worker, or the TPU, was killed or cannot be reached; stop all workers and"
            " start them again: they continue from the last checkpoint"
        ) from error
    except tf.errors.ResourceExhaustedError as error:
        said = re.search(r"(OOM|[Oo]ut of memory).*", error.message or "")
        if not said:  # a full disk, or too many open files
            raise
        raise InputError(
            f"a device has not enough memory ({said[0][:200]}); lower train_batch_size, in pre-training"
            " raise gradient_accumulation_steps, or use more devices"
        ) from error


def start_strategy(
    settings: DeviceSettings,
    name: str,
    virtual_devices: int,
    tpu: str | None,
    report: Callable[[str], None],
    batches_in_parts: Sequence[int] = (),
) -> tf.distribute.Strategy:
    """Starts the strategy of the device flags, on the TPU that --tpu or else the hparams name.

    It waits for the other workers to start, but not longer than `settings.worker_timeout`.

    Args:
      settings: the hparams about devices.
      name, virtual_devices: see `make_strategy`.
      tpu: the value of --tpu.
      report: called by one of the workers with a warning for hparams that have no effect.
      batches_in_parts: see `make_strategy`.

    Raises:
      InputError: see `make_strategy`; or TensorFlow has noticed that a worker is gone.
    """
    address = None
    if tpu is not None or settings.use_tpu:
        address = TpuAddress(
            tpu or settings.tpu_name or "local",
            settings.tpu_zone,
            settings.gcp_project,
            settings.tpu_job_name,
        )
    with explained_device_errors():
        strategy = make_strategy(
            name, virtual_devices, address, settings.worker_timeout, batches_in_parts
        )
    if worker_of(strategy)[0] == 0:
        for line in settings.without_effect(tpu):
            report(f"warning: {line}")
    return strategy


def make_strategy(
    name: str = "auto",
    virtual_devices: int = 0,
    tpu: TpuAddress | None = None,
    worker_timeout: float | None = None,
    batches_in_parts: Sequence[int] = (),
) -> tf.distribute.Strategy:
    """Chooses and starts a distribution strategy. Call it before TensorFlow computes anything.

    Args:
      name: one of `STRATEGIES`. `auto` takes what the machine has: the TPU that is named, else the
        workers of TF_CONFIG or the tasks of Slurm's step, else all GPUs or virtual devices, else the one
        device.
      virtual_devices: if positive, splits the CPU into this many logical devices (for tests).
      tpu: for the `tpu` strategy.
      worker_timeout: the seconds that workers wait for each other to start; None leaves waiting to
        TensorFlow.
      batches_in_parts: the rows of each kind of batch that the caller computes in `parts_of_batch`
        parts.

    Raises:
      InputError: unknown name, contradicting choices, malformed TF_CONFIG or variables of Slurm, no
        such TPU, or a build of TensorFlow that cannot compute there; not all workers have started in
        time.
    """
    if name not in STRATEGIES:
        raise InputError(f"--strategy {name!r}: expected one of {', '.join(STRATEGIES)}")
    if virtual_devices < 0:
        raise InputError(f"--virtual_devices {virtual_devices}: expected 0 or more")
    if name in ("auto", "multi_worker") and tpu is None and not os.environ.get("TF_CONFIG"):
        cluster.take_tasks_of_slurm()
    name = _automatic(virtual_devices, tpu) if name == "auto" else name
    if tpu is not None and name != "tpu":
        raise InputError(f"a TPU is named ({tpu.name}) but --strategy is {name}; expected tpu")
    if name != "mirrored" and virtual_devices > 1:
        raise InputError(f"strategy {name} contradicts --virtual_devices {virtual_devices}")
    if name != "tpu" and tf.config.list_physical_devices("TPU_SYSTEM"):
        raise InputError(
            f"--strategy {name}: this TensorFlow is the build for TPUs, whose XLA compiles for nothing"
            " else; name the TPU with --tpu local, or use an environment with the plain TensorFlow"
        )
    _keep_gpu_memory_growing()
    if virtual_devices:
        _split_cpu(virtual_devices)
    if name == "tpu":
        return _tpu_strategy(tpu)
    if name == "multi_worker":
        config = cluster.read_tf_config()
        if worker_timeout is not None:
            rendezvous.meet(config, worker_timeout)
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "mirrored":
        kind = "CPU" if virtual_devices or not tf.config.list_physical_devices("GPU") else "GPU"
        return tf.distribute.MirroredStrategy(
            [device.name for device in tf.config.list_logical_devices(kind)]
        )
    prepare_parts(batches_in_parts)
    # TensorFlow's default strategy: the first GPU if there is one, without any wrapping.
    return tf.distribute.get_strategy()


def io_device(strategy: tf.distribute.Strategy) -> str | None:
    """The device that reads and writes checkpoints; None: for each variable the host that holds it.

    The hosts of a TPU hold the variables, but this process makes and renames the directories.
    """
    return "/job:localhost" if isinstance(strategy, tf.distribute.TPUStrategy) else None


def make_deterministic() -> None:
    """Makes GPUs compute the same numbers in each run, at a cost in speed. CPUs do it anyway."""
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


def compilation_of(
    strategy: tf.distribute.Strategy, jit_compile: bool | str = "auto"
) -> Compilation:
    """Decides from the devices of a strategy how its steps are compiled; nothing else asks for them.

    Args:
      strategy: where to compute.
      jit_compile: the hparam. True compiles the whole step. "auto" does so on GPUs and TPUs. Otherwise
        a CPU runs compiled stretches, and a GPU the plain kernels.
    """
    kind = _kind_of_devices(strategy)
    if jit_compile is True or (jit_compile == "auto" and kind != "CPU"):
        return "tpu" if kind == "TPU" else "whole"
    return "stretches" if kind == "CPU" else "plain"


def _kind_of_devices(strategy: tf.distribute.Strategy) -> str:
    """`CPU`, `GPU` or `TPU`."""
    try:
        devices = strategy.extended.worker_devices
        kinds = {tf.DeviceSpec.from_string(device).device_type for device in devices}
    except RuntimeError:  # TensorFlow's default strategy, which computes on a GPU if there is one
        kinds = {device.device_type for device in tf.config.list_logical_devices()}
    return next((kind for kind in ("TPU", "GPU") if kind in kinds), "CPU")


def processors(strategy: tf.distribute.Strategy) -> int:
    """How many processors compute: the replicas, but the virtual devices of a CPU are one."""
    if tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("TPU"):
        return strategy.num_replicas_in_sync
    return worker_of(strategy)[1]


def batches_of_replicas(
    strategy: tf.distribute.Strategy,
    make: Callable[[tuple[int, int], int], tf.data.Dataset],
) -> Iterator[Any]:
    """An iterator that gives every replica its own rows of each batch, and each host the rows it needs.

    Args:
      strategy: whose replicas compute.
      make: takes ((index, count) of a host, the replicas of a host) and returns a dataset. Its elements
        are the rows of the host's first replica, of its second, and so on, then those of the next batch.
        It is called once for each host that this process feeds: a worker feeds itself, and the one
        process of a TPU feeds all hosts of it, where the files are then read.

    Returns:
      an iterator without an end: after the last batch, the first one follows. Shapes are those of the
      datasets.
    """

    def of_host(context: tf.distribute.InputContext) -> tf.data.Dataset:
        hosts = context.num_input_pipelines
        own = make((context.input_pipeline_id, hosts), strategy.num_replicas_in_sync // hosts)
        # Workers would ask each other at every batch of a dataset that ends whether there is another.
        return own.repeat()

    return iter(strategy.distribute_datasets_from_function(of_host))


def describe(strategy: tf.distribute.Strategy) -> str:
    """For the user: `MirroredStrategy, 2 replicas on GPU`."""
    replicas = strategy.num_replicas_in_sync
    name = "one device" if is_default(strategy) else type(strategy).__name__
    on = _kind_of_devices(strategy)
    return f"{name}, {replicas} replica{'s' if replicas > 1 else ''} on {on}"


def check_batch(
    strategy: tf.distribute.Strategy,
    train_batch: int,
    accumulation: int,
    eval_batch: int,
    paths: int = 1,
) -> None:
    """Refuses batches that cannot be shared out evenly.

    Args:
      strategy: whose replicas share each batch.
      train_batch, eval_batch: sequences in a batch.
      accumulation: parts that a replica computes its share of a training batch in.
      paths: strings of a supernet that share each part.

    Raises:
      InputError: naming the nearest batch sizes that can.
    """
    replicas = strategy.num_replicas_in_sync
    parts = {
        "train_batch_size": (train_batch, replicas * accumulation * paths),
        "eval_batch_size": (eval_batch, replicas),
    }
    for name, (size, divisor) in parts.items():
        if size % divisor:
            below, above = size // divisor * divisor, (size // divisor + 1) * divisor
            factors = f"{replicas} replicas"
            if divisor != replicas:
                factors += f" x {accumulation} gradient accumulation steps"
                factors += f" x {paths} paths of fair path_sampling" if paths > 1 else ""
            legal = f"{below} or {above}" if below else f"{above}"
            raise InputError(
                f"{name} {size} is not divisible by {divisor} ({factors});"
                f" the nearest that is: {legal}"
            )


def _automatic(virtual_devices: int, tpu: TpuAddress | None) -> str:
    if tpu is not None:
        return "tpu"
    if os.environ.get("TF_CONFIG"):
        return "multi_worker"
    if virtual_devices > 1 or len(tf.config.list_physical_devices("GPU")) > 1:
        return "mirrored"
    return "one_device"


def _split_cpu(count: int) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
    try:
        tf.config.set_logical_device_configuration(cpu, parts)
    except RuntimeError as error:
        raise InputError(f"--virtual_devices {count}: TensorFlow is already running") from error


def _keep_gpu_memory_growing() -> None:
    """Takes GPU memory as needed, so that two programs can share a card."""
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def _tpu_strategy(tpu: TpuAddress | None) -> tf.distribute.Strategy:
    if tpu is None:
        raise InputError("--strategy tpu: name the TPU with --tpu (`local` on a TPU VM)")
    if tpu.name == "local" and not tf.config.list_physical_devices("TPU_SYSTEM"):
        raise InputError(
            "--tpu local: TensorFlow has not loaded libtpu; another process uses the TPU, or this is not"
            " TensorFlow's build for TPUs, whose files those of the package tensorflow replace if pip"
            " installs it later (docs/accelerators.md)"
        )
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
            tpu=tpu.name,
            zone=tpu.zone,
            project=tpu.project,
            **({"job_name": tpu.job_name} if tpu.job_name else {}),
        )
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    # A wrong name fails in whichever layer meets it first: name service, Cloud API, runtime.
    except (OSError, ValueError, RuntimeError, ImportError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"--tpu {tpu.name!r} cannot be reached: {reason}; expected a TPU's name,"
            " a grpc:// address, or `local`"
        ) from error
