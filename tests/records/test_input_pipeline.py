import hashlib
import itertools

import numpy as np
import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.records import input_pipeline
from lvbert_tf.records.input_pipeline import evaluation_dataset, training_dataset
from lvbert_tf.records.record_set import RecordSet
from lvbert_tf.settings.parts import RecordSettings

BATCH = 8
LEFT_OVER_AT = 7  # of a window's 60 examples 4 are left then, fewer than workers


@pytest.fixture
def records(built, monkeypatch) -> RecordSet:
    """With blocks and windows so small that an epoch has many."""
    found = RecordSet.open(f"{built}/pretrain_data.tfrecord*", RecordSettings(24))
    monkeypatch.setattr(input_pipeline, "WINDOW_EXAMPLES", 64)
    return with_blocks(found, 20)


def with_blocks(records: RecordSet, size: int) -> RecordSet:
    import dataclasses

    import tensorflow as tf

    blocks = []
    for index, file in enumerate(records.files):
        raw = list(tf.data.TFRecordDataset(file).as_numpy_iterator())
        starts = np.cumsum([0] + [len(record) + 16 for record in raw])
        for first in range(0, len(raw), size):
            blocks.append((index, starts[first], min(size, len(raw) - first)))
    files, offsets, counts = np.array(blocks, np.int64).T
    return dataclasses.replace(
        records, block_files=files, block_offsets=offsets, block_examples=counts
    )


def batches(dataset, count: int) -> list[dict[str, np.ndarray]]:
    return list(itertools.islice(dataset.as_numpy_iterator(), count))


def rows(found) -> list[bytes]:
    """One value for each example."""
    return [
        np.concatenate([batch[name][row] for name in sorted(batch)]).tobytes()
        for batch in found
        for row in range(len(batch["input_ids"]))
    ]


@pytest.mark.parametrize("replicas", [1, 2])
def test_what_a_step_gets_has_numbers_and_static_shapes(records, replicas):
    """As TPUs need it: no strings, no unknown sizes, no smaller last batch."""
    for dataset in (
        training_dataset(records, BATCH, seed=0, worker=(0, 2), replicas=replicas),
        evaluation_dataset(records, BATCH, worker=(0, 2), replicas=replicas),
    ):
        spec = dataset.element_spec
        assert set(spec) == {"input_ids", "input_mask", "segment_ids"}
        size = BATCH // 2 // replicas
        assert all(s.shape == (size, 24) and s.dtype == "int32" for s in spec.values())


def test_every_example_comes_once_an_epoch_in_another_order(records):
    stored = sorted(rows(batches(evaluation_dataset(records, 1), records.num_examples)))
    assert len(stored) == records.num_examples
    found = rows(
        batches(training_dataset(records, BATCH, seed=1), 2 * records.num_examples // BATCH)
    )
    first, second = found[: len(stored)], found[len(stored) : 2 * len(stored)]
    assert sorted(first) == stored
    # The second epoch is complete but for what the last batch would have begun.
    rest = rows(batches(training_dataset(records, BATCH, 1, 2 * len(stored) // BATCH), 1))
    assert sorted([*second, *rest][: len(stored)]) == stored
    assert first != second
    assert rows(batches(training_dataset(records, BATCH, seed=2), 3)) != found[: 3 * BATCH]


def test_the_order_is_that_of_earlier_releases(records):
    """As the first release read blocks, one after the other: a run that continues needs its order."""
    found = rows(
        batches(training_dataset(records, BATCH, seed=1), 2 * records.num_examples // BATCH)
    )
    assert hashlib.sha256(b"".join(found)).hexdigest()[:16] == "3cbb3ed6c9c04bcc"


@pytest.mark.parametrize("step", [1, 7, 30, 400])
def test_starting_at_a_step_equals_leaving_out_the_batches_before(records, step):
    found = batches(training_dataset(records, BATCH, seed=5), step + 12)[step:]
    started = batches(training_dataset(records, BATCH, seed=5, start_step=step), 12)
    assert rows(started) == rows(found)


@pytest.mark.parametrize(
    ("workers", "replicas", "start"),
    [(2, 1, 3), (2, 2, 3), (8, 1, 3), (1, 4, 3), (8, 1, LEFT_OVER_AT)],
)
def test_workers_and_their_replicas_share_the_global_batch(records, workers, replicas, start):
    steps = records.num_examples // BATCH + 2  # into the next epoch
    whole = batches(training_dataset(records, BATCH, seed=5, start_step=start), steps)
    parts = [
        batches(
            training_dataset(records, BATCH, 5, start, worker=(index, workers), replicas=replicas),
            steps * replicas,
        )
        for index in range(workers)
    ]
    for step, batch in enumerate(whole):
        of_step = [part for own in parts for part in own[step * replicas : (step + 1) * replicas]]
        assert rows([batch]) == rows(of_step)
        assert {len(part["input_ids"]) for part in of_step} == {BATCH // workers // replicas}


def test_examples_are_mixed_across_files(records):
    order = rows(batches(evaluation_dataset(records, 1), records.num_examples))
    place = {example: number for number, example in enumerate(order)}
    found = rows(batches(training_dataset(records, BATCH, seed=5), records.num_examples // BATCH))
    places = np.array([place[example] for example in found])
    # Independent draws differ by a third of the range on average.
    assert np.abs(np.diff(places)).mean() > 0.2 * len(order)


def test_evaluation_is_finite_and_its_last_batch_filled_with_empty_rows(records):
    total = records.num_examples
    found = list(evaluation_dataset(records, 7).as_numpy_iterator())
    assert len(found) == -(-total // 7)
    mask = np.concatenate([batch["input_mask"] for batch in found])
    assert mask[:total].any(axis=1).all() and not mask[total:].any()
    halves = [list(evaluation_dataset(records, 8, (i, 2), 2).as_numpy_iterator()) for i in (0, 1)]
    whole = list(evaluation_dataset(records, 8).as_numpy_iterator())
    for batch, *parts in zip(whole, *(half[i::2] for half in halves for i in (0, 1)), strict=True):
        assert rows([batch]) == rows(parts)


def test_a_batch_larger_than_the_set_runs_over_epochs(records):
    batch = batches(training_dataset(records, 3 * records.num_examples, seed=0), 1)
    assert len(set(rows(batch))) == len(set(rows(batches(evaluation_dataset(records, 1), None))))


def test_a_batch_must_be_divisible(records):
    with pytest.raises(InputError, match="batch size 9 cannot be divided among 2 workers"):
        training_dataset(records, 9, seed=0, worker=(0, 2))
    with pytest.raises(InputError, match="10 cannot be divided among 2 workers of 4 replicas"):
        training_dataset(records, 10, seed=0, worker=(0, 2), replicas=4)
