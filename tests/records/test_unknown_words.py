"""A vocabulary that does not fit the corpus."""

import dataclasses
import json
import re

import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.io import streams
from lvbert_tf.records import corpus_parts, documents, unknown_words
from lvbert_tf.records.build_dataset import BuildSettings, build_dataset
from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.manifest import Counts, Manifest
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS

WORDS = ["bal", "bel", "bil"]


@pytest.fixture
def build(tmp_path):
    """Builds records of a text with a vocabulary; gives the manifest and the warnings."""

    def build(text, words, on_bytes=lambda count: None, **options):
        (tmp_path / "corpus.txt").write_text(text)
        (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL_TOKENS, *words]) + "\n")
        settings = BuildSettings(
            tmp_path / "vocab.txt", tmp_path / "out", 16, held_out_fraction=0.5, **options
        )
        warnings = []
        manifest = build_dataset(
            Corpus(str(tmp_path / "corpus.txt")), settings, on_bytes, warnings.append
        )
        return manifest, warnings

    return build


def unknown_in_records(directory, prefix) -> int:
    files = [str(file) for file in directory.glob(f"{prefix}.tfrecord-*")]
    examples = map(tf.train.Example.FromString, tf.data.TFRecordDataset(files).as_numpy_iterator())
    return sum(
        list(example.features.feature["input_ids"].int64_list.value).count(1)
        for example in examples
    )


def text_with(known: int, unknown: int) -> str:
    """Documents of ten lines, in which so many words are known and unknown."""
    words = ["bal"] * known + ["zzz"] * unknown
    return "\n\n".join("\n".join(" ".join(words) for _ in range(10)) for _ in range(8))


def test_unknown_tokens_are_counted_by_split(build, tmp_path):
    manifest, warnings = build(text_with(15, 5), WORDS)
    for prefix, split in (("pretrain_data", manifest.training), ("held_out", manifest.held_out)):
        counts = split.counts
        assert counts.unknown_tokens == unknown_in_records(tmp_path / "out", prefix) > 0
        assert counts.unknown_share == counts.unknown_tokens / counts.tokens == 0.25
    (warning,) = warnings
    assert warning.startswith("25.0% of the tokens are [UNK]: the vocabulary")
    assert "casing" not in warning


@pytest.mark.parametrize(("known", "unknown", "warned"), [(96, 4, False), (95, 5, True)])
def test_a_share_of_five_percent_is_a_warning(build, known, unknown, warned):
    _, warnings = build(text_with(known, unknown), WORDS)
    assert bool(warnings) == warned


def test_a_vocabulary_of_another_corpus_is_refused_and_leaves_nothing(build, tmp_path):
    text = text_with(1, 1)
    with pytest.raises(InputError, match=r"50\.0% of the first 160 tokens are \[UNK\]") as caught:
        build(text, WORDS)
    assert str(tmp_path / "vocab.txt") in str(caught.value)
    assert "--allow_unknown_words builds" in str(caught.value) and "casing" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.txt", "vocab.txt"]
    manifest, warnings = build(text, WORDS, allow_unknown_words=True)
    assert manifest.training.counts.unknown_share == 0.5 and warnings
    assert manifest.settings["allow_unknown_words"]


def test_it_is_refused_long_before_the_end_of_a_large_corpus(build, monkeypatch):
    monkeypatch.setattr(corpus_parts, "PART_CHARACTERS", 500)
    monkeypatch.setattr(streams, "_BUFFER_BYTES", 1000)
    monkeypatch.setattr(documents, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(unknown_words, "JUDGED_TOKENS", 1000)
    text, read = text_with(5, 20) * 100, []
    with pytest.raises(InputError, match=r"80\.0% of the first 1,\d\d\d tokens"):
        build(text, WORDS, on_bytes=read.append)
    assert sum(read) < len(text) / 10
    # A page at the beginning is no corpus.
    manifest, _ = build("zzz\n\n" * 400 + text_with(60, 0), WORDS)
    assert 0 < manifest.training.counts.unknown_share < 0.5


@pytest.mark.parametrize(
    ("change", "lowercase", "flags"),
    [
        (str.lower, False, "--do_lower_case and --do_strip_accents"),
        (str.upper, True, "--no_lower_case"),
    ],
)
def test_casing_is_named_where_it_is_the_cause(build, change, lowercase, flags):
    casing = {"lowercase": lowercase, "strip_accents": lowercase}
    words = [change("bal"), *"123456789"]
    with pytest.raises(
        InputError, match=f"because of its casing: with {re.escape(flags)} it would"
    ):
        build("BAL BAL 1", words, **casing)
    _, (warning,) = build("BAL 1 2 3 4 5 6 7 8 9", words, **casing)
    assert f"with {flags} it would be 0.0% of the beginning instead of 10.0%" in warning


def test_manifests_of_earlier_releases_are_read(build):
    manifest, _ = build(text_with(20, 0), WORDS)
    saved = json.loads(manifest.to_json())
    for split in ("training", "held_out"):
        del saved[split]["counts"]["unknown_tokens"]
    read = Manifest.from_json(json.dumps(saved), "manifest.json")
    assert read.training.counts == dataclasses.replace(
        manifest.training.counts, unknown_tokens=None
    )
    assert Counts(1, 1, 1, 1).unknown_share == 0
