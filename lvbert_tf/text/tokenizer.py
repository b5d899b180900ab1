"""Text to token ids in a TensorFlow graph, with the ids of BERT's own Python tokenizer."""

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
    are added. Plain text takes tensorflow-text's fused BERT tokenizer; words with other characters
    go through `WordSplitter`, which knows the reference's rule for every character.

    Works eagerly, in `tf.data` and in a SavedModel, which then holds the vocabulary itself.

    Two spacing marks in a row whose canonical order is reversed, as in some Indic and musical
    notation typed out of order, stay in the order given; the reference reorders them.

    Args:
      vocabulary_file: a BERT vocabulary file, or a `Vocabulary`.
      lowercase: whether to lower-case the text.
      strip_accents: whether to remove accents; None: as `lowercase`.
      added_tokens: tokens of the vocabulary that are found before the text is split into words, in the
        order in which they count.

    Raises:
      InputError: the vocabulary cannot be used or lacks an added token, or accents are to be stripped
        from cased text (which the reference never does).
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
        return _for_any_shape(self._tokenize, strings)

    def tokenize_with_offsets(self, strings) -> tuple[tf.RaggedTensor | tf.Tensor, ...]:
        """Tokenizes strings and says where each token stands.

        Args:
          strings: UTF-8 strings of any shape, as for a call.

        Returns:
          (ids, starts, ends), int32, each of the shape that a call returns. `ids` are those of a
          call. `string[start:end]`, in bytes, is the text that a token stands for, from the first
          of its characters to the last, with the combining marks after it that were removed.
          Characters are never divided: tokens that share one in its normal form, as those of a
          Hangul syllable may, both have the whole of it. [UNK] has its whole word. Starts and ends
          never decrease; what no token covers is space, or removed (control characters, invalid
          bytes). `character_offsets` converts to places in a Python string.
        """
        return offsets.unpack(_for_any_shape(self._align, strings))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def _tokenize(self, strings):
        if self._added is None:
            return self._tokenize_text(strings)
        return self._added.tokenize(strings, self._tokenize_text)

    def _tokenize_text(self, strings):
        return route(strings, is_plain(strings), self._tokenize_plain, self._tokenize_parts)

    def _tokenize_parts(self, strings):
        # Nothing in the reference looks across a space, and most parts are plain again.
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
        """Lower-cases and strips accents; ASCII, which has none, at a tenth of the cost."""
        others = tf.where(~is_ascii(strings))
        normalized = self._normalizer.normalize(tf.gather_nd(strings, others))
        return tf.tensor_scatter_nd_update(tf.strings.lower(strings), others, normalized)

    def _tokenize_exactly(self, strings):
        return self._wordpiece.tokenize(self._split(strings)).merge_dims(1, 2)

    # The same with offsets: each method below goes the way of its counterpart above and returns
    # packed tokens, ragged int32 [batch, tokens, 3].

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
        """For plain strings that keep their length in bytes."""
        if self.lowercase:
            strings = tf.strings.lower(strings, encoding="utf-8")
        return offsets.pack(*self._plain.tokenize_with_offsets(strings))

    def _align_accented(self, strings):
        normalized, sources = self._normalizer.normalize_with_offsets(strings)
        ids, starts, ends = self._plain.tokenize_with_offsets(normalized)
        return offsets.pack(ids, offsets.look_up(sources, starts), offsets.look_up(sources, ends))

    def _align_exactly(self, strings):
        words, sources = self._split.split_with_sources(strings)
        ids, starts, ends = self._wordpiece.tokenize_with_offsets(words.values)
        starts, ends = offsets.align_to_sources(words.values == UNK, sources, starts, ends)
        return words.with_values(offsets.pack(ids, starts, ends)).merge_dims(1, 2)


def _for_any_shape(tokenize: Tokenize, strings) -> tf.RaggedTensor | tf.Tensor:
    """Calls a function for string [batch] with strings of any shape, dense or ragged."""
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
    """The tokens by id, with a unique stand-in for each one that no word can be.

    Words are not made of added tokens. tensorflow-text refuses duplicates, whose last line counts, and
    control characters, and stumbles over whitespace inside a token.
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
