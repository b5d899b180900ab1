"""The shape of one encoder: everything that a backbone is built from."""
# ruff: noqa: RUF009 - hparam() makes a dataclass field; it is no shared default

import dataclasses
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from typing import Any

from lvbert_tf import hparams
from lvbert_tf.architecture import costs
from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.architecture.layer_types import Widths
from lvbert_tf.errors import InputError
from lvbert_tf.hparams import AT_LEAST_1, DROPOUT, POSITIVE, hparam


@dataclass(frozen=True)
class ModelConfig:
    """The shape of one encoder (a backbone: embeddings and layers, no heads).

    Args:
      vocabulary_size: rows of the word embedding table.
      layer_string: the layers; anything `LayerString.parse` reads.
      hidden_dim: width of the layers, a multiple of `num_heads`.
      num_heads: heads of attention and of dynamic convolution.
      intermediate_dim: inner width of the feed-forward layers.
      embedding_dim: width of the embedding tables; a dense projection follows where it differs
        from `hidden_dim`.
      dropout: rate after the embeddings and inside every residual block.
      attention_dropout: rate on the attention probabilities.
      max_sequence_length: rows of the position table, in tokens.
      num_segments: rows of the segment table.
      initializer_range: standard deviation of the truncated-normal initialiser.
      mask_convolution_padding: padding is zero to the dynamic convolution, so that a result does
        not depend on how much of it follows. False is the reference's behaviour.

    Raises:
      InputError: a value of the wrong type or outside its legal range.
    """

    vocabulary_size: int = hparam(MISSING, AT_LEAST_1)
    layer_string: LayerString = hparam(MISSING)
    hidden_dim: int = hparam(MISSING, AT_LEAST_1)
    num_heads: int = hparam(MISSING, AT_LEAST_1)
    intermediate_dim: int = hparam(MISSING, AT_LEAST_1)
    embedding_dim: int = hparam(MISSING, AT_LEAST_1)
    dropout: float = hparam(0.1, DROPOUT)
    attention_dropout: float = hparam(0.1, DROPOUT)
    max_sequence_length: int = hparam(512, AT_LEAST_1)
    num_segments: int = hparam(2, AT_LEAST_1)
    initializer_range: float = hparam(0.02, POSITIVE)
    mask_convolution_padding: bool = hparam(True)

    def __post_init__(self) -> None:
        hparams.check(self)
        if self.hidden_dim % self.num_heads:
            raise InputError(
                f"hidden_dim {self.hidden_dim} is not a multiple of num_heads {self.num_heads}"
            )

    @property
    def has_projection(self) -> bool:
        """Whether a dense layer takes the embeddings to the width of the layers."""
        return self.embedding_dim != self.hidden_dim

    @property
    def widths(self) -> Widths:
        """What the cost of a layer depends on."""
        return Widths(self.hidden_dim, self.num_heads, self.intermediate_dim)

    def embedding_parameters(self) -> int:
        """Trainable parameters of the word, position and segment tables and their LayerNorm."""
        rows = self.vocabulary_size + self.max_sequence_length + self.num_segments
        return rows * self.embedding_dim + costs.layer_norm_parameters(self.embedding_dim)

    def input_parameters(self) -> int:
        """Trainable parameters below the layers: embeddings, and projection if there is one."""
        total = self.embedding_parameters()
        if self.has_projection:
            total += costs.dense_parameters(self.embedding_dim, self.hidden_dim)
        return total

    def num_parameters(self) -> int:
        """Trainable parameters of embeddings, projection and layers."""
        return self.input_parameters() + self.layer_string.num_parameters(self.widths)

    def flops(self, sequence_length: int) -> int:
        """FLOPs of one forward pass over one sequence; a table lookup counts nothing."""
        total = self.layer_string.flops(self.widths, sequence_length)
        if self.has_projection:
            total += sequence_length * costs.dense_flops(self.embedding_dim, self.hidden_dim)
        return total

    def to_dict(self) -> dict[str, Any]:
        """The constructor's arguments as JSON types."""
        return hparams.to_json(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ModelConfig":
        """Reads what `to_dict` wrote."""
        return hparams.build(cls, values)

    def replace(self, **changes: Any) -> "ModelConfig":
        """A copy with some values changed."""
        return dataclasses.replace(self, **changes)

    def differences(
        self,
        other: "ModelConfig",
        fields: tuple[str, ...],
        whose: str = "here",
        others: str = "there",
    ) -> list[str]:
        """`name: value WHOSE, value OTHERS` for each of `fields` whose values differ."""
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in fields)
        return [
            f"{name}: {own} {whose}, {value} {others}" for name, own, value in pairs if own != value
        ]
