import json
import os

import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.training import distribution
from lvbert_tf.training.batch_parts import parts_of_batch, prepare_parts
from lvbert_tf.training.distribution import (
    TpuAddress,
    check_batch,
    compilation_of,
    make_strategy,
)
from lvbert_tf.training.workers import agreement, worker_of


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    for name in ("TF_CONFIG", "SLURM_STEP_NUM_TASKS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.delenv(name, raising=False)


class Replicas:
    def __init__(self, count):
        self.num_replicas_in_sync = count


def test_unknown_strategy_names_the_known_ones():
    with pytest.raises(
        InputError, match=r"'horovod'.*auto, one_device, mirrored, multi_worker, tpu"
    ):
        make_strategy("horovod")


def test_one_device_by_default(monkeypatch):
    cpus = tf.config.list_physical_devices("CPU")
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind: cpus if kind == "CPU" else []
    )
    strategy = make_strategy()
    assert strategy.num_replicas_in_sync == 1
    assert worker_of(strategy) == (0, 1)
    with agreement(strategy, 0.0, pytest.fail) as agree:
        assert agree(True, 5) == (True, 5)


class Placed:
    """A strategy as `compilation_of` sees it."""

    def __init__(self, *devices):
        self.extended = self
        self.worker_devices = devices


CPU, GPU, TPU = (f"/job:worker/replica:0/task:0/device:{kind}:1" for kind in ("CPU", "GPU", "TPU"))


@pytest.mark.parametrize(
    ("devices", "automatic", "compiled", "not_compiled"),
    [
        ([CPU, CPU], "stretches", "whole", "stretches"),
        ([GPU, GPU], "whole", "whole", "plain"),
        ([TPU], "tpu", "tpu", "plain"),
    ],
)
def test_the_devices_decide_how_a_step_is_compiled(devices, automatic, compiled, not_compiled):
    strategy = Placed(*devices)
    assert compilation_of(strategy) == compilation_of(strategy, "auto") == automatic
    assert compilation_of(strategy, True) == compiled
    assert compilation_of(strategy, False) == not_compiled


def test_the_default_strategy_computes_on_a_gpu_if_there_is_one(monkeypatch):
    strategy = tf.distribute.get_strategy()
    for kinds, expected in ((["CPU"], "stretches"), (["CPU", "GPU"], "whole")):
        devices = [tf.config.LogicalDevice(f"/device:{kind}:0", kind) for kind in kinds]
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None, d=devices: d)
        assert compilation_of(strategy) == expected


@pytest.fixture
def cores(monkeypatch):
    """A function that gives this process so many cores, and TensorFlow no threads yet."""
    threads = [0]
    module = tf.config.threading
    monkeypatch.setattr(module, "set_intra_op_parallelism_threads", threads.append)
    monkeypatch.setattr(module, "get_intra_op_parallelism_threads", lambda: threads[-1])
    return lambda count: monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)))


@pytest.mark.parametrize(
    ("count", "batches", "parts"),
    [
        (2, [32], 2),
        (2, [16], 2),
        (4, [32, 64], 4),
        (1, [32], 1),
        (2, [33], 1),  # not equal
        (2, [8], 1),  # few rows
        (16, [128], 1),  # many gradients
        (2, [32, 33], 1),  # another kind of batch would have one thread
        (2, [], 1),
    ],
)
def test_a_cpu_computes_a_part_of_a_batch_on_each_core(cores, count, batches, parts):
    cores(count)
    strategy = make_strategy("one_device", batches_in_parts=batches)
    assert parts_of_batch(strategy, batches[0] if batches else 32) == parts
    assert (tf.config.threading.get_intra_op_parallelism_threads() == 1) == (parts > 1)


@pytest.mark.parametrize(
    ("threads", "parts"), [("1", 1), ("2", 1), ("4", 4), ("8", 4), ("0", 4), ("two", 4)]
)
def test_no_parts_where_fewer_operations_are_computed_at_once(cores, monkeypatch, threads, parts):
    cores(4)
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", threads)
    strategy = make_strategy("one_device", batches_in_parts=[32])
    assert parts_of_batch(strategy, 32) == parts


def test_batches_are_whole_where_nothing_was_prepared(cores):
    cores(2)
    assert parts_of_batch(make_strategy("one_device"), 32) == 1


def test_replicas_and_accelerators_compute_their_rows_whole(cores, monkeypatch):
    cores(2)
    make_strategy("one_device", batches_in_parts=[32])
    for devices in ([CPU, CPU], [GPU], [TPU]):
        assert parts_of_batch(Placed(*devices), 32) == 1
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind] * (kind == "GPU"))
    tf.config.threading.set_intra_op_parallelism_threads(0)
    prepare_parts([32])
    assert parts_of_batch(tf.distribute.get_strategy(), 32) == 1


@pytest.mark.parametrize(
    "config",
    [
        "",
        "worker",
        "[]",
        json.dumps({"cluster": {"worker": ["a:1"]}}),
        json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}),
        json.dumps({"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}),
        *(
            json.dumps(
                {"cluster": {"worker": ["a:1", other]}, "task": {"type": "worker", "index": 0}}
            )
            for other in ("b", "b:", ":1", "b:port", "b:0", "b:65536", "b:9999999999", 7, None)
        ),
        json.dumps({"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}),
        "[" * 100_000,
    ],
)
def test_malformed_cluster(monkeypatch, config):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(InputError, match=r'expected {"cluster"'):
        make_strategy("multi_worker")


def test_a_cluster_from_a_windows_file(monkeypatch):
    """As `export TF_CONFIG="$(cat cluster.json)"`; TensorFlow reads the variable, too."""
    config = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", "\ufeff" + json.dumps(config))
    monkeypatch.setattr(
        tf.distribute, "MultiWorkerMirroredStrategy", lambda: json.loads(os.environ["TF_CONFIG"])
    )
    assert make_strategy("multi_worker") == config


STEP = {
    "SLURM_JOB_ID": "1251",
    "SLURM_PROCID": "3",
    "SLURM_STEP_NODELIST": "gpu[08-09],login",
    "SLURM_STEP_NUM_TASKS": "5",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
}


def test_the_tasks_of_a_slurm_step_are_workers(monkeypatch):
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TF_CONFIG", "")  # also removes afterwards what is set
    monkeypatch.setattr(
        tf.distribute, "MultiWorkerMirroredStrategy", lambda: json.loads(os.environ["TF_CONFIG"])
    )
    assert make_strategy() == {
        "cluster": {
            "worker": ["gpu08:20008", "gpu08:20009", "gpu09:20008", "gpu09:20009", "login:20008"]
        },
        "task": {"type": "worker", "index": 3},
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"PROCID": "5"},
        {"PROCID": ""},
        {"JOB_ID": "none"},
        {"STEP_NODELIST": "gpu[08-"},
        {"STEP_TASKS_PER_NODE": "2(x2)"},
        {"STEP_NUM_TASKS": "6"},
    ],
)
def test_malformed_variables_of_slurm(monkeypatch, changes):
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)
    for name, value in changes.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("TF_CONFIG", "")
    with pytest.raises(InputError, match=r"Slurm's variables \(SLURM_JOB_ID='.*set TF_CONFIG"):
        make_strategy()


def test_auto_takes_the_cluster(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "worker")
    with pytest.raises(InputError, match=r"multi_worker: TF_CONFIG is 'worker'"):
        make_strategy()


@pytest.mark.parametrize(("task", "expected"), [(("chief", 0), (0, 3)), (("worker", 1), (2, 3))])
def test_the_chief_is_the_first_worker(task, expected):
    class Workers(tf.distribute.MultiWorkerMirroredStrategy):
        cluster_resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({"chief": ["a:1"], "worker": ["b:1", "c:1"]}),
            task_type=task[0],
            task_id=task[1],
        )

        def __init__(self):
            """Starts nothing."""

    assert worker_of(Workers()) == expected


def test_contradictions(monkeypatch):
    monkeypatch.setattr(distribution, "_split_cpu", lambda count: None)
    for strategy in ("one_device", "multi_worker"):
        with pytest.raises(InputError, match=f"{strategy} contradicts --virtual_devices 2"):
            make_strategy(strategy, virtual_devices=2)
    with pytest.raises(InputError, match="strategy tpu contradicts --virtual_devices 2"):
        make_strategy(virtual_devices=2, tpu=TpuAddress("local"))
    with pytest.raises(InputError, match=r"a TPU is named"):
        make_strategy("mirrored", tpu=TpuAddress("pod"))
    with pytest.raises(InputError, match=r"name the TPU"):
        make_strategy("tpu")
    with pytest.raises(InputError, match=r"expected 0 or more"):
        make_strategy(virtual_devices=-1)


def test_unreachable_tpu_is_refused():
    with pytest.raises(InputError, match=r"--tpu 'nowhere' cannot be reached"):
        make_strategy(tpu=TpuAddress("nowhere"))


def test_the_build_of_tensorflow_has_to_suit_the_strategy(monkeypatch):
    with pytest.raises(InputError, match="--tpu local: TensorFlow has not loaded libtpu"):
        make_strategy(tpu=TpuAddress("local"))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    with pytest.raises(InputError, match=r"--strategy one_device: .* build for TPUs.*--tpu local"):
        make_strategy("one_device")


def test_why_a_tpu_is_unreachable_is_one_line(monkeypatch):
    def refuse(**address):
        raise RuntimeError("no\n  answer")

    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", refuse)
    with pytest.raises(InputError, match=r"cannot be reached: no answer; expected"):
        make_strategy(tpu=TpuAddress("nowhere"))


@pytest.mark.parametrize(
    ("replicas", "train", "parts", "evaluation", "message"),
    [
        (1, 8, 1, 8, None),
        (2, 8, 4, 2, None),
        (3, 8, 1, 6, r"train_batch_size 8 is not divisible by 3 \(3 replicas\).*6 or 9"),
        (2, 8, 3, 6, r"8 is not divisible by 6 \(2 replicas x 3 gradient.*6 or 12"),
        (16, 8, 1, 16, "nearest that is: 16"),
        (2, 8, 1, 3, "eval_batch_size 3 .* 2 or 4"),
    ],
)
def test_batches_must_divide(replicas, train, parts, evaluation, message):
    if message is None:
        check_batch(Replicas(replicas), train, parts, evaluation)
        return
    with pytest.raises(InputError, match=message):
        check_batch(Replicas(replicas), train, parts, evaluation)


@pytest.mark.parametrize(("gpus", "calls"), [([], 0), (["GPU:0"], 1)])
def test_only_gpus_need_to_be_made_deterministic(monkeypatch, gpus, calls):
    made = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: made.append(1))
    distribution.make_deterministic()
    assert len(made) == calls


def fill_memory():
    return tf.ones([1 << 46]) + 1


@pytest.mark.parametrize("fill", [fill_memory, tf.function(fill_memory, jit_compile=True)])
def test_too_little_memory_is_one_line(fill):
    with (
        pytest.raises(InputError, match=r"not enough memory .*; lower train_batch_size") as caught,
        distribution.explained_device_errors(),
    ):
        fill()
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_not_taken_for_too_little_memory():
    error = tf.errors.ResourceExhaustedError(None, None, "/x: No space left on device")
    with pytest.raises(tf.errors.ResourceExhaustedError), distribution.explained_device_errors():
        raise error
