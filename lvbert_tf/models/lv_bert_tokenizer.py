"""The tokenizer in KerasHub's form."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_hub
import numpy as np
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.models.backbone import LVBertBackbone
from lvbert_tf.presets.classes import preset_class
from lvbert_tf.text import Tokenizer, Vocabulary
from lvbert_tf.text.added_tokens import AddedToken
from lvbert_tf.text.vocabulary import CLS, MASK, PAD, SEP, UNK

VOCABULARY_FILE = "vocabulary.txt"


@preset_class
class LVBertTokenizer(keras_hub.tokenizers.Tokenizer):
    """`lvbert_tf.text.Tokenizer` as a KerasHub tokenizer, which presets carry.

    Args:
        vocabulary: a BERT vocabulary file, a list of tokens, a `Vocabulary`, or None until a preset
            brings it.
        lowercase: whether to lower-case the text.
        strip_accents: whether to remove accents; None: as `lowercase`.
        added_tokens: tokens of the vocabulary that are found before a text is split into words; each an
            `AddedToken` or the dict of its values.
        vocabulary_sha256: of the vocabulary that a preset is to bring (`Vocabulary.sha256`); None: any.

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
        self._tokenizer = Tokenizer(
            vocabulary, self.lowercase, self.strip_accents, self.added_tokens
        )
        self.vocabulary_sha256 = self._tokenizer.vocabulary.sha256
        self._update_special_token_ids()

    @property
    def tokenizer(self) -> Tokenizer:
        """What does the work.

        Raises:
            InputError: there is no vocabulary yet.
        """
        if self._tokenizer is None:
            raise InputError("the tokenizer has no vocabulary; give one, or load a preset")
        return self._tokenizer

    def get_vocabulary(self) -> list[str]:
        """The token of every id."""
        return list(self.tokenizer.vocabulary.tokens)

    def vocabulary_size(self) -> int:
        """The number of ids."""
        return self.tokenizer.vocabulary.size

    def id_to_token(self, id: int) -> str:
        """The token of an id.

        Raises:
            InputError: there is no such id.
        """
        if not 0 <= id < self.vocabulary_size():
            raise InputError(f"token id {id} is outside 0 to {self.vocabulary_size() - 1}")
        return self.tokenizer.vocabulary.tokens[id]

    def token_to_id(self, token: str) -> int:
        """The id of a token; that of [UNK] for a token the vocabulary does not have."""
        return self.tokenizer.vocabulary.id(token)

    def tokenize(self, inputs):
        """Token ids without special tokens: ragged [batch, ids], or [ids] for one string."""
        return self.tokenizer(inputs)

    def detokenize(self, inputs) -> str | list[str]:
        """Tokens joined by spaces, pieces of a word joined: not the text that they came from."""
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
        (Path(dir_path) / VOCABULARY_FILE).write_bytes(text.encode())

    def load_assets(self, dir_path: str) -> None:
        """Reads the vocabulary of a preset.

        Raises:
            InputError: it cannot be read, or is not the one that the tokenizer was saved with.
        """
        file = Path(dir_path) / VOCABULARY_FILE
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
