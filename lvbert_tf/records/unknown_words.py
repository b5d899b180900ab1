"""Finds out whether a vocabulary fits a corpus: how many of the tokens are [UNK], and why."""

from collections.abc import Iterable, Iterator

from lvbert_tf.errors import InputError
from lvbert_tf.quiet_import import import_tensorflow
from lvbert_tf.records.corpus_parts import CorpusPart
from lvbert_tf.records.manifest import Counts
from lvbert_tf.records.part_encoder import EncodingSettings

WARNING_SHARE = 0.05  # BERT's own vocabulary has under 0.1% on English text
REFUSED_SHARE = 0.5
# The first tokens may be a page in another script; the share is judged after so many.
JUDGED_TOKENS = 1_000_000
_SAMPLE_CHARACTERS = 1 << 18
# (lowercase, strip_accents) -> the flags that set them.
_FLAGS = {
    (True, True): "--do_lower_case and --do_strip_accents",
    (True, False): "--do_lower_case and --no_strip_accents",
    (False, False): "--no_lower_case",
}


def is_refused(*splits: Counts, complete: bool) -> bool:
    """Whether most of a text is unknown to a vocabulary: see `VocabularyFit.check`."""
    tokens, share = _unknown(splits)
    return (complete or tokens >= JUDGED_TOKENS) and share >= REFUSED_SHARE


def _unknown(splits: Iterable[Counts]) -> tuple[int, float]:
    """The number of tokens, and the share of them that are [UNK]."""
    counts = list(splits)
    tokens = sum(split.tokens for split in counts)
    return tokens, sum(split.unknown_tokens or 0 for split in counts) / max(1, tokens)


class VocabularyFit:
    """Checks how many tokens are [UNK] while a corpus is read.

    Args:
        encoding: how the text is tokenized.
        allow_unknown: whether any share of unknown tokens is accepted.
    """

    def __init__(self, encoding: EncodingSettings, allow_unknown: bool):
        self.encoding = encoding
        self._allow_unknown = allow_unknown
        self._sample: list[str] = []

    def watch(self, parts: Iterable[CorpusPart]) -> Iterator[CorpusPart]:
        """Passes parts on, and keeps the beginning of the corpus for the hint of a message."""
        for part in parts:
            if not self._sample:
                self._sample = "\n".join(part.texts)[:_SAMPLE_CHARACTERS].split("\n")
            yield part

    def check(self, *splits: Counts, complete: bool = False) -> None:
        """Refuses a vocabulary to which most of the text is unknown.

        Args:
            *splits: the counts of what has been tokenized so far.
            complete: whether the whole corpus has been tokenized.

        Raises:
            InputError: half of the tokens or more are [UNK].
        """
        if not self._allow_unknown and is_refused(*splits, complete=complete):
            tokens, share = _unknown(splits)
            raise InputError(
                f"{share:.1%} of the first {tokens:,} tokens are [UNK]: the vocabulary"
                f" {self.encoding.vocabulary_file} does not fit the corpus{self._hint()};"
                " --allow_unknown_words builds such records"
            )

    def warning(self, *splits: Counts) -> str | None:
        """A warning for the user if many tokens are [UNK], otherwise None."""
        _, share = _unknown(splits)
        if share < WARNING_SHARE:
            return None
        return (
            f"{share:.1%} of the tokens are [UNK]: the vocabulary {self.encoding.vocabulary_file}"
            f" fits the corpus badly{self._hint()}"
        )

    def _hint(self) -> str:
        """Names the casing flags with which less than half as many tokens would be unknown, if any."""
        given = (self.encoding.lowercase, self.encoding.strip_accents)
        shares = {casing: self._sample_share(*casing) for casing in (given, *_FLAGS)}
        best = min(shares, key=lambda casing: shares[casing])
        if 2 * shares[best] >= shares[given]:
            return ""
        return (
            f", probably because of its casing: with {_FLAGS[best]} it would be {shares[best]:.1%} of"
            f" the beginning instead of {shares[given]:.1%}"
        )

    def _sample_share(self, lowercase: bool, strip_accents: bool) -> float:
        import_tensorflow()
        from lvbert_tf.text.tokenizer import Tokenizer

        tokenizer = Tokenizer(self.encoding.vocabulary_file, lowercase, strip_accents)
        ids = tokenizer([line.encode(errors="ignore") for line in self._sample]).values.numpy()
        return float((ids == tokenizer.vocabulary.unk_id).mean()) if len(ids) else 0.0
