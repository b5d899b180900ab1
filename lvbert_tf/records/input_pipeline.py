"""Makes batches of records, in an order that is a function of (seed, epoch, position).

An epoch takes the blocks of a record set in random order and gathers them into windows of about
65,536 examples. Each window is shuffled as a whole. Three windows are in memory at a time (one is in
use, two are read), some 200 MB at length 128; of several workers, each keeps only its own
examples. The number of examples in every block is known, so the first record of any step can be
computed: a run that continues reads at most one window before it.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.io.paths import in_bucket
from lvbert_tf.records.block_fetching import fetching_block_reader
from lvbert_tf.records.record_set import RecordSet

WINDOW_EXAMPLES = 1 << 16
_FEATURES = ("input_ids", "input_mask", "segment_ids")
_BUFFER_BYTES = 1 << 20
# What is read at the same time: across a network, each block is waited for.
_BLOCKS_AT_ONCE = 8
_WINDOWS_AHEAD = 2
_BATCHES_AHEAD = 4


def training_dataset(
    records: RecordSet,
    global_batch_size: int,
    seed: int,
    start_step: int = 0,
    worker: tuple[int, int] = (0, 1),
    replicas: int = 1,
) -> tf.data.Dataset:
    """Shuffled batches without end; every example comes once in each epoch.

    A batch may hold examples of two epochs, so that no example is left out.

    Args:
        records: the records to read.
        global_batch_size: the number of examples of a step, over all workers.
        seed: the seed of the order.
        start_step: the step whose batch comes first.
        worker: `(index, count)`. Each worker gets its share of the batch that one worker alone would
            get: the first `1 / count` of its rows for index 0, and so on. Only the worker's own
            examples are kept in memory and decoded. The order mixes all blocks of a window, so every
            worker reads the bytes of all of them.
        replicas: the number of equal parts that the worker's share of a step comes in, one after the
            other.

    Returns:
        Dataset of dicts `input_ids`, `input_mask`, `segment_ids`: int32
        `[global_batch_size / count / replicas, max_seq_length]`. Errors of the files are raised while
        it is read; `explain_data_error` finds the file.

    Raises:
        InputError: the batch cannot be divided by the number of workers and replicas.
    """
    rows = _worker_rows(global_batch_size, worker, replicas)
    part = (rows.stop - rows.start) // replicas
    start = start_step * global_batch_size
    order = _Order(records, seed)
    read_block = _block_reader(records)

    def read_window(window: tf.Tensor) -> tf.Tensor:
        blocks, first = order.blocks(window)
        ends = tf.cumsum(tf.gather(records.block_examples, blocks))
        # Of the window's examples, counted from the first epoch.
        numbers = first + tf.range(ends[-1])
        row = numbers % global_batch_size
        ours = (numbers >= start) & (row >= rows.start) & (row < rows.stop)
        wanted = tf.boolean_mask(order.shuffle(ends[-1], window), ours)
        stored = tf.sort(wanted)

        def read_ours(block: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
            begin = end - tf.gather(records.block_examples, block)
            low, high = tf.unstack(tf.searchsorted(stored, [begin, end]))
            whole = read_block(block).batch(records.num_examples).get_single_element()
            return tf.gather(whole, stored[low:high] - begin)

        found = (
            tf.data.Dataset.from_tensor_slices((blocks, ends))
            .map(read_ours, num_parallel_calls=_BLOCKS_AT_ONCE)
            .ragged_batch(len(records.block_examples))
            .get_single_element()
        )
        return tf.gather(found.flat_values, tf.searchsorted(stored, wanted))

    dataset = (
        tf.data.Dataset.range(order.window_of(start), np.iinfo(np.int64).max)
        .map(read_window, num_parallel_calls=_WINDOWS_AHEAD)
        .rebatch(part)
        .map(lambda batch: _parse(batch, records.max_seq_length, part))
        .prefetch(_BATCHES_AHEAD * replicas)
    )
    return _with_options(dataset)


def num_evaluation_batches(records: RecordSet, global_batch_size: int, most: int) -> int:
    """The number of batches of `evaluation_dataset`, the last one perhaps not full; at most `most`."""
    return min(most, -(-records.num_examples // global_batch_size))


def evaluation_dataset(
    records: RecordSet,
    global_batch_size: int,
    worker: tuple[int, int] = (0, 1),
    replicas: int = 1,
) -> tf.data.Dataset:
    """Batches of all examples, each once, in the order of the files.

    Args:
        records: the records to read.
        global_batch_size: the number of examples of a batch, over all workers. The last batch is filled
            up with rows whose `input_mask` is all zero.
        worker, replicas: as in `training_dataset`.

    Returns:
        Dataset of dicts as in `training_dataset`.

    Raises:
        InputError: the batch cannot be divided by the number of workers and replicas.
    """
    rows = _worker_rows(global_batch_size, worker, replicas)
    part = (rows.stop - rows.start) // replicas

    def parts(batch: tf.Tensor) -> tf.Tensor:
        missing = global_batch_size - tf.size(batch)
        # A message without features parses to the default, zeros.
        batch = tf.concat([batch, tf.fill([missing], "")], axis=0)
        return tf.reshape(batch[rows], [replicas, part])

    dataset = (
        tf.data.Dataset.range(len(records.block_examples))
        .flat_map(_block_reader(records))
        .batch(global_batch_size)
        .map(parts)
        .unbatch()
        .map(lambda batch: _parse(batch, records.max_seq_length, part, default=0))
        .prefetch(_BATCHES_AHEAD * replicas)
    )
    return _with_options(dataset)


class _Order:
    """Which blocks a window has, and how it is shuffled. Windows are numbered on from epoch to epoch."""

    def __init__(self, records: RecordSet, seed: int):
        self._examples = records.block_examples
        self._seed = seed
        mean = records.num_examples / len(self._examples)
        self._window_blocks = max(1, round(WINDOW_EXAMPLES / mean))
        self._epoch_windows = -(-len(self._examples) // self._window_blocks)

    def blocks(self, window: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The indices of the blocks of a window, and the number of its first example in the training."""
        epoch, first = window // self._epoch_windows, window % self._epoch_windows
        first *= self._window_blocks
        blocks = self._epoch_order(epoch)
        before = tf.reduce_sum(tf.gather(self._examples, blocks[:first]))
        example = epoch * int(self._examples.sum()) + before
        return blocks[first : first + self._window_blocks], example

    def shuffle(self, size: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
        """The final order of the examples of a window, as indices into it."""
        return _shuffle(tf.range(size), self._seed, window)

    def window_of(self, example: int) -> int:
        """The window of the n-th example of the training."""
        epoch, position = divmod(example, int(self._examples.sum()))
        with tf.device("CPU:0"):
            order = self._epoch_order(tf.constant(epoch, tf.int64)).numpy()
        starts = np.arange(0, len(order), self._window_blocks)
        ends = np.cumsum(np.add.reduceat(self._examples[order], starts))
        return epoch * self._epoch_windows + int(np.searchsorted(ends, position, side="right"))

    def _epoch_order(self, epoch: tf.Tensor) -> tf.Tensor:
        # Negative numbers, because windows are shuffled with positive ones.
        return _shuffle(tf.range(len(self._examples), dtype=tf.int64), self._seed, -1 - epoch)


def _shuffle(values: tf.Tensor, seed: int, counter: tf.Tensor) -> tf.Tensor:
    order = tf.random.experimental.stateless_shuffle(
        tf.range(tf.size(values)),
        seed=tf.stack([tf.constant(seed, tf.int64), counter]),
        alg="philox",
    )
    return tf.gather(values, order)


def _block_reader(records: RecordSet) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """A function from a block's index to the dataset of its serialized records."""
    if any(map(in_bucket, records.files)):
        return fetching_block_reader(records)
    with tf.init_scope():
        files = tf.constant(records.files)
        block_files = tf.constant(records.block_files)
        offsets = tf.constant(records.block_offsets)
        examples = tf.constant(records.block_examples)

    def read(block: tf.Tensor) -> tf.data.Dataset:
        # tf.data.TFRecordDataset always starts at the beginning of a file; its operation need not.
        variant = tf.raw_ops.TFRecordDatasetV2(
            filenames=files[block_files[block]][tf.newaxis],
            compression_type="",
            buffer_size=tf.constant(_BUFFER_BYTES, tf.int64),
            byte_offsets=offsets[block][tf.newaxis],
        )
        dataset = tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))
        return dataset.take(examples[block])

    return read


def _parse(
    serialized: tf.Tensor, max_seq_length: int, batch_size: int, default: int | None = None
) -> dict[str, tf.Tensor]:
    defaults = None if default is None else [default] * max_seq_length
    feature = tf.io.FixedLenFeature([max_seq_length], tf.int64, defaults)
    # Graph shapes do not survive slicing a batch of unknown size.
    serialized = tf.ensure_shape(serialized, [batch_size])
    parsed = tf.io.parse_example(serialized, dict.fromkeys(_FEATURES, feature))
    return {name: tf.cast(values, tf.int32) for name, values in parsed.items()}


def _worker_rows(global_batch_size: int, worker: tuple[int, int], replicas: int) -> slice:
    index, count = worker
    if global_batch_size < 1 or global_batch_size % (count * replicas):
        among = f"{count} workers" + (f" of {replicas} replicas" if replicas > 1 else "")
        raise InputError(f"batch size {global_batch_size} cannot be divided among {among}")
    rows = global_batch_size // count
    return slice(index * rows, (index + 1) * rows)


def _with_options(dataset: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # A thread waits for each block, so there are more than cores.
    options.threading.private_threadpool_size = _BLOCKS_AT_ONCE * _WINDOWS_AHEAD
    # Workers slice the global batch themselves.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)
