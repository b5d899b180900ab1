"""Which rows make each batch, and to which length it is padded."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from lvbert_tf.finetuning.objectives.features import TaskFeatures
from lvbert_tf.layers.kernels import Compilation

# How many batches have their rows sorted by length together: enough for a batch to have rows of like
# lengths, and few enough to leave the order of rows random.
_BATCHES_SORTED_TOGETHER = 50
# Lengths are multiples of this. Even ones suit the vectors of a processor, and twice as many rows share
# a length. The matrix units of GPUs read eight 16-bit values at once. A TPU has one length for all.
_LENGTH_MULTIPLES: dict[Compilation, int] = {"stretches": 2, "whole": 8, "plain": 8}
# What it costs to compile a training step for one more length, in tokens of padding. Compiling the
# stretches of a step takes half a second, in which 2 cores train a small model on this many tokens.
# Compiling a whole step takes a minute, in which a GPU trains a small model on about this many; that is
# an estimate.
_TOKENS_TO_COMPILE: dict[Compilation, float] = {"stretches": 3e3, "whole": 2e7, "plain": 0.0}


@dataclass(frozen=True)
class BatchPlan:
    """Batches in order.

    Args:
      rows: indices of rows, int32 of shape [batches, batch size]; -1 where a batch has fewer rows.
      lengths: the length in tokens to which each batch is padded, int32 of shape [batches].
    """

    rows: np.ndarray
    lengths: np.ndarray


def padded_lengths(
    lengths: np.ndarray,
    max_seq_length: int,
    bucket: bool,
    compilation: Compilation,
    passes: float | None = None,
) -> np.ndarray:
    """The lengths that batches may have, in rising order, chosen so that the total cost is lowest.

    The cost is that of padding and of compiling for each length. The computation assumes that a batch
    has rows of about the same length, as in the plans below.

    Args:
      lengths: tokens of each row.
      max_seq_length: the greatest length of a batch.
      bucket: whether there may be several lengths; if not, `max_seq_length` is the only one.
      compilation: how the computation is compiled, which decides the price of a length.
      passes: the number of passes over the rows (epochs), among which training divides the price; None
        for predictions, where a length is cheap.
    """
    if not bucket:
        return np.array([max_seq_length], np.int32)
    price = 0.0 if passes is None else _TOKENS_TO_COMPILE[compilation] / passes
    multiple = _LENGTH_MULTIPLES[compilation]
    rounded = np.ceil(lengths / multiple).astype(np.int64) * multiple
    candidates, counts = np.unique(np.minimum(rounded, max_seq_length), return_counts=True)
    rows = np.concatenate([[0], np.cumsum(counts)])  # how many rows the first n candidates cover
    costs = np.zeros(len(candidates) + 1)  # the lowest cost of those rows
    before = np.zeros(
        len(candidates) + 1, int
    )  # how many candidates the next shorter length covers
    for end, candidate in enumerate(candidates, start=1):
        options = costs[:end] + (rows[end] - rows[:end]) * candidate + price
        before[end] = np.argmin(options)
        costs[end] = options[before[end]]
    chosen, end = [], len(candidates)
    while end:
        chosen.append(candidates[end - 1])
        end = before[end]
    return np.array(chosen[::-1], np.int32)


def may_bucket(strategy: tf.distribute.Strategy) -> bool:
    """Whether batches may have several lengths. A TPU computes with one length."""
    return not isinstance(strategy, tf.distribute.TPUStrategy)


def training_plan(
    lengths: np.ndarray, batch_size: int, num_steps: int, choices: np.ndarray, seed: int
) -> BatchPlan:
    """The batches of a training: every row once an epoch, rows of like length together, random order.

    The order of an epoch is a function of (seed, epoch). The stream of epochs is cut into groups of
    batches; within a group the rows are sorted by length, and the batches are then shuffled. So a group
    has the same rows whether `choices` has one length or several.

    Args:
      lengths: tokens of each row.
      batch_size: rows of a batch.
      num_steps: the number of batches.
      choices: the lengths that batches may have; see `padded_lengths`.
      seed: the seed of the trial.
    """
    count = len(lengths)
    epochs = -(-num_steps * batch_size // count)
    stream = np.concatenate(
        [np.random.default_rng((seed, epoch)).permutation(count) for epoch in range(epochs)]
    )[: num_steps * batch_size].astype(np.int32)
    rows = stream.reshape(num_steps, batch_size)
    if len(choices) > 1:
        rows = np.concatenate(
            [
                _sorted_group(
                    rows[start : start + _BATCHES_SORTED_TOGETHER], lengths, (seed, start)
                )
                for start in range(0, num_steps, _BATCHES_SORTED_TOGETHER)
            ]
        )
    return BatchPlan(rows, _fitting(choices, lengths[rows].max(axis=1)))


def _sorted_group(rows: np.ndarray, lengths: np.ndarray, seed: tuple[int, int]) -> np.ndarray:
    flat = rows.reshape(-1)
    batches = flat[np.argsort(lengths[flat], kind="stable")].reshape(rows.shape)
    # 2**31 keeps these random numbers apart from those of the epochs.
    return np.random.default_rng((*seed, 2**31)).permutation(batches)


def prediction_plan(lengths: np.ndarray, batch_size: int, choices: np.ndarray) -> BatchPlan:
    """Batches that have every row once, from the longest to the shortest row."""
    order = np.argsort(-lengths, kind="stable").astype(np.int32)
    missing = -len(order) % batch_size
    rows = np.pad(order, (0, missing), constant_values=-1).reshape(-1, batch_size)
    longest = np.where(rows >= 0, lengths[rows], 0).max(axis=1)
    return BatchPlan(rows, _fitting(choices, longest))


def _fitting(choices: np.ndarray, longest: np.ndarray) -> np.ndarray:
    return choices[np.searchsorted(choices, longest)]


def batches(
    features: TaskFeatures,
    plan: BatchPlan,
    start: int = 0,
    worker: tuple[int, int] = (0, 1),
    replicas: int = 1,
) -> tf.data.Dataset:
    """This worker's part of each batch.

    Args:
      features: the rows.
      plan: a plan made from the lengths of these rows.
      start: the index of the first batch.
      worker: (index, count) of the workers.
      replicas: the number of equal parts that the worker's part of a batch comes in, one after the
        other; the batch size is a multiple of the replicas of all workers.

    Returns:
      batches as `TaskFeatures.batch` makes them; where the plan has -1 they have a copy of row 0.
    """
    index, count = worker
    share = plan.rows.shape[1] // count
    rows = np.maximum(plan.rows[start:, index * share : (index + 1) * share], 0)
    rows = rows.reshape(-1, share // replicas)
    fixed = int(plan.lengths[0]) if len(np.unique(plan.lengths)) == 1 else None

    @tf.autograph.experimental.do_not_convert
    def batch(rows, length):
        return features.batch(rows, length if fixed is None else fixed)

    lengths = np.repeat(plan.lengths[start:], replicas)
    dataset = tf.data.Dataset.from_tensor_slices((rows, lengths))
    return dataset.map(batch, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
