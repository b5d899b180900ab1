"""The task of tagging the words of a sentence, and its preprocessor."""

from collections.abc import Mapping, Sequence

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.layers.dense import output_dense
from lvbert_tf.models.backbone import LVBertBackbone
from lvbert_tf.models.lv_bert_tokenizer import LVBertTokenizer
from lvbert_tf.models.string_batches import first_row, string_batch
from lvbert_tf.models.task_parts import LEARNING_RATE, join_parts
from lvbert_tf.text.packing import pack_words
from lvbert_tf.text.sentence_words import split_words


class LVBertTokenTaggerPreprocessor(keras_hub.models.Preprocessor):
    """Makes the inputs of a backbone from sentences: `[CLS] words [SEP]`, each word tokenized by itself.

    The tag of a word belongs to the first piece of the word. A word of which tokenization leaves nothing
    becomes [UNK].

    Args:
        tokenizer: an `LVBertTokenizer`.
        sequence_length: the length of an input in tokens; a sentence that is too long is cut.
        tags: the names of the tags in the order of the model's logits. A model sets them itself.
        **kwargs: arguments of `keras_hub.models.Preprocessor`.

    Call arguments:
        x: sentences with ASCII whitespace between words: strings of shape (batch,), or one string.
        y: the tags: strings of the same shape, with one tag for each word and whitespace between tags.
        sample_weight: numbers of the same shape.

    Returns:
        the inputs, or with `y` a tuple (inputs, labels, sample weights). All have the shape (batch,
        sequence_length), or (sequence_length,) for one sentence. A weight is 0 everywhere but at the
        first piece of a word with a known tag.

    Raises:
        InputError: see `string_batch` and `encode`.
    """

    backbone_cls = LVBertBackbone
    tokenizer_cls = LVBertTokenizer

    def __init__(
        self,
        tokenizer: LVBertTokenizer,
        sequence_length: int = 512,
        tags: Sequence[str] = (),
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.tags = tags
        self.built = True

    @property
    def tags(self) -> tuple[str, ...]:
        """The names of the tags."""
        return self._tags

    @tags.setter
    def tags(self, tags: Sequence[str]):
        self._tags = tuple(tags)
        self._labels = None
        if self._tags:
            numbers = tf.range(1, len(self._tags) + 1)
            pairs = tf.lookup.KeyValueTensorInitializer(tf.constant(self._tags), numbers)
            self._labels = tf.lookup.StaticHashTable(pairs, default_value=0)

    def encode(
        self, words: tf.RaggedTensor, tags: tf.RaggedTensor | None = None
    ) -> dict[str, tf.RaggedTensor]:
        """Tokenizes words.

        Args:
            words: strings of shape [batch, (words)].
            tags: strings of the same shape, or None.

        Returns:
            int32 columns of shape [batch, (tokens)], without padding: `token_ids`, `segment_ids`,
            `word_starts` (1 at the first piece of a word, else 0) and, with tags, `label`. At the first
            piece of a word with tag number k (from 0) `label` is k + 1; elsewhere, and for an unknown
            tag, it is 0.

        Raises:
            InputError: there are tags, but the preprocessor has no names of tags.
            tf.errors.InvalidArgumentError: a sentence has more or fewer tags than words.
        """
        tokenizer = self.tokenizer.tokenizer
        values = {"word_starts": words.with_values(tf.ones_like(words.values, tf.int32))}
        if tags is not None:
            if self._labels is None:
                raise InputError("the preprocessor has no tags; give some, or a model that has")
            tf.debugging.assert_equal(
                tags.row_lengths(), words.row_lengths(), "as many tags as words are needed"
            )
            values["label"] = tags.with_values(self._labels.lookup(tags.values))
        names = ("token_ids", "segment_ids", *values)
        packed = pack_words(
            tokenizer(words), list(values.values()), tokenizer.vocabulary, self.sequence_length
        )
        return dict(zip(names, packed, strict=True))

    def call(self, x, y=None, sample_weight=None):
        sentences, alone = string_batch(x, "sentences")
        tags = None if y is None else split_words(string_batch(y, "tags")[0])
        columns = self.encode(split_words(sentences), tags)
        lengths = columns["token_ids"].row_lengths()
        padded = {
            name: column.to_tensor(shape=[None, self.sequence_length])
            for name, column in columns.items()
        }
        inputs = {
            "token_ids": padded["token_ids"],
            "segment_ids": padded["segment_ids"],
            "padding_mask": tf.sequence_mask(lengths, self.sequence_length, dtype=tf.int32),
        }
        if y is None:
            return first_row(inputs) if alone else inputs
        weights = tf.cast(padded["label"] > 0, tf.float32)
        if sample_weight is not None:
            weights *= tf.reshape(tf.cast(sample_weight, tf.float32), [-1, 1])
        made = inputs, tf.maximum(padded["label"] - 1, 0), weights
        return first_row(made) if alone else made

    def get_config(self):
        config = super().get_config()
        return {**config, "sequence_length": self.sequence_length, "tags": self.tags}


class LVBertTokenTagger(keras_hub.models.Task):
    """A tagger of words: a backbone with a dense layer on the vector of every position.

    As in the reference, the head has no dropout.

    Args:
        backbone: an `LVBertBackbone`.
        tags: the names of the tags in the order of the logits.
        preprocessor: an `LVBertTokenTaggerPreprocessor`. Its sequences become no longer than the
            backbone has positions, and its tags become `tags`. None means that the inputs are token ids.
        written_as: for a tag, the name that is written in its place when words are tagged; a tag that is
            missing is written as it is. A model that learns BIOES from data in BIO writes B-PER for
            S-PER.
        **kwargs: arguments of `keras_hub.models.Task`.

    Inputs: those of the backbone.

    Output: float32 logits of shape (batch, length, tags). The logits of a word are those at its first
    piece.

    Example:

    ```python
    tagger = LVBertTokenTagger.from_preset("DATA/models/NAME/preset", tags=["NOUN", "VERB"])
    tagger.fit(np.array(["birds sing"]), np.array(["NOUN VERB"]))
    tagger.predict(["fish swim"])  # logits
    tagger.tag(["fish swim"])  # [[("fish", "NOUN"), ("swim", "VERB")]]
    ```

    Raises:
        InputError: there are no tags, one is given twice, or a name in `written_as` is not a text.
    """

    backbone_cls = LVBertBackbone
    preprocessor_cls = LVBertTokenTaggerPreprocessor

    def __init__(
        self,
        backbone: LVBertBackbone,
        tags: Sequence[str],
        preprocessor: LVBertTokenTaggerPreprocessor | None = None,
        written_as: Mapping[str, str] | None = None,
        **kwargs,
    ):
        tags, written_as = tuple(tags), dict(written_as or {})
        if not tags or len(set(tags)) < len(tags):
            raise InputError(f"tags: expected one or more different ones, got {tags}")
        if not all(isinstance(written, str) and written for written in written_as.values()):
            raise InputError(f"written_as: expected a text for each tag, got {written_as}")

        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        join_parts(self)
        if preprocessor is not None:
            preprocessor.tags = tags
        self.output_dense = output_dense(len(tags), "logits")

        # === Functional model ===
        inputs = backbone.input
        outputs = self.output_dense(backbone(inputs)["sequence_output"])
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.tags = tags
        self.written_as = {
            tag: written for tag, written in written_as.items() if tag in tags and tag != written
        }

    @property
    def written_tags(self) -> tuple[str, ...]:
        """The names that are written for the tags, in the order of the tags."""
        return tuple(self.written_as.get(tag, tag) for tag in self.tags)

    def compile(self, optimizer="auto", loss="auto", *, weighted_metrics="auto", **kwargs):
        """As `keras.Model.compile`; "auto" means Adam, and cross-entropy and accuracy of the words."""
        if loss == "auto":
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        if weighted_metrics == "auto":
            weighted_metrics = [keras.metrics.SparseCategoricalAccuracy()]
        super().compile(
            optimizer=keras.optimizers.Adam(LEARNING_RATE) if optimizer == "auto" else optimizer,
            loss=loss,
            weighted_metrics=weighted_metrics,
            **kwargs,
        )

    def tag(
        self, sentences: str | Sequence[str], batch_size: int = 32
    ) -> list[tuple[str, str]] | list[list[tuple[str, str]]]:
        """Gives each word its likeliest tag, whatever the tags of its neighbours are.

        Args:
            sentences: strings with ASCII whitespace between words, or one such string.
            batch_size: the number of sentences that are computed at once.

        Returns:
            for each sentence a list of (word, tag), the tag as `written_as` writes it; for one string
            such a list alone. Words that are cut from a long sentence are missing.

        Raises:
            InputError: the tagger was made without a preprocessor; or see `string_batch`.
        """
        if self.preprocessor is None:
            raise InputError("the tagger has no preprocessor to split sentences with")
        if isinstance(sentences, tuple):
            sentences = list(sentences)
        batch, alone = string_batch(sentences, "sentences")
        if not len(batch):
            return []
        words = split_words(batch)
        starts = self.preprocessor.encode(words)["word_starts"]
        best = np.argmax(self.predict(batch, batch_size, verbose=0), axis=-1)
        tagged = [
            [(word.decode(), name) for word, name in zip(row, names, strict=False)]
            for row, names in zip(
                words.to_list(), tags_of_words(self.written_tags, starts, best), strict=True
            )
        ]
        return tagged[0] if alone else tagged

    def get_config(self):
        return {**super().get_config(), "tags": self.tags, "written_as": self.written_as}


def tags_of_words(
    tags: Sequence[str], word_starts: tf.RaggedTensor, ids: Sequence[np.ndarray]
) -> list[list[str]]:
    """Picks the tags of words from the tags of tokens.

    Args:
        tags: the names of the tags.
        word_starts: integers of shape [rows, (tokens)], not 0 at the first piece of a word.
        ids: for each row the number of the tag of every token, which padding may follow.

    Returns:
        for each row the names of the tags of the words that begin in it.
    """
    splits, starts = word_starts.row_splits.numpy(), word_starts.values.numpy()
    return [
        [tags[index] for index in row[: end - first][starts[first:end] != 0]]
        for row, first, end in zip(ids, splits[:-1], splits[1:], strict=True)
    ]
