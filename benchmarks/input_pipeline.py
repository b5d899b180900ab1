"""How fast the input pipeline gives shuffled batches, beside what a training step consumes.

    python -m benchmarks.input_pipeline --corpus data/sotu.jsonl.gz --vocab_file vocab.txt
    python -m benchmarks.input_pipeline --records 'data/pretrain_tfrecords/pretrain_data.tfrecord*'

Batches are taken as fast as they come, epoch after epoch, after the first one, which waits for a whole
window to be read. The processor's time is over all threads, so a busy machine changes it little. The
step is LV-BERT-small's, in a process of its own (`own_step.py`).

The same on a file system across a network, and how long it takes to open 600 million examples there:

    python -m benchmarks.input_pipeline --records ... --call_ms 50 --stream_mb 100 --open_shards 5600

Each call then waits for 50 ms, and a block of records for as long as it takes at 100 MB/s.
"""

import os
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import flags
from tqdm import tqdm

from benchmarks.contestant import Contestant, driver
from benchmarks.slow_files import slow_files
from lvbert_tf import cli
from lvbert_tf.errors import InputError
from lvbert_tf.records import input_pipeline
from lvbert_tf.records.build_dataset import BuildSettings, build_dataset
from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.manifest import (
    BLOCK_EXAMPLES,
    MANIFEST_NAME,
    TRAINING_PREFIX,
    Counts,
    Manifest,
    Shard,
    Split,
)
from lvbert_tf.records.record_set import RecordSet
from lvbert_tf.settings.parts import RecordSettings

FLAGS = flags.FLAGS
flags.DEFINE_string("records", None, "Records to read; --corpus and --vocab_file build some.")
flags.DEFINE_string("corpus", None, "The text: what build_pretraining_dataset.py takes.")
flags.DEFINE_string("vocab_file", None, "A BERT vocabulary.")
flags.DEFINE_integer("max_seq_length", 128, "Tokens per example.", lower_bound=5)
flags.DEFINE_multi_integer("batch_size", [32, 128], "Examples of a batch; may be repeated.")
flags.DEFINE_integer("examples", 500_000, "How many are taken.", lower_bound=1)
flags.DEFINE_integer("steps", 5, "Timed training steps, at the smallest batch.", lower_bound=1)
flags.DEFINE_float("call_ms", 0, "What each call of the file system waits.", lower_bound=0)
flags.DEFINE_float("stream_mb", 0, "MB/s of a file that is read; 0 means no limit.", lower_bound=0)
flags.DEFINE_integer("open_shards", 0, "Shards to open, of 107,143 examples each.", lower_bound=0)


@dataclass
class Reading:
    """Seconds until the first batch, then wall-clock and processor seconds of `examples`."""

    first: float
    seconds: float
    cpu_seconds: float
    examples: int


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as folder, slow_files(FLAGS.call_ms / 1000, FLAGS.stream_mb):
        records = RecordSet.open(
            FLAGS.records or _build(Path(folder, "records")),
            RecordSettings(FLAGS.max_seq_length, allow_missing_manifest=True),
        )
        record_bytes = sum(map(os.path.getsize, records.files)) / records.num_examples
        print(
            f"{records.num_examples:,} examples of length {FLAGS.max_seq_length},"
            f" {record_bytes:.0f} bytes each"
        )
        if FLAGS.open_shards:
            _open_many(Path(folder, "many"), FLAGS.open_shards, round(record_bytes))
        print("| batch | examples/s | MB/s | examples a processor second | first batch |")
        print("|---|---|---|---|---|")
        for batch_size in FLAGS.batch_size:
            reading = _read(records, batch_size)
            rate = reading.examples / reading.seconds
            print(
                f"| {batch_size} | {rate:,.0f} | {rate * record_bytes / 1e6:.0f}"
                f" | {reading.examples / reading.cpu_seconds:,.0f} | {reading.first:.2f} s |",
                flush=True,
            )
    batch_size = min(FLAGS.batch_size)
    consumed = _step_examples_per_second(batch_size)
    print(f"training steps at batch {batch_size} consume {consumed:.1f} examples/s")


def _open_many(directory: Path, shards: int, record_bytes: int) -> None:
    """Prints how long it takes to open shards that have their size and nothing in them."""
    directory.mkdir()
    examples = 107_143
    offsets = tuple(range(0, examples * record_bytes, BLOCK_EXAMPLES * record_bytes))
    listed = []
    for number in range(shards):
        name = f"{TRAINING_PREFIX}-{number:05d}-of-{shards:05d}"
        with open(directory / name, "wb") as file:  # not Path.open, which waits
            file.truncate(examples * record_bytes)
        listed.append(Shard(name, examples, examples * record_bytes, "0" * 64, offsets))
    training = Split(Counts(1, 1, 1, shards * examples, 0), tuple(listed))
    held_out = Split(Counts(0, 0, 0, 0, 0), ())
    manifest = Manifest("0" * 64, 30522, FLAGS.max_seq_length, True, True, training, held_out, {})
    (directory / MANIFEST_NAME).write_text(manifest.to_json())
    before, start = _peak_bytes(), time.perf_counter()
    records = RecordSet.open(
        f"{directory}/{TRAINING_PREFIX}*", RecordSettings(FLAGS.max_seq_length)
    )
    seconds = time.perf_counter() - start
    print(
        f"{len(records.files):,} shards of {records.num_examples:,} examples open in {seconds:.1f} s"
        f" and {(_peak_bytes() - before) / 1e6:.0f} MB more than before",
        flush=True,
    )


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _build(output: Path) -> str:
    """Builds a set of records and returns the pattern of its training files."""
    if not FLAGS.corpus or not FLAGS.vocab_file:
        raise InputError("what is to be read? Give --records, or --corpus and --vocab_file")
    corpus = Corpus(FLAGS.corpus)
    with tqdm(total=corpus.total_bytes, desc="records", unit="B", unit_scale=True) as bar:
        settings = BuildSettings(FLAGS.vocab_file, str(output), FLAGS.max_seq_length)
        build_dataset(corpus, settings, bar.update)
    return f"{output}/{TRAINING_PREFIX}-*"


def _read(records: RecordSet, batch_size: int) -> Reading:
    batches = -(-FLAGS.examples // batch_size)
    start = time.perf_counter()
    iterator = iter(input_pipeline.training_dataset(records, batch_size, seed=0))
    next(iterator)
    first = time.perf_counter() - start
    cpu, start = time.process_time(), time.perf_counter()
    for _ in range(batches):
        next(iterator)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    return Reading(first, seconds, cpu_seconds, batches * batch_size)


def _step_examples_per_second(batch_size: int) -> float:
    step = Contestant("ours", "LV-BERT", "auto", driver("own_step"))
    step.run(
        [
            *("--batch_size", str(batch_size), "--max_seq_length", str(FLAGS.max_seq_length)),
            *("--steps", str(FLAGS.steps)),
        ]
    )
    return step.results[-1]["sequences_per_second"]


if __name__ == "__main__":
    cli.run(main)
