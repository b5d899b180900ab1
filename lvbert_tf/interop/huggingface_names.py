"""Which tensors of Hugging Face's ELECTRA, and of our LV-BERT there, hold which of our weights."""

from collections.abc import Iterator

import keras

from lvbert_tf.interop.foreign_weights import ForeignWeight
from lvbert_tf.interop.huggingface_formats import ELECTRA, Code
from lvbert_tf.layers import (
    DynamicConvolution,
    LayerNorm,
    MaskedLMHead,
    ReplacedTokenHead,
    ResidualBlock,
    SelfAttention,
)
from lvbert_tf.models import LVBertBackbone


def dense_weights(layer: keras.layers.Dense, *scopes: str) -> Iterator[ForeignWeight]:
    """Kernel and bias, whose columns the layers of these names share out among them."""
    kernels = tuple(f"{scope}.weight" for scope in scopes)
    yield ForeignWeight(layer.kernel, kernels, transposed=True)
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
    """The weights of a backbone; with ELECTRA's code, of one whose string is AF repeated."""
    scope = code.model_type
    yield from _embedding_weights(backbone, f"{scope}.embeddings")
    if backbone.embeddings_projection is not None:
        yield from dense_weights(backbone.embeddings_projection, f"{scope}.embeddings_project")
    for index, block in enumerate(backbone.encoder_layers):
        if code is ELECTRA:
            yield from _half_transformer(block, f"{scope}.encoder.layer.{index // 2}")
        else:
            yield from _block(block, f"{scope}.layers.{index}")


def _half_transformer(block: ResidualBlock, scope: str) -> Iterator[ForeignWeight]:
    layer = block.sublayer
    if isinstance(layer, SelfAttention):
        scope += ".attention"
        parts = (f"{scope}.self.{part}" for part in ("query", "key", "value"))
        yield from dense_weights(layer.query_key_value, *parts)
    else:
        yield from dense_weights(layer.intermediate, f"{scope}.intermediate.dense")
    yield from dense_weights(block.output_dense, f"{scope}.output.dense")
    yield from _layer_norm(block.layer_norm, f"{scope}.output.LayerNorm")


def _block(block: ResidualBlock, scope: str) -> Iterator[ForeignWeight]:
    layer, inner = block.sublayer, f"{scope}.sublayer"
    if isinstance(layer, SelfAttention):
        parts = (f"{inner}.{part}" for part in ("query", "key", "value"))
        yield from dense_weights(layer.query_key_value, *parts)
    elif isinstance(layer, DynamicConvolution):
        yield from dense_weights(layer.value_gate, f"{inner}.value", f"{inner}.gate")
        # PyTorch's convolution has its channels first, and an axis for the inputs of each.
        taps, channels = layer.depthwise_kernel.shape
        shape = (channels, 1, taps)
        yield ForeignWeight(layer.depthwise_kernel, (f"{inner}.depthwise.weight",), shape, True)
        for name, kernel, bias in (
            ("pointwise", layer.pointwise_kernel, layer.pointwise_bias),
            ("taps", layer.taps_kernel, layer.taps_bias),
        ):
            yield ForeignWeight(kernel, (f"{inner}.{name}.weight",), transposed=True)
            yield ForeignWeight(bias, (f"{inner}.{name}.bias",))
    else:
        yield from dense_weights(layer.intermediate, f"{inner}.dense")
    yield from dense_weights(block.output_dense, f"{scope}.output")
    yield from _layer_norm(block.layer_norm, f"{scope}.LayerNorm")


def discriminator_weights(
    backbone: LVBertBackbone, head: ReplacedTokenHead | None, code: Code
) -> Iterator[ForeignWeight]:
    """The model for pre-training, or the one below its head where there is none."""
    yield from encoder_weights(backbone, code)
    if head is not None:
        yield from dense_weights(head.dense, "discriminator_predictions.dense")
        yield from dense_weights(head.logit, "discriminator_predictions.dense_prediction")


def generator_weights(
    backbone: LVBertBackbone, head: MaskedLMHead | None, code: Code
) -> Iterator[ForeignWeight]:
    """The masked language model; its output matrix is the table of word embeddings."""
    yield from encoder_weights(backbone, code)
    assert head is not None  # every generator has one
    yield from dense_weights(head.dense, "generator_predictions.dense")
    yield from _layer_norm(head.layer_norm, "generator_predictions.LayerNorm")
    yield ForeignWeight(head.output_bias, ("generator_lm_head.bias",))
