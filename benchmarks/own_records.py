"""What a worker would read if it read its own records alone, beside the whole blocks that it reads.

    python -m benchmarks.own_records --records 'data/pretrain_tfrecords/pretrain_data.tfrecord*'

The rows of a worker are a random share of a window, so its records lie scattered in every block. Reading
them alone saves bytes, but a file system reads whole pages, and each run of records is a request of its
own. The seconds are those of one block where a call takes --call_ms and a stream --stream_mb a second.
"""

import numpy as np
from absl import flags

from lvbert_tf import cli
from lvbert_tf.io.patterns import matching
from lvbert_tf.records.manifest import BLOCK_EXAMPLES
from lvbert_tf.records.record_scan import messages
from lvbert_tf.records.tfrecord import FRAME_BYTES

FLAGS = flags.FLAGS
flags.DEFINE_string("records", None, "Record files; the first block is looked at.", required=True)
flags.DEFINE_float("call_ms", 50, "What each call of the file system waits.", lower_bound=0)
flags.DEFINE_float("stream_mb", 100, "MB/s of a file that is read.", lower_bound=1e-3)
flags.DEFINE_integer("requests", 8, "Requests at a time.", lower_bound=1)
flags.DEFINE_multi_integer("workers", [2, 4, 8, 16, 64, 256], "How many share the records.")
_PAGE_BYTES = 4096
_TYPICAL_BYTES = 1024  # more than a record of 128 tokens has


def main() -> None:
    """Prints the table."""
    starts, ends = _places(str(matching(FLAGS.records)[0]))
    size = ends[-1]
    call, stream = FLAGS.call_ms / 1000, FLAGS.stream_mb * 1e6
    whole = call + size / stream
    print(f"{len(starts):,} records of {size:,} bytes; a whole block takes {whole:.2f} s")
    print("| workers | bytes of its records | of their pages | runs of records | seconds |")
    print("|--:|--:|--:|--:|--:|")
    for workers in FLAGS.workers:
        own = np.random.default_rng(0).random(len(starts)) < 1 / workers
        pages = {
            page
            for start, end in zip(starts[own], ends[own], strict=True)
            for page in range(start // _PAGE_BYTES, (end - 1) // _PAGE_BYTES + 1)
        }
        runs = int(own[0]) + int(np.count_nonzero(own[1:] & ~own[:-1]))
        read = int((ends - starts)[own].sum())
        seconds = -(-runs // FLAGS.requests) * call + read / stream
        print(
            f"| {workers} | {read / size:.1%} | {min(1.0, len(pages) * _PAGE_BYTES / size):.1%}"
            f" | {runs:,} | {seconds:.2f} |"
        )


def _places(path: str) -> tuple[np.ndarray, np.ndarray]:
    """The bytes at which the records of the first block of a file begin, and before which they end."""
    with open(path, "rb") as file:
        content = file.read(BLOCK_EXAMPLES * _TYPICAL_BYTES)
    found = list(messages(content))[:BLOCK_EXAMPLES]
    starts = np.array([place for place, _ in found]) - (FRAME_BYTES - 4)
    ends = np.array([place + len(data or b"") + 4 for place, data in found])
    return starts, ends


if __name__ == "__main__":
    cli.run(main)
