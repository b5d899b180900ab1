"""Reads blocks of records from buckets, each as one range of bytes."""

from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import tensorflow as tf

from lvbert_tf.io.paths import BucketPath, parse_path
from lvbert_tf.records.record_scan import messages
from lvbert_tf.records.record_set import RecordSet


def fetching_block_reader(records: RecordSet) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """A function from a block's index to the dataset of its serialized records.

    It yields what TensorFlow's reader of files yields. Errors are `tf.errors.UnknownError`, and those of
    damaged records have TensorFlow's words, `corrupted record at ...`.
    """
    paths = [parse_path(file) for file in records.files]
    ends = _block_ends(records)

    def fetch(block: np.ndarray) -> np.ndarray:
        index = int(block)
        path, first = paths[records.block_files[index]], int(records.block_offsets[index])
        try:
            content = _read_range(path, first, ends[index])
        except OSError as error:
            # Of a type that is no ValueError, which TensorFlow would call an invalid argument.
            raise OSError(str(error)) from error
        found = []
        for place, data in islice(messages(content), int(records.block_examples[index])):
            if data is None:
                raise OSError(f"{path}: corrupted record at {first + place}")
            found.append(data)
        if len(found) < records.block_examples[index]:
            raise OSError(f"{path}: the records from byte {first} on are cut short")
        return np.array(found, dtype=object)

    def read(block: tf.Tensor) -> tf.data.Dataset:
        serialized = tf.numpy_function(fetch, [block], tf.string)
        return tf.data.Dataset.from_tensor_slices(tf.ensure_shape(serialized, [None]))

    return read


def _block_ends(records: RecordSet) -> list[int | None]:
    """The byte before which each block ends: where the next one of the file begins; None at its end."""
    order = np.lexsort((records.block_offsets, records.block_files)).tolist()
    ends: list[int | None] = [None] * len(order)
    for index, following in pairwise(order):
        if records.block_files[index] == records.block_files[following]:
            ends[index] = int(records.block_offsets[following])
    return ends


def _read_range(path: Path, start: int, end: int | None) -> bytes:
    if isinstance(path, BucketPath):
        return path.read_bytes(start, end)
    with path.open("rb") as file:  # of a set that is partly on this machine
        file.seek(start)
        return file.read(-1 if end is None else end - start)
