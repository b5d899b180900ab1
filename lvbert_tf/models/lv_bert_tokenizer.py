"""The tokenizer as a class of KerasHub's."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras_hub
import numpy as np
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.io.paths import parse_path
from lvbert_tf.models.backbone import LVBertBackbone
from lvbert_tf.text import Tokenizer, Vocabulary
from lvbert_tf.text.added_tokens import AddedToken
from lvbert_tf.text.tokenizer import shared_tokenizer
from lvbert_tf.text.vocabulary import CLS, MASK, PAD, SEP, UNK

VOCABULARY_FILE = "vocabulary.txt"


class LVBertTokenizer(keras_hub.tokenizers.Tokenizer):
    """`lvbert_tf.text.Tokenizer` as a KerasHub tokenizer, so that presets can hold it.

    Args:
        vocabulary: the path of a BERT vocabulary file, a list of tokens, or a `Vocabulary`. None leaves
            the tokenizer without a vocabulary until a preset is loaded.
        lowercase: whether to lower-case the text.
        strip_accents: whether to remove accents; None means as `lowercase`.
        vocabulary_sha256: the hash (`Vocabulary.sha256`) of the vocabulary that a preset must have; None
            means any vocabulary.
        added_tokens: tokens of the vocabulary that are found before a text is split into words. Each is
            an `AddedToken` or a dict of its values.
        dtype: the type of the token ids.
        **kwargs: arguments of `keras_hub.tokenizers.Tokenizer`.

    Raises:
        InputError: see `Tokenizer`.
    """

    backbone_cls = LVBertBackbone

    def __init__(
        self,
        vocabulary: str | list[str] | Vocabulary | None = None,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        vocabulary_sha256: str | None = None,
        added_tokens: Sequence[AddedToken | Mapping[str, Any]] = (),
        dtype="int32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.added_tokens = tuple(
            token if isinstance(token, AddedToken) else AddedToken.from_dict(token)
            for token in added_tokens
        )
        self.vocabulary_sha256 = vocabulary_sha256
        self.file_assets = [VOCABULARY_FILE]
        for token, attribute in (
            *((CLS, "cls_token"), (SEP, "sep_token"), (PAD, "pad_token"), (MASK, "mask_token")),
            *((UNK, "unk_token"), (CLS, "start_token"), (SEP, "end_token")),
        ):
            self._add_special_token(token, attribute)
        self._tokenizer: Tokenizer | None = None
        if vocabulary is not None:
            self.set_vocabulary(vocabulary)
        self.built = True

    def set_vocabulary(self, vocabulary: str | list[str] | Vocabulary) -> None:
        """Sets the vocabulary; see the constructor."""
        if isinstance(vocabulary, (list, tuple)):
            vocabulary = Vocabulary(tuple(vocabulary))
        if not isinstance(vocabulary, Vocabulary):
            vocabulary = Vocabulary.load(vocabulary)
        self._tokenizer = shared_tokenizer(
            vocabulary, self.lowercase, self.strip_accents, self.added_tokens
        )
        self.vocabulary_sha256 = self._tokenizer.vocabulary.sha256
        self._update_special_token_ids()

    @property
    def tokenizer(self) -> Tokenizer:
        """The `lvbert_tf.text.Tokenizer` that does the work.

        Raises:
            InputError: the tokenizer has no vocabulary yet.
        """
        if self._tokenizer is None:
            raise InputError("the tokenizer has no vocabulary; give one, or load a preset")
        return self._tokenizer

    def get_vocabulary(self) -> list[str]:
        """The tokens in the order of their ids."""
        return list(self.tokenizer.vocabulary.tokens)

    def vocabulary_size(self) -> int:
        """The number of tokens."""
        return self.tokenizer.vocabulary.size

    def id_to_token(self, id: int) -> str:
        """The token of an id.

        Raises:
            InputError: no token has the id.
        """
        if not 0 <= id < self.vocabulary_size():
            raise InputError(f"token id {id} is outside 0 to {self.vocabulary_size() - 1}")
        return self.tokenizer.vocabulary.tokens[id]

    def token_to_id(self, token: str) -> int:
        """The id of a token; the id of [UNK] for a token that the vocabulary lacks."""
        return self.tokenizer.vocabulary.id(token)

    def tokenize(self, inputs):
        """Token ids without special tokens: ragged [batch, (ids)], or [ids] for one string."""
        return self.tokenizer(inputs)

    def detokenize(self, inputs) -> str | list[str]:
        """Joins pieces to words, and words by spaces. The result need not be the original text."""
        if isinstance(inputs, tf.RaggedTensor):
            inputs = inputs.to_list()
        elif not isinstance(inputs, (list, tuple)):
            inputs = np.asarray(inputs).tolist()
        decode = self.tokenizer.vocabulary.decode
        if inputs and isinstance(inputs[0], (list, tuple)):
            return [decode(row) for row in inputs]
        return decode(inputs)

    def save_assets(self, dir_path: str) -> None:
        """Writes the vocabulary into a preset."""
        text = "".join(f"{token}\n" for token in self.get_vocabulary())
        (parse_path(dir_path) / VOCABULARY_FILE).write_bytes(text.encode())

    def load_assets(self, dir_path: str) -> None:
        """Reads the vocabulary of a preset.

        Raises:
            InputError: the vocabulary cannot be read, or is not the one that the tokenizer was saved
                with.
        """
        file = parse_path(dir_path) / VOCABULARY_FILE
        vocabulary = Vocabulary.load(file)
        if self.vocabulary_sha256 not in (None, vocabulary.sha256):
            raise InputError(f"the vocabulary {file} is not the one that the preset was saved with")
        self.set_vocabulary(vocabulary)

    def get_config(self):
        return {
            **super().get_config(),
            "lowercase": self.lowercase,
            "strip_accents": self.strip_accents,
            "vocabulary_sha256": self.vocabulary_sha256,
            "added_tokens": [dataclasses.asdict(token) for token in self.added_tokens],
        }

    @classmethod
    def from_config(cls, config):
        if "vocabulary" in config:  # it could name any file
            raise InputError("the configuration of a tokenizer must not name a vocabulary")
        return super().from_config(config)
