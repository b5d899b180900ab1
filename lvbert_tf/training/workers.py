"""The workers of a run, each a process: which of them this one is, and what they do together."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.training.wait_limit import WaitLimit

Agree = Callable[[bool, int], tuple[bool, int]]
"""What `agreement` yields."""


def worker_of(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """(index, count) of the processes that train together; (0, 1) unless `multi_worker`."""
    resolver = strategy.cluster_resolver
    if resolver is None or not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    workers = resolver.cluster_spec().as_dict()
    chiefs = len(workers.get("chief", ()))
    count = chiefs + len(workers.get("worker", ()))
    if not count:
        return 0, 1
    return resolver.task_id + (chiefs if resolver.task_type == "worker" else 0), count


@contextlib.contextmanager
def agreement(
    strategy: tf.distribute.Strategy, seconds: float, give_up: Callable[[str], object]
) -> Iterator[Agree]:
    """Yields the function by which workers decide alike, though their clocks and signals differ.

    It takes (whether to stop, steps) and returns whether any worker wants to stop, and the steps that
    worker 0 wants. All workers must call it equally often. While the context is open, no more than
    `seconds` may pass between two calls, whatever the worker does in between.

    Args:
      strategy: where the workers compute.
      seconds: how long a worker waits for the others.
      give_up: ends the process with a message; called if the time is over.
    """
    index, workers = worker_of(strategy)
    if workers == 1:
        yield lambda stop, steps: (stop, steps)
        return
    sum_over_workers = _sum_over_workers(strategy)
    silent = "the workers have not agreed on another step or batch"
    with WaitLimit(seconds, silent, give_up) as limit:

        def agree(stop: bool, steps: int) -> tuple[bool, int]:
            votes = sum_over_workers([float(stop), steps if index == 0 else 0.0])
            limit.start_again()
            return bool(votes[0] > 0), round(votes[1])

        yield agree


def check_alike(strategy: tf.distribute.Strategy, facts: Mapping[str, bytes]) -> None:
    """Refuses to let workers train together that do not begin alike.

    Args:
      strategy: where to compute.
      facts: what has to be the same on all workers, by name. All workers must call this with the same
        names.

    Raises:
      InputError: on every worker; it names the first worker that differs from worker 0, and in what.
    """
    index, workers = worker_of(strategy)
    if workers == 1:
        return
    # Four bytes of a hash, as two numbers that float32 holds exactly.
    hashes = [hashlib.sha256(fact).digest()[:4] for fact in facts.values()]
    table = np.zeros([workers, len(facts), 2], np.float32)
    table[index] = [np.frombuffer(each, np.uint16) for each in hashes]
    table = _sum_over_workers(strategy)(table)
    for worker in range(1, workers):
        differs = np.any(table[worker] != table[0], axis=-1)
        if differs.any():
            names = [name for name, differ in zip(facts, differs, strict=True) if differ]
            raise InputError(
                f"worker {worker} differs from worker 0 in {', '.join(names)}: start all workers with"
                " the same hparams, and let all see the same records and the same model directory"
            )


def _sum_over_workers(strategy) -> Callable[[npt.ArrayLike], np.ndarray]:
    """A function that adds up what the workers call it with."""
    replicas_here = strategy.num_replicas_in_sync // worker_of(strategy)[1]

    def sum_over_replicas(values):
        # An argument has no device yet; the reduction needs to know the replica's.
        return tf.distribute.get_replica_context().all_reduce("SUM", tf.identity(values))

    @tf.function(autograph=False)
    def total(values):
        results = strategy.run(sum_over_replicas, args=(values,))
        return strategy.experimental_local_results(results)[0]

    return lambda values: total(tf.constant(values, tf.float32)).numpy() / replicas_here
