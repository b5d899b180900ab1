"""Which tensors of Hugging Face's ELECTRA, and of our LV-BERT in PyTorch, hold which of our weights."""

from collections.abc import Iterator

import keras

from lvbert_tf.interop.foreign_weights import ForeignWeight
from lvbert_tf.interop.huggingface_formats import ELECTRA, Code
from lvbert_tf.interop.layer_names import LayerNames, names_of_type
from lvbert_tf.layers import (
    DynamicConvolution,
    FeedForward,
    LayerNorm,
    ResidualBlock,
    SelfAttention,
)
from lvbert_tf.layers.heads import MaskedLMHead, ReplacedTokenHead
from lvbert_tf.models import LVBertBackbone


def dense_weights(layer: keras.layers.Dense, *scopes: str) -> Iterator[ForeignWeight]:
    """The weights of a dense layer, whose columns are divided among layers of these names."""
    matrices = tuple(f"{scope}.weight" for scope in scopes)
    yield ForeignWeight(layer.kernel, matrices, transposed=True)
    yield ForeignWeight(layer.bias, tuple(f"{scope}.bias" for scope in scopes))


def _layer_norm(layer: LayerNorm, scope: str) -> Iterator[ForeignWeight]:
    yield ForeignWeight(layer.gamma, (f"{scope}.weight",))
    yield ForeignWeight(layer.beta, (f"{scope}.bias",))


def _embedding_weights(backbone: LVBertBackbone, scope: str) -> Iterator[ForeignWeight]:
    layer = backbone.embeddings
    yield ForeignWeight(layer.token_table, (f"{scope}.word_embeddings.weight",))
    yield ForeignWeight(layer.segment_table, (f"{scope}.token_type_embeddings.weight",))
    yield ForeignWeight(layer.position_table, (f"{scope}.position_embeddings.weight",))
    yield from _layer_norm(layer.layer_norm, f"{scope}.LayerNorm")


def encoder_weights(backbone: LVBertBackbone, code: Code) -> Iterator[ForeignWeight]:
    """The weights of a backbone.

    Args:
        backbone: the encoder. For ELECTRA's code its layers must be A and F in turn.
        code: the code that computes the model.

    Raises:
        InputError: the code has no layers of one of the backbone's types.
    """
    scope = code.model_type
    yield from _embedding_weights(backbone, f"{scope}.embeddings")
    if backbone.embeddings_projection is not None:
        yield from dense_weights(backbone.embeddings_projection, f"{scope}.embeddings_project")
    layers = zip(backbone.config.layer_string, backbone.encoder_layers, strict=True)
    for index, (letter, block) in enumerate(layers):
        if code is ELECTRA:
            yield from _half_transformer(block, letter, f"{scope}.encoder.layer.{index // 2}")
        else:
            yield from _block(block, letter, f"{scope}.layers.{index}")


def _half_transformer(block: ResidualBlock, letter: str, scope: str) -> Iterator[ForeignWeight]:
    names = names_of_type(ELECTRA_LAYER_NAMES, letter, "Hugging Face's ELECTRA")
    scope += names.scope
    yield from names.weights(block.sublayer, scope)
    yield from dense_weights(block.output_dense, f"{scope}.output.dense")
    yield from _layer_norm(block.layer_norm, f"{scope}.output.LayerNorm")


def _block(block: ResidualBlock, letter: str, scope: str) -> Iterator[ForeignWeight]:
    names = names_of_type(LV_BERT_LAYER_NAMES, letter, "our LV-BERT in PyTorch")
    yield from names.weights(block.sublayer, scope + names.scope)
    yield from dense_weights(block.output_dense, f"{scope}.output")
    yield from _layer_norm(block.layer_norm, f"{scope}.LayerNorm")


def _electra_attention(layer: SelfAttention, scope: str) -> Iterator[ForeignWeight]:
    yield from _query_key_value(layer, f"{scope}.self")


def _electra_feed_forward(layer: FeedForward, scope: str) -> Iterator[ForeignWeight]:
    yield from dense_weights(layer.intermediate, f"{scope}.intermediate.dense")


def _query_key_value(layer: SelfAttention, scope: str) -> Iterator[ForeignWeight]:
    parts = (f"{scope}.{part}" for part in ("query", "key", "value"))
    yield from dense_weights(layer.query_key_value, *parts)


def _dynamic_convolution(layer: DynamicConvolution, scope: str) -> Iterator[ForeignWeight]:
    yield from dense_weights(layer.value_gate, f"{scope}.value", f"{scope}.gate")
    # PyTorch's convolution has its channels first, and an axis for the inputs of each.
    taps, channels = layer.depthwise_kernel.shape
    shape = (channels, 1, taps)
    yield ForeignWeight(layer.depthwise_kernel, (f"{scope}.depthwise.weight",), shape, True)
    for name, matrix, bias in (
        ("pointwise", layer.pointwise_kernel, layer.pointwise_bias),
        ("taps", layer.taps_kernel, layer.taps_bias),
    ):
        yield ForeignWeight(matrix, (f"{scope}.{name}.weight",), transposed=True)
        yield ForeignWeight(bias, (f"{scope}.{name}.bias",))


def _feed_forward(layer: FeedForward, scope: str) -> Iterator[ForeignWeight]:
    yield from dense_weights(layer.intermediate, f"{scope}.dense")


ELECTRA_LAYER_NAMES = {
    "A": LayerNames(".attention", _electra_attention),
    "F": LayerNames("", _electra_feed_forward),
}
"""For the letters of the layer types that Hugging Face's ELECTRA has, how it holds such a layer."""

LV_BERT_LAYER_NAMES = {
    "C": LayerNames(".sublayer", _dynamic_convolution),
    "A": LayerNames(".sublayer", _query_key_value),
    "F": LayerNames(".sublayer", _feed_forward),
}
"""For the letters of the layer types that our PyTorch code has, how it holds such a layer."""


def discriminator_weights(
    backbone: LVBertBackbone, head: ReplacedTokenHead | None, code: Code
) -> Iterator[ForeignWeight]:
    """The weights of a discriminator and its head, or of the encoder alone where the head is None."""
    yield from encoder_weights(backbone, code)
    if head is not None:
        yield from dense_weights(head.dense, "discriminator_predictions.dense")
        yield from dense_weights(head.logit, "discriminator_predictions.dense_prediction")


def generator_weights(
    backbone: LVBertBackbone, head: MaskedLMHead | None, code: Code
) -> Iterator[ForeignWeight]:
    """The weights of a masked language model, whose output matrix is the token table."""
    yield from encoder_weights(backbone, code)
    assert head is not None  # every generator has one
    yield from dense_weights(head.dense, "generator_predictions.dense")
    yield from _layer_norm(head.layer_norm, "generator_predictions.LayerNorm")
    yield ForeignWeight(head.output_bias, ("generator_lm_head.bias",))
