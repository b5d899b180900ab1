"""What a pre-training step launches: nodes of TensorFlow's graph a device, on one and two replicas.

    python -m benchmarks.launches --config configs/lv_bert_small.toml

Each node is an operation that the host starts on the device. A GPU waits for every one of them, and most
are small. Builds the training program's own step on virtual CPUs, runs it, and counts the nodes of the
graph that TensorFlow executed, after all its optimisations, in both ways to compile it: `stretches` (XLA
compiles what is between matrix products) and `whole` (XLA compiles the step, or with several replicas
what is between the reductions over replicas). What XLA compiles as a unit counts as one. Nodes that
only name or pass on a tensor are not counted.
"""

import os
from collections import Counter

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
from absl import flags
from tensorflow.python.eager import context

from benchmarks.accelerators import pretraining_case
from benchmarks.accelerators.step_report import table
from lvbert_tf import cli
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.settings.user_hparams import load_hparams
from lvbert_tf.text.vocabulary import Vocabulary
from lvbert_tf.training.distribution import batches_of_replicas
from lvbert_tf.training.precision import POLICIES
from lvbert_tf.training.step import TrainingStep

FLAGS = flags.FLAGS
flags.DEFINE_string("config", "configs/lv_bert_small.toml", "Hparams of the pre-training run.")
flags.DEFINE_string("hparams", "", "JSON of hparams that differ from --config.")
flags.DEFINE_integer("batch", 2, "Sequences a step, of all replicas.", lower_bound=2)
flags.DEFINE_enum("precision", "bfloat16", tuple(POLICIES), "Of the layers' arithmetic.")
flags.DEFINE_integer("kinds", 5, "How many kinds of node to name.", lower_bound=0)

REPLICAS = (1, 2)
_MODES = {"stretches": "auto", "whole": True}  # -> the hparam jit_compile, on CPUs
_PASSIVE = {
    *("Const", "NoOp", "_Arg", "_Retval", "_DeviceArg", "_DeviceRetval", "VarHandleOp"),
    *("Identity", "IdentityN", "StopGradient", "ReadVariableOp", "_Send", "_Recv"),
    *("Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond"),
    *("Reshape", "ExpandDims", "Squeeze", "Shape"),
}


def launched(
    config: PretrainingConfig, vocabulary: Vocabulary, precision: str, replicas: int
) -> list[Counter]:
    """Runs a step on so many devices, and counts what it launched.

    Returns:
      kinds of node: those of the host, then those of each device. The host is the first of this
      process's logical CPUs, the devices are the next ones.
    """
    devices = [f"CPU:{index + 1}" for index in range(replicas)]
    if replicas == 1:
        strategy: tf.distribute.Strategy = tf.distribute.OneDeviceStrategy(devices[0])
    else:
        strategy = tf.distribute.MirroredStrategy(devices)
    step: TrainingStep = pretraining_case.build_learner(
        config, vocabulary, precision, strategy
    ).steps
    batch = tf.data.Dataset.from_tensor_slices(pretraining_case.random_batch(config))
    rows = batch.batch(config.train_batch_size // replicas, drop_remainder=True)
    batches = batches_of_replicas(strategy, lambda host, replicas_of_host: rows)
    # TensorFlow collects the graph of a function when it runs for the first time.
    context.context().enable_run_metadata()
    try:
        step.run(batches, 1)
        executed = context.context().export_run_metadata().function_graphs
    finally:
        context.context().disable_run_metadata()
    graphs = max((function.partition_graphs for function in executed), key=_num_nodes)
    by_device = {
        graph.node[0].device.rpartition("device:")[2]: Counter(
            node.op for node in graph.node if node.op not in _PASSIVE
        )
        for graph in graphs
    }
    return [by_device[name] for name in ("CPU:0", *devices)]


def _num_nodes(graphs) -> int:
    return sum(len(graph.node) for graph in graphs)


def main() -> None:
    (cpu,) = tf.config.list_physical_devices("CPU")
    logical = [tf.config.LogicalDeviceConfiguration() for _ in range(1 + max(REPLICAS))]
    tf.config.set_logical_device_configuration(cpu, logical)
    rows = []
    for mode, jit_compile in _MODES.items():
        hparams = {**load_hparams(FLAGS.config), **load_hparams(FLAGS.hparams)}
        hparams |= {"train_batch_size": FLAGS.batch, "jit_compile": jit_compile}
        config = PretrainingConfig.create("unused", "benchmark", hparams)
        for replicas in REPLICAS:
            host, *devices = launched(
                config, pretraining_case.bert_vocabulary(), FLAGS.precision, replicas
            )
            most = max(devices, key=Counter.total)
            kinds = ", ".join(f"{name} {count:,}" for name, count in most.most_common(FLAGS.kinds))
            rows.append((mode, replicas, f"{most.total():,}", f"{host.total():,}", kinds))
    print(table(("compiled", "replicas", "on a device", "on the host", "most of it"), rows))


if __name__ == "__main__":
    cli.run(main)
