"""Which rows make each batch, and how long it is padded."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from lvbert_tf.finetuning.objectives.features import Features

# Batches whose rows are sorted by length together: enough that each has rows alike, few enough that
# what follows what stays random.
_BATCHES_SORTED_TOGETHER = 50
# Numbers that are even suit the processor's vectors and double the rows that share a length.
_LENGTH_MULTIPLE = 2
# What XLA's work on a length is worth in tokens of padding: that on a step's stretches takes half a
# second, in which 2 cores train a small model on this many tokens; that on a whole step takes minutes.
_TOKENS_TO_COMPILE = {"stretches": 3_000, "step": 500_000}


@dataclass(frozen=True)
class BatchPlan:
    """Batches in order.

    Args:
      rows: indices of rows, int32 of shape [batches, batch size]; -1 where a batch has fewer.
      lengths: tokens that each is padded to, int32 of shape [batches].
    """

    rows: np.ndarray
    lengths: np.ndarray


def padded_lengths(
    lengths: np.ndarray, max_seq_length: int, bucket: bool, price: float = 0.0
) -> np.ndarray:
    """The lengths that batches may have, rising: those with which padding and they cost the least.

    Rows are taken to meet rows of about their own length, as they do in the plans below.

    Args:
      lengths: tokens of each row.
      max_seq_length: no batch is longer.
      bucket: whether there are several; otherwise `max_seq_length` alone, which a TPU needs.
      price: of each length, in tokens of padding over a pass; see `compilation_price`.
    """
    if not bucket:
        return np.array([max_seq_length], np.int32)
    even = np.ceil(lengths / _LENGTH_MULTIPLE).astype(np.int64) * _LENGTH_MULTIPLE
    candidates, counts = np.unique(np.minimum(even, max_seq_length), return_counts=True)
    rows = np.concatenate([[0], np.cumsum(counts)])  # that are shorter than each candidate
    costs = np.zeros(len(candidates) + 1)  # the least for those rows
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


def compilation_price(passes: float, whole_step: bool) -> float:
    """What compiling for a length more costs in training, for `padded_lengths`.

    Args:
      passes: over the rows, epochs.
      whole_step: whether XLA compiles the step, or stretches of it.
    """
    return _TOKENS_TO_COMPILE["step" if whole_step else "stretches"] / passes


def training_plan(
    lengths: np.ndarray, batch_size: int, num_steps: int, choices: np.ndarray, seed: int
) -> BatchPlan:
    """Batches of training: every row once an epoch, rows of like length together, in random order.

    An epoch's order is a function of (seed, epoch). The stream of epochs is cut into runs of batches;
    inside a run rows are sorted by length, and the batches then shuffled. So with one length in
    `choices` or with several, the same rows are seen in the same run.

    Args:
      lengths: tokens of each row.
      batch_size: rows of a batch.
      num_steps: batches in all.
      choices: see `padded_lengths`.
      seed: of this trial.
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
                _sorted_run(rows[start : start + _BATCHES_SORTED_TOGETHER], lengths, (seed, start))
                for start in range(0, num_steps, _BATCHES_SORTED_TOGETHER)
            ]
        )
    return BatchPlan(rows, _fitting(choices, lengths[rows].max(axis=1)))


def _sorted_run(rows: np.ndarray, lengths: np.ndarray, seed: tuple[int, int]) -> np.ndarray:
    flat = rows.reshape(-1)
    batches = flat[np.argsort(lengths[flat], kind="stable")].reshape(rows.shape)
    # 2**31 keeps these numbers apart from those of the epochs.
    return np.random.default_rng((*seed, 2**31)).permutation(batches)


def prediction_plan(lengths: np.ndarray, batch_size: int, choices: np.ndarray) -> BatchPlan:
    """Batches that have every row once, from the longest to the shortest."""
    order = np.argsort(-lengths, kind="stable").astype(np.int32)
    missing = -len(order) % batch_size
    rows = np.pad(order, (0, missing), constant_values=-1).reshape(-1, batch_size)
    longest = np.where(rows >= 0, lengths[rows], 0).max(axis=1)
    return BatchPlan(rows, _fitting(choices, longest))


def _fitting(choices: np.ndarray, longest: np.ndarray) -> np.ndarray:
    return choices[np.searchsorted(choices, longest)]


def batches(
    features: Features, plan: BatchPlan, start: int = 0, worker: tuple[int, int] = (0, 1)
) -> Iterator[dict[str, tf.Tensor]]:
    """This worker's part of each batch from the one with index `start` on.

    Args:
      features: the rows.
      plan: made of their lengths.
      worker: (index, count); the batch size is a multiple of the count.

    Returns:
      batches as `Features.batch` makes them; rows of index -1 are copies of row 0.
    """
    index, count = worker
    share = plan.rows.shape[1] // count
    rows = np.maximum(plan.rows[start:, index * share : (index + 1) * share], 0)
    fixed = int(plan.lengths[0]) if len(np.unique(plan.lengths)) == 1 else None

    def batch(rows, length):
        return features.batch(rows, length if fixed is None else fixed)

    dataset = tf.data.Dataset.from_tensor_slices((rows, plan.lengths[start:]))
    return iter(dataset.map(batch, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE))
