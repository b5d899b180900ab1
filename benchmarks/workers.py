"""What a training step costs each of several workers, beside one process with the whole batch.

    python -m benchmarks.workers
    python -m benchmarks.workers --workers 4 --layers CCAFFA

The workers are processes of this machine that exchange gradients over loopback, and each has its own
part of the cores, as if it were a machine. A worker is slower if the other cores are busy, because they
share caches and memory. So what one process takes for the whole batch is measured in as many processes
at the same time, which do not know each other.
"""

import functools
import itertools
import json
import os
import socket
import statistics
import subprocess

from absl import flags

from benchmarks.baselines import stepping
from benchmarks.contestant import ROOT, driver
from lvbert_tf import cli
from lvbert_tf.errors import InputError

FLAGS = flags.FLAGS
flags.DEFINE_multi_integer("workers", [2], "Workers; may be repeated.", lower_bound=2)
flags.DEFINE_integer("batch_size", 32, "Sequences of a step, over all workers.", lower_bound=1)
flags.DEFINE_integer("max_seq_length", 128, "Tokens a sequence.", lower_bound=5)
flags.DEFINE_integer("steps", 5, "Timed steps.", lower_bound=1)
flags.DEFINE_string("layers", stepping.LV_BERT_SMALL, "Layer string.")
flags.DEFINE_string("precision", "auto", "As the hparam.")


def main() -> None:
    """Prints the table."""
    columns = ["workers", "seconds a step alone", "together", "less by"]
    columns += ["processor seconds alone", "together", "less by"]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for workers in FLAGS.workers:
        alone, together = (_run(workers, connected) for connected in (False, True))
        cells = [str(workers)]
        for name in ("seconds", "processor_seconds"):
            before, after = (
                statistics.mean(r[name] for r in results) for results in (alone, together)
            )
            cells += [f"{before:.3f}", f"{after:.3f}", f"{before / after:.2f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def _run(workers: int, connected: bool) -> list[dict[str, float]]:
    """What each process prints; they share every batch if they are connected."""
    share = max(1, len(os.sched_getaffinity(0)) // workers)
    cores = itertools.cycle(sorted(os.sched_getaffinity(0)))
    command = driver("own_worker_step")
    for name in ("batch_size", "max_seq_length", "steps", "layers", "precision"):
        command += [f"--{name}", str(FLAGS[name].value)]
    addresses = _free_addresses(workers)
    processes = []
    for index in range(workers):
        task = {"type": "worker", "index": index}
        cluster = json.dumps({"cluster": {"worker": addresses}, "task": task})
        environment = {**os.environ, "TF_CONFIG": cluster if connected else ""}
        own = set(itertools.islice(cores, share))
        processes.append(
            subprocess.Popen(
                command,
                preexec_fn=functools.partial(os.sched_setaffinity, 0, own),
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    outputs = [process.communicate() for process in processes]
    for process, (_, errors) in zip(processes, outputs, strict=True):
        if process.returncode:
            last = (errors.strip().splitlines() or ["no output"])[-1]
            raise InputError(f"{' '.join(command[:3])} failed: {last}")
    return [json.loads(output.strip().splitlines()[-1]) for output, _ in outputs]


def _free_addresses(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


if __name__ == "__main__":
    cli.run(main)
