"""Text to token ids in a TensorFlow graph, with the ids of BERT's own Python tokenizer."""

import os

import tensorflow as tf
import tensorflow_text as tf_text

from lvbert_tf.errors import InputError
from lvbert_tf.text.characters import is_dropped
from lvbert_tf.text.vocabulary import Vocabulary
from lvbert_tf.text.words import MAX_WORD_CHARACTERS, WordSplitter

# Strings on which tensorflow-text's BERT tokenizer equals the reference, in every mode: words of
# at most 50 of these characters (it gives up at 100 bytes) between these spaces. Left out are
# control characters, compatibility forms such as ½ (it decomposes them), letters such as ß (it folds
# them) and İ (three bytes in lower case).
_PLAIN_SPACE = r"[ \t\n\r\x{A0}]"
_PLAIN_CHARACTER = (
    r"[!-~\x{A1}-\x{A7}©«¬®°±¶·»¿À-Þà-įıĴ-ľŁ-ňŊ-ž"  # ASCII and Latin without forms
    r"\x{2010}\x{2012}-\x{2015}\x{2018}-\x{2023}]"  # dashes, quotation marks, bullets
)
_PLAIN_TEXT = f"(?:{_PLAIN_CHARACTER}{{0,50}}{_PLAIN_SPACE})*{_PLAIN_CHARACTER}{{0,50}}"


class Tokenizer(tf.Module):
    """BERT's tokenizer: cleans, lower-cases, splits into words, then into WordPieces.

    The ids are those of `FullTokenizer` in the BERT, ELECTRA and LV-BERT code. No special tokens
    are added. Plain text takes tensorflow-text's fused BERT tokenizer; words with other characters
    go through `WordSplitter`, which knows the reference's rule for every character.

    Works eagerly, in `tf.data` and in a SavedModel, which then holds the vocabulary itself.

    Two spacing marks in a row whose canonical order is reversed, as in some Indic and musical
    notation typed out of order, stay in the order given; the reference reorders them.

    Args:
      vocabulary_file: a BERT vocabulary file, or a `Vocabulary`.
      lowercase: whether to lower-case the text.
      strip_accents: whether to remove accents; None: as `lowercase`.

    Raises:
      InputError: the vocabulary cannot be used, or accents are to be stripped from cased text
        (which the reference never does).
    """

    def __init__(
        self,
        vocabulary_file: str | os.PathLike | Vocabulary,
        lowercase: bool = True,
        strip_accents: bool | None = None,
    ):
        super().__init__()
        if strip_accents is None:
            strip_accents = lowercase
        if strip_accents and not lowercase:
            raise InputError("strip_accents needs lowercase: cased text keeps its accents")
        if not isinstance(vocabulary_file, Vocabulary):
            vocabulary_file = Vocabulary.load(vocabulary_file)
        self.vocabulary = vocabulary_file
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self._split = WordSplitter(lowercase, strip_accents)
        with tf.init_scope():
            pieces = _matchable_tokens(vocabulary_file)
            self._normalizer = tf_text.FastBertNormalizer(lower_case_nfd_strip_accents=True)
            self._plain = tf_text.FastWordpieceTokenizer(pieces, token_out_type=tf.int32)
            self._wordpiece = tf_text.FastWordpieceTokenizer(
                pieces,
                token_out_type=tf.int32,
                no_pretokenization=True,
                # UTF-8 needs at most four bytes a character: the splitter's limit comes first.
                max_bytes_per_word=4 * MAX_WORD_CHARACTERS,
            )

    def __call__(self, strings) -> tf.RaggedTensor | tf.Tensor:
        """Tokenizes strings.

        Args:
          strings: UTF-8 strings of any shape, dense or ragged; invalid bytes are dropped.

        Returns:
          int32 ids with one more, ragged, dimension: a `RaggedTensor` [batch, ids] for strings
          [batch], also when the batch is empty. For a single string, a `Tensor` [ids].
        """
        if isinstance(strings, tf.RaggedTensor):
            return strings.with_values(self(strings.values))
        strings = tf.convert_to_tensor(strings, tf.string)
        if strings.shape.rank == 0:
            return self._tokenize(strings[tf.newaxis]).values
        if strings.shape.rank == 1:
            return self._tokenize(strings)
        return self(tf.RaggedTensor.from_tensor(strings, ragged_rank=strings.shape.rank - 1))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def _tokenize(self, strings):
        return self._route(strings, self._tokenize_parts)

    def _route(self, strings, tokenize_others):
        """Sends plain strings to the fused tokenizer, the others to `tokenize_others`."""
        plain = tf.strings.regex_full_match(strings, _PLAIN_TEXT)
        plain_ids = self._tokenize_plain(tf.boolean_mask(strings, plain))
        other_ids = tokenize_others(tf.boolean_mask(strings, ~plain))
        # Back into the order of the input.
        count = tf.cast(plain, tf.int64)
        rows = tf.where(
            plain, tf.cumsum(count) - 1, tf.reduce_sum(count) + tf.cumsum(1 - count) - 1
        )
        return tf.gather(tf.concat([plain_ids, other_ids], axis=0), rows)

    def _tokenize_parts(self, strings):
        # Nothing in the reference looks across a space, and most parts are plain again.
        parts = tf.strings.split(strings, " ")
        return parts.with_values(self._route(parts.values, self._tokenize_exactly)).merge_dims(1, 2)

    def _tokenize_plain(self, strings):
        if self.strip_accents:
            strings = self._normalize(strings)
        elif self.lowercase:
            strings = tf.strings.lower(strings, encoding="utf-8")
        return self._plain.tokenize(strings)

    def _normalize(self, strings):
        """Lower-cases and strips accents; ASCII, which has none, at a tenth of the cost."""
        is_ascii = tf.strings.length(strings) == tf.strings.length(strings, unit="UTF8_CHAR")
        others = tf.where(~is_ascii)
        normalized = self._normalizer.normalize(tf.gather_nd(strings, others))
        return tf.tensor_scatter_nd_update(tf.strings.lower(strings), others, normalized)

    def _tokenize_exactly(self, strings):
        return self._wordpiece.tokenize(self._split(strings)).merge_dims(1, 2)


def _matchable_tokens(vocabulary: Vocabulary) -> list[str]:
    """The tokens by id, with a unique stand-in for each one that no word can be.

    tensorflow-text refuses duplicates, whose last line counts, and control characters, and stumbles
    over whitespace inside a token.
    """
    return [
        token
        if token.split() == [token]
        and vocabulary.id(token) == line
        and not any(map(is_dropped, token))
        else f"\x7f{line}"
        for line, token in enumerate(vocabulary.tokens)
    ]
