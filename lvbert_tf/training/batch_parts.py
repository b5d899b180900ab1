"""Short batches on a CPU: in how many parts the cores compute one at the same time."""

import contextlib
import os
from collections.abc import Sequence

import tensorflow as tf

# A batch is computed in parts on this many cores at most: each part has gradients of its own in memory.
_MOST_PARTS = 4
_FEWEST_ROWS_OF_A_PART = 8


def parts_of_batch(strategy: tf.distribute.Strategy, rows: int) -> int:
    """In how many parts of equal size a batch is computed at the same time: one for each core of a CPU.

    The products of a short batch are too small for several threads, and what lies between them has one
    thread only. So the cores compute a part each, with one thread an operation. A batch is computed
    whole if `prepare_parts` has not given operations one thread, if there are many cores, or if the
    parts would be unequal or have few rows.

    Args:
      strategy: made by `make_strategy`; another one than TensorFlow's default computes batches whole.
      rows: rows of the batch.
    """
    prepared = tf.config.threading.get_intra_op_parallelism_threads() == 1
    return _parts_on_cores(rows) if prepared and is_default(strategy) else 1


def prepare_parts(batches: Sequence[int]) -> None:
    """Gives operations one thread if the one device is a CPU that can compute all batches in parts.

    Call it before TensorFlow computes anything: later it has no effect, and batches are computed whole.

    Args:
      batches: rows of each kind of batch.
    """
    divisible = batches and all(_parts_on_cores(rows) > 1 for rows in batches)
    if divisible and not tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(1)


def _parts_on_cores(rows: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = cores or 1
    # TensorFlow computes so many operations at the same time.
    at_once = os.environ.get("TF_NUM_INTEROP_THREADS", "")
    if parts > _MOST_PARTS or (at_once.isdecimal() and 0 < int(at_once) < parts):
        return 1
    return parts if rows % parts == 0 and rows // parts >= _FEWEST_ROWS_OF_A_PART else 1


def is_default(strategy: tf.distribute.Strategy) -> bool:
    """Whether it is TensorFlow's own strategy, of one device."""
    return type(strategy).__name__ == "_DefaultDistributionStrategy"
