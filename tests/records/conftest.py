"""A small corpus, its vocabulary and the records built from it."""

import shutil
from pathlib import Path

import pytest

from lvbert_tf.records.build_dataset import BuildSettings, build_dataset
from lvbert_tf.records.corpus import Corpus

WORDS = [f"{a}{b}{c}" for a in "bdg" for b in "aeiou" for c in "lmnrst"]


def corpus_text(documents: int) -> str:
    """Documents of a few lines, of 3 to 40 words, separated by blank lines."""
    texts = []
    for document in range(documents):
        lines = (
            " ".join(
                WORDS[(document * 31 + line * 7 + word * 3) % len(WORDS)]
                for word in range(3 + (document * 5 + line * 11) % 38)
            )
            for line in range(1 + document % 6)
        )
        texts.append("\n".join(lines))
    return "\n\n".join(texts) + "\n"


@pytest.fixture(scope="session")
def vocabulary_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    path.write_text("\n".join([*special, *WORDS, ".", ","]) + "\n")
    return path


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text(corpus_text(documents=120))
    return path


@pytest.fixture(scope="session")
def built(tmp_path_factory, corpus_file, vocabulary_file) -> Path:
    """Records of length 24 built in one process; not to be changed."""
    output = tmp_path_factory.mktemp("records") / "set"
    settings = BuildSettings(
        vocabulary_file, output, max_seq_length=24, held_out_fraction=0.1, seed=3
    )
    build_dataset(Corpus(str(corpus_file)), settings)
    return output


@pytest.fixture
def copied(built, tmp_path) -> Path:
    """A copy of `built` that a test may damage."""
    return Path(shutil.copytree(built, tmp_path / "set"))
