"""Learns a WordPiece vocabulary from text."""

import collections
import itertools
import os
from collections.abc import Callable, Iterable, Sequence

import tokenizers

from lvbert_tf.errors import InputError
from lvbert_tf.io.paths import parse_path
from lvbert_tf.io.whole import replace_file
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS, SUFFIX_MARK, UNK
from lvbert_tf.text.word_counts import WordCounter, WordCounts

# Enough for the letters of a few alphabets. Words with rarer characters become [UNK], as in BERT.
_MAX_ALPHABET = 1000
_MIN_SIZE = 2 * len(SPECIAL_TOKENS)
# Pieces that are rarer are mostly names and misprints.
_MIN_FREQUENCY = 2
# A limit of time, which hardly changes the result: the number of words of text that the trainer reads.
_MAX_RUNNING_WORDS = 20_000_000


def learn_vocabulary(
    texts: Iterable[str],
    size: int,
    lowercase: bool = True,
    strip_accents: bool | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """Learns a WordPiece vocabulary of exactly `size` tokens.

    Words are split as `Tokenizer` splits them. The tokens are the special tokens, the alphabet, and the
    pieces that result when the most frequent pair of pieces is joined again and again (the trainer of
    Hugging Face's `tokenizers`). If there are fewer, `[unused0]`, `[unused1]` and so on fill the rest.
    The same texts in the same order give the same list.

    Args:
      texts: the corpus as strings of any length. It is read once and need not fit in memory.
      size: the number of tokens, at least 10.
      lowercase: whether the tokenizer will lower-case.
      strip_accents: whether the tokenizer will remove accents; None means the value of `lowercase`.
      progress: called now and then with the number of texts that were read since the last call.

    Returns:
      The tokens in order of their ids, the special tokens first.

    Raises:
      InputError: `size` is too small or the texts have no words.
    """
    check_size(size)
    if strip_accents is None:
        strip_accents = lowercase
    with WordCounts() as words:
        for counts in WordCounter(lowercase, strip_accents)(texts, progress):
            words.add(counts)
        return learn_from_counts(words.most_frequent(), size)


def check_size(size: int) -> None:
    """Checks the size of a vocabulary before any work.

    Raises:
      InputError: it is too small.
    """
    if size < _MIN_SIZE:
        raise InputError(f"vocabulary size {size} is too small: at least {_MIN_SIZE}")


def learn_from_counts(counts: dict[str, int], size: int) -> list[str]:
    """As `learn_vocabulary`, from how often each word occurs; the words are in alphabetical order."""
    check_size(size)
    if not counts:
        raise InputError("cannot learn a vocabulary: the texts have no words")

    # Every character may need two pieces, one at the start of a word and one inside a word.
    alphabet = _most_frequent_characters(
        counts, min(_MAX_ALPHABET, (size - len(SPECIAL_TOKENS)) // 2)
    )
    counts = {word: count for word, count in counts.items() if alphabet.issuperset(word)}
    suffixes = {SUFFIX_MARK + char for word in counts for char in word[1:]}
    # All of them are given, in order, because the trainer adds pieces in the order of a hash table.
    pieces = [*SPECIAL_TOKENS, *sorted(alphabet), *sorted(suffixes)]
    tokens = _join_pieces(counts, pieces, size)
    return tokens + [f"[unused{i}]" for i in range(size - len(tokens))]


def write_vocabulary(path: str | os.PathLike, tokens: Sequence[str]) -> None:
    """Writes a vocabulary file; see `replace_file`.

    Raises:
      InputError: the file exists already, or cannot be written.
    """
    path = parse_path(path)
    if path.exists():
        raise InputError(f"{path} exists already and is not overwritten")
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, "".join(f"{token}\n" for token in tokens))


def _most_frequent_characters(counts: dict[str, int], limit: int) -> set[str]:
    totals: collections.Counter[str] = collections.Counter()
    for word, count in counts.items():
        for char in word:
            totals[char] += count
    ranked = sorted(totals, key=lambda char: (-totals[char], char))
    return set(ranked[:limit])


def _join_pieces(counts: dict[str, int], pieces: list[str], size: int) -> list[str]:
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token=UNK))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=size,
        special_tokens=pieces,
        min_frequency=_MIN_FREQUENCY,
        continuing_subword_prefix=SUFFIX_MARK,
        show_progress=False,
    )
    # The trainer takes text, not counts.
    scale = max(1, sum(counts.values()) // _MAX_RUNNING_WORDS)
    runs = (" ".join(itertools.repeat(word, -(-count // scale))) for word, count in counts.items())
    tokenizer.train_from_iterator(runs, trainer)
    ids = tokenizer.get_vocab()
    return sorted(ids, key=ids.__getitem__)
