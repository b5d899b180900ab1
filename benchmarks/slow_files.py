"""Local files that are as slow as those of a bucket or another file system across a network."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import tensorflow as tf

from lvbert_tf.records import input_pipeline


@contextlib.contextmanager
def slow_files(latency: float, stream_mb: float) -> Iterator[None]:
    """Makes each call wait that lists a directory, looks up or opens a file, and each read of a block.

    Args:
      latency: seconds of every call and read.
      stream_mb: megabytes a second of one stream, in which a block takes longer; 0 for no limit.
    """
    block_reader = input_pipeline._block_reader

    def slow(call):
        return lambda *args, **options: (time.sleep(latency), call(*args, **options))[1]

    def slow_block_reader(records):
        read = block_reader(records)
        mean = sum(map(os.path.getsize, records.files)) / len(records.block_examples)
        seconds = latency + (mean / stream_mb / 1e6 if stream_mb else 0)

        def wait(block):
            time.sleep(seconds)
            return block

        def read_slowly(block):
            return read(tf.ensure_shape(tf.numpy_function(wait, [block], tf.int64), []))

        return read_slowly

    with contextlib.ExitStack() as stack:
        if latency or stream_mb:
            for owner, name in ((os, "scandir"), (Path, "stat"), (Path, "open")):
                call = slow(getattr(owner, name))
                stack.enter_context(mock.patch.object(owner, name, call))
            stack.enter_context(
                mock.patch.object(input_pipeline, "_block_reader", slow_block_reader)
            )
        yield
