"""Speed and exactness of the tokenizer, per CPU core.

    python -m benchmarks.tokenizer_speed --corpus corpus.jsonl.gz --vocab_file vocab.txt

With `--reference_dir`, a checkout of the ELECTRA or LV-BERT code, its Python tokenizer is timed as
well and the texts on which the ids differ are counted.
"""

import gzip
import importlib.util
import json
import lzma
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
import tensorflow_text as tf_text
from absl import flags
from tqdm import tqdm

from lvbert_tf import cli
from lvbert_tf.errors import InputError
from lvbert_tf.text import Tokenizer

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "corpus", None, "Text file (a text a line) or JSON lines with a text field; .gz and .xz work."
)
flags.DEFINE_string("vocab_file", None, "BERT vocabulary.")
flags.DEFINE_bool("lowercase", True, "Whether to lower-case the text.")
flags.DEFINE_string("reference_dir", None, "Checkout of the reference, with model/tokenization.py.")
flags.DEFINE_integer("repeats", 3, "Measurements, of which the fastest counts.", lower_bound=1)
flags.mark_flags_as_required(["corpus", "vocab_file"])

_BATCH = 1024


def read_texts(path: Path) -> list[str]:
    """The non-empty texts of a corpus file."""
    opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            lines = file.read().split("\n")
        if ".jsonl" in path.suffixes:
            lines = [json.loads(line)["text"] for line in lines if line]
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise InputError(f"cannot read the corpus {path}: {error}") from error
    return [line for line in lines if line]


def load_reference(directory: str, vocab_file: str, lowercase: bool) -> Callable[[str], list[int]]:
    """The reference's tokenizer: text to ids."""
    path = Path(directory, "model", "tokenization.py")
    if not path.is_file():
        raise InputError(f"--reference_dir: there is no {path}")
    spec = importlib.util.spec_from_file_location("reference_tokenization", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    reference = module.FullTokenizer(vocab_file, do_lower_case=lowercase)
    return lambda text: reference.convert_tokens_to_ids(reference.tokenize(text))


def fastest(tokenize: Callable[[], list[list[int]]], repeats: int):
    """Seconds of CPU time of the fastest run, and the result."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        result = tokenize()
        seconds.append(time.process_time() - start)
    return min(seconds), result


def main() -> None:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tokenizer = Tokenizer(FLAGS.vocab_file, FLAGS.lowercase)
    texts = read_texts(Path(FLAGS.corpus))
    num_bytes = sum(len(text.encode()) for text in texts)
    print(f"{FLAGS.corpus}: {len(texts):,} texts, {num_bytes / 1e6:.1f} MB of UTF-8")
    batches = [tf.constant(texts[i : i + _BATCH]) for i in range(0, len(texts), _BATCH)]

    tokenizers = {"lvbert_tf": tokenizer}
    tokens = tokenizer.vocabulary.tokens
    if len(set(tokens)) == len(tokens):  # It refuses duplicates.
        fused = tf_text.FastBertTokenizer(
            list(tokens), token_out_type=tf.int32, lower_case_nfd_strip_accents=FLAGS.lowercase
        )
        tokenizers["FastBertTokenizer"] = fused.tokenize
    results = {}
    for name, tokenize in tokenizers.items():
        tokenize(batches[0])
        seconds, ids = fastest(lambda t=tokenize: [t(batch) for batch in batches], FLAGS.repeats)
        results[name] = (seconds, [row for batch in ids for row in batch.to_list()])

    expected = None
    if FLAGS.reference_dir:
        reference = load_reference(FLAGS.reference_dir, FLAGS.vocab_file, FLAGS.lowercase)
        seconds, expected = fastest(
            lambda: [reference(text) for text in tqdm(texts, desc="reference", unit="text")], 1
        )
        results["reference"] = (seconds, expected)

    for name, (seconds, ids) in results.items():
        line = f"{name:20} {num_bytes / 1e6 / seconds:6.1f} MB/s a core"
        if expected is not None:
            differ = sum(a != b for a, b in zip(ids, expected, strict=True))
            line += f"   {differ:,} of {len(texts):,} texts differ from the reference"
        print(line)


if __name__ == "__main__":
    cli.run(main)
