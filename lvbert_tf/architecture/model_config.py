"""The one description of an encoder: every field that a backbone is built from."""
# ruff: noqa: RUF009 - _field() makes a dataclass field; it is no shared default

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass
from typing import Any, Literal

from lvbert_tf import hparams
from lvbert_tf.architecture import costs
from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.architecture.layer_types import DIRECTIONS, Widths
from lvbert_tf.errors import InputError
from lvbert_tf.hparams import AT_LEAST_1, DROPOUT, POSITIVE, Range, hparam

Effect = Literal["weights", "outputs", "training"]


def _field(
    default: Any,
    effect: Effect,
    legal: Range | tuple[str, ...] | None = None,
    bert_name: str | None = None,
) -> Any:
    """A field of `ModelConfig`.

    Args:
      default: the value where none is given; MISSING makes the field required.
      effect: the most that a change of the field changes: "weights" (their number, shape or meaning, and
        with them the parameters and FLOPs), "outputs" (what the same weights compute) or "training"
        (initial values and dropout, which a trained encoder does not show).
      legal: the values that are allowed; None: all of the field's type.
      bert_name: the name of the field in BERT's code and in what descends from it: the hparams of the
        reference and the config.json of Hugging Face's models. None: they have no such field.
    """
    metadata = {**hparam(default, legal).metadata, "effect": effect, "bert_name": bert_name}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class ModelConfig:
    """The shape of one encoder (a backbone: embeddings and layers, no heads).

    Whatever else lists the fields of an encoder takes them from here: the backbone's configuration, the
    seals of weight files, the settings that a run may not change, search spaces and conversions.

    Args:
      vocabulary_size: the number of rows of the token table.
      layer_string: the layers; anything that `LayerString.parse` reads.
      num_heads: the heads of attention and of dynamic convolution.
      hidden_dim: the width of the layers, a multiple of `num_heads`.
      intermediate_dim: the inner width of the feed-forward layers.
      embedding_dim: the width of the embedding tables; where it differs from `hidden_dim` a dense
        projection follows them.
      dropout: the dropout rate after the embeddings and inside every residual block.
      max_sequence_length: the number of rows of the position table: the longest sequence, in tokens.
      num_segments: the number of rows of the segment table.
      mask_convolution_padding: whether padding is zero to the dynamic convolution, so that a result
        does not depend on how much padding follows. False is the reference's behaviour.
      attention_dropout: the dropout rate of the attention probabilities.
      direction: where a position may look: to "both" sides, or only to itself and what is before it
        ("left_to_right") or after it ("right_to_left").
      initializer_range: the standard deviation of the truncated normal distribution that weight
        matrices and tables start from.

    Raises:
      InputError: a value is of the wrong type or not allowed.
    """

    vocabulary_size: int = _field(MISSING, "weights", AT_LEAST_1, "vocab_size")
    layer_string: LayerString = _field(MISSING, "weights")
    num_heads: int = _field(MISSING, "weights", AT_LEAST_1, "num_attention_heads")
    hidden_dim: int = _field(MISSING, "weights", AT_LEAST_1, "hidden_size")
    intermediate_dim: int = _field(MISSING, "weights", AT_LEAST_1, "intermediate_size")
    embedding_dim: int = _field(MISSING, "weights", AT_LEAST_1, "embedding_size")
    dropout: float = _field(0.1, "training", DROPOUT, "hidden_dropout_prob")
    max_sequence_length: int = _field(512, "weights", AT_LEAST_1, "max_position_embeddings")
    num_segments: int = _field(2, "weights", AT_LEAST_1, "type_vocab_size")
    mask_convolution_padding: bool = _field(True, "outputs")
    attention_dropout: float = _field(0.1, "training", DROPOUT, "attention_probs_dropout_prob")
    direction: str = _field("both", "outputs", DIRECTIONS)
    initializer_range: float = _field(0.02, "training", POSITIVE, "initializer_range")

    def __post_init__(self) -> None:
        hparams.check(self)
        if self.hidden_dim % self.num_heads:
            raise InputError(
                f"hidden_dim {self.hidden_dim} is not a multiple of num_heads {self.num_heads}"
            )

    @property
    def has_projection(self) -> bool:
        """Whether a dense layer projects the embeddings to the width of the layers."""
        return self.embedding_dim != self.hidden_dim

    @property
    def widths(self) -> Widths:
        """The sizes that the cost of a layer depends on."""
        return Widths(self.hidden_dim, self.num_heads, self.intermediate_dim)

    def embedding_parameters(self) -> int:
        """Trainable parameters of the token, position and segment tables and their LayerNorm."""
        rows = self.vocabulary_size + self.max_sequence_length + self.num_segments
        return rows * self.embedding_dim + costs.layer_norm_parameters(self.embedding_dim)

    def input_parameters(self) -> int:
        """Trainable parameters below the layers: the embeddings and, if there is one, the projection."""
        total = self.embedding_parameters()
        if self.has_projection:
            total += costs.dense_parameters(self.embedding_dim, self.hidden_dim)
        return total

    def num_parameters(self) -> int:
        """Trainable parameters of embeddings, projection and layers."""
        return self.input_parameters() + self.layer_string.num_parameters(self.widths)

    def flops(self, sequence_length: int) -> int:
        """FLOPs of one forward pass over one sequence of that many tokens; lookups in tables count 0."""
        total = self.layer_string.flops(self.widths, sequence_length)
        if self.has_projection:
            total += sequence_length * costs.dense_flops(self.embedding_dim, self.hidden_dim)
        return total

    def to_dict(self, fields: Iterable[str] | None = None) -> dict[str, Any]:
        """The fields as JSON types, by name: all of them, or those that are asked for."""
        values = hparams.to_json(self)
        return values if fields is None else {name: values[name] for name in fields}

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
        fields: Iterable[str],
        whose: str = "here",
        others: str = "there",
    ) -> list[str]:
        """Lists the differences between this configuration and another.

        Args:
          other: the other configuration.
          fields: the names of the fields to compare.
          whose: what the lines say after a value of this configuration.
          others: what the lines say after a value of the other one.

        Returns:
          a line `name: value WHOSE, value OTHERS` for each field that differs.
        """
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in fields)
        return [
            f"{name}: {own} {whose}, {value} {others}" for name, own, value in pairs if own != value
        ]


def _fields_with(effects: Iterable[Effect]) -> tuple[str, ...]:
    fields = dataclasses.fields(ModelConfig)
    return tuple(field.name for field in fields if field.metadata["effect"] in effects)


FIELDS = tuple(field.name for field in dataclasses.fields(ModelConfig))
"""The names of all fields."""

WEIGHT_FIELDS = _fields_with(("weights",))
"""The fields that make the weights of one encoder useless to another. Parameters and FLOPs follow from
them, and from nothing else."""

OUTPUT_FIELDS = _fields_with(("weights", "outputs"))
"""The fields that the outputs of an encoder depend on. All others may change while it trains."""

BERT_NAMES: dict[str, str] = {
    field.name: field.metadata["bert_name"]
    for field in dataclasses.fields(ModelConfig)
    if field.metadata["bert_name"] is not None
}
"""Our name of a field -> its name in the reference's hparams and in Hugging Face's config.json."""
