"""Turns text into token ids in a TensorFlow graph; the ids are those of BERT's Python tokenizer."""

import functools
import os
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_text as tf_text

from lvbert_tf.errors import InputError
from lvbert_tf.text import offsets
from lvbert_tf.text.added_token_splitter import AddedTokenSplitter
from lvbert_tf.text.added_tokens import AddedToken
from lvbert_tf.text.characters import is_dropped
from lvbert_tf.text.plain_text import Tokenize, is_ascii, is_plain, route
from lvbert_tf.text.vocabulary import UNK, Vocabulary
from lvbert_tf.text.words import MAX_WORD_CHARACTERS, WordSplitter


class Tokenizer(tf.Module):
    """BERT's tokenizer: cleans, lower-cases, splits into words, then into WordPieces.

    The ids are those of `FullTokenizer` in the BERT, ELECTRA and LV-BERT code. No special tokens
    are added. Plain text is tokenized by tensorflow-text's fused BERT tokenizer. Words with other
    characters go through `WordSplitter`, which has the reference's rule for every character.

    A tokenizer works eagerly, in `tf.data` and in a SavedModel, which then contains the vocabulary.

    There is one difference from the reference. Two successive spacing marks in reversed canonical order,
    which some Indic and musical texts have, stay in the given order; the reference reorders them.

    Args:
      vocabulary_file: a BERT vocabulary file, or a `Vocabulary`.
      lowercase: whether to lower-case the text.
      strip_accents: whether to remove accents; None means the value of `lowercase`.
      added_tokens: tokens of the vocabulary that are found before the text is split into words. If two
        have the same spelling, the first one is found.

    Raises:
      InputError: the vocabulary cannot be used or lacks an added token; or accents are to be removed
        from cased text, which the reference never does.
    """

    def __init__(
        self,
        vocabulary_file: str | os.PathLike | Vocabulary,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        added_tokens: Sequence[AddedToken] = (),
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
        self.added_tokens = tuple(added_tokens)
        self._added = None
        if self.added_tokens:
            ids = [_id_of(token, vocabulary_file) for token in self.added_tokens]
            self._added = AddedTokenSplitter(self.added_tokens, ids, lowercase, strip_accents)
        self._split = WordSplitter(lowercase, strip_accents)
        with tf.init_scope():
            pieces = _matchable_tokens(vocabulary_file, self.added_tokens)
            self._normalizer = tf_text.FastBertNormalizer(lower_case_nfd_strip_accents=True)
            self._plain = tf_text.FastWordpieceTokenizer(pieces, token_out_type=tf.int32)
            self._wordpiece = tf_text.FastWordpieceTokenizer(
                pieces,
                token_out_type=tf.int32,
                no_pretokenization=True,
                # UTF-8 has at most four bytes a character, so the limit of the splitter is reached
                # first.
                max_bytes_per_word=4 * MAX_WORD_CHARACTERS,
            )

    def __call__(self, strings) -> tf.RaggedTensor | tf.Tensor:
        """Tokenizes strings.

        Args:
          strings: UTF-8 strings of any shape, dense or ragged; invalid bytes are dropped.

        Returns:
          int32 ids in the shape of `strings` with a ragged dimension at the end: a `RaggedTensor`
          [batch, ids] for strings [batch], also if the batch is empty; a `Tensor` [ids] for one string.
        """
        return _for_any_shape(self._tokenize, strings)

    def tokenize_with_offsets(self, strings) -> tuple[tf.RaggedTensor | tf.Tensor, ...]:
        """Tokenizes strings and returns the offsets of the tokens too.

        Args:
          strings: UTF-8 strings of any shape, as for a call.

        Returns:
          (ids, starts, ends), int32, each of the shape that a call returns. `ids` are those that a
          call returns. `string[start:end]`, in bytes, is the text of a token: from its first
          character to its last, with the combining marks after it that were removed. Characters are
          never divided. If two tokens share a character, as those of a Hangul syllable may, both
          have the whole character. [UNK] has the whole word. Starts and ends never decrease. Text
          that belongs to no token is whitespace, or is removed (control characters, invalid bytes).
          `character_offsets` converts the offsets to those of a Python string.
        """
        return offsets.unstack(_for_any_shape(self._align, strings))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def _tokenize(self, strings):
        if self._added is None:
            return self._tokenize_text(strings)
        return self._added.tokenize(strings, self._tokenize_text)

    def _tokenize_text(self, strings):
        return route(strings, is_plain(strings), self._tokenize_plain, self._tokenize_parts)

    def _tokenize_parts(self, strings):
        # No rule of the reference looks beyond a space, so that only parts that are not plain are slow.
        parts = tf.strings.split(strings, " ")
        plain = is_plain(parts.values)
        ids = route(parts.values, plain, self._tokenize_plain, self._tokenize_exactly)
        return parts.with_values(ids).merge_dims(1, 2)

    def _tokenize_plain(self, strings):
        if self.strip_accents:
            strings = self._normalize(strings)
        elif self.lowercase:
            strings = tf.strings.lower(strings, encoding="utf-8")
        return self._plain.tokenize(strings)

    def _normalize(self, strings):
        """Lower-cases and strips accents. ASCII has no accents and costs a tenth."""
        others = tf.where(~is_ascii(strings))
        normalized = self._normalizer.normalize(tf.gather_nd(strings, others))
        return tf.tensor_scatter_nd_update(tf.strings.lower(strings), others, normalized)

    def _tokenize_exactly(self, strings):
        return self._wordpiece.tokenize(self._split(strings)).merge_dims(1, 2)

    # The same with offsets. Each method below does what its counterpart above does, and returns stacked
    # tokens, ragged int32 [batch, tokens, 3].

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def _align(self, strings):
        if self._added is None:
            return self._align_text(strings)
        return self._added.align(strings, self._align_text)

    def _align_text(self, strings):
        return route(strings, is_plain(strings), self._align_plain, self._align_parts)

    def _align_parts(self, strings):
        parts = tf.strings.split(strings, " ")
        plain = is_plain(parts.values)
        tokens = route(parts.values, plain, self._align_plain, self._align_exactly)
        tokens = offsets.shift(tokens, offsets.part_starts(parts))
        return parts.with_values(tokens).merge_dims(1, 2)

    def _align_plain(self, strings):
        if self.strip_accents:
            return route(strings, is_ascii(strings), self._align_kept, self._align_accented)
        return self._align_kept(strings)

    def _align_kept(self, strings):
        """Aligns plain strings whose length in bytes does not change."""
        if self.lowercase:
            strings = tf.strings.lower(strings, encoding="utf-8")
        return offsets.stack(*self._plain.tokenize_with_offsets(strings))

    def _align_accented(self, strings):
        normalized, originals = self._normalizer.normalize_with_offsets(strings)
        ids, starts, ends = self._plain.tokenize_with_offsets(normalized)
        starts, ends = (offsets.look_up(originals, column) for column in (starts, ends))
        return offsets.stack(ids, starts, ends)

    def _align_exactly(self, strings):
        words, alignment = self._split.split_with_alignment(strings)
        ids, starts, ends = self._wordpiece.tokenize_with_offsets(words.values)
        starts, ends = offsets.to_original(words.values == UNK, alignment, starts, ends)
        return words.with_values(offsets.stack(ids, starts, ends)).merge_dims(1, 2)


@functools.lru_cache(maxsize=8)
def shared_tokenizer(
    vocabulary: Vocabulary,
    lowercase: bool,
    strip_accents: bool | None,
    added_tokens: tuple[AddedToken, ...],
) -> Tokenizer:
    """The one tokenizer of a process with these arguments, those of `Tokenizer`.

    A tokenizer never changes. To make one and to trace its functions takes one to two seconds, which
    models that share it pay once.
    """
    return Tokenizer(vocabulary, lowercase, strip_accents, added_tokens)


def _for_any_shape(tokenize: Tokenize, strings) -> tf.RaggedTensor | tf.Tensor:
    """Applies a function of strings [batch] to strings of any shape, dense or ragged."""
    if isinstance(strings, tf.RaggedTensor):
        return strings.with_values(_for_any_shape(tokenize, strings.values))
    strings = tf.convert_to_tensor(strings, tf.string)
    if strings.shape.rank == 0:
        return tokenize(strings[tf.newaxis]).values
    if strings.shape.rank == 1:
        return tokenize(strings)
    ragged_rank = strings.shape.rank - 1
    return _for_any_shape(tokenize, tf.RaggedTensor.from_tensor(strings, ragged_rank=ragged_rank))


def _id_of(token: AddedToken, vocabulary: Vocabulary) -> int:
    if token.content not in vocabulary.tokens:
        raise InputError(f"the vocabulary lacks the added token {token.content!r}")
    return vocabulary.id(token.content)


def _matchable_tokens(vocabulary: Vocabulary, added_tokens: Sequence[AddedToken]) -> list[str]:
    """The tokens by id, with a unique replacement for each token that no word can have.

    These are added tokens; tokens that stand on a later line too; and tokens with control characters or
    whitespace. tensorflow-text refuses duplicates and control characters, and fails at whitespace inside
    a token.
    """
    added = {token.content for token in added_tokens if not token.is_piece}
    return [
        token
        if token not in added
        and token.split() == [token]
        and vocabulary.id(token) == line
        and not any(map(is_dropped, token))
        else f"\x7f{line}"
        for line, token in enumerate(vocabulary.tokens)
    ]
