"""Which variables of the reference's TensorFlow 1 checkpoints hold which of our weights.

Two code bases are known: LV-BERT, whose layers k and k + 1 (k even) are the `first_submodule` and the
`second_submodule` of `layer_{k/2}`, and ELECTRA, whose attention and feed-forward layers are the
halves of a transformer layer.
"""

from collections.abc import Iterator

import keras

from lvbert_tf.interop.foreign_weights import ForeignWeight
from lvbert_tf.layers import DynamicConvolution, LayerNorm, ResidualBlock, SelfAttention
from lvbert_tf.models import ElectraPretrainer, LVBertBackbone


def _dense(layer: keras.layers.Dense, *scopes: str) -> Iterator[ForeignWeight]:
    yield ForeignWeight(layer.kernel, tuple(f"{scope}/kernel" for scope in scopes))
    yield ForeignWeight(layer.bias, tuple(f"{scope}/bias" for scope in scopes))


def _layer_norm(layer: LayerNorm, scope: str) -> Iterator[ForeignWeight]:
    yield ForeignWeight(layer.gamma, (f"{scope}/gamma",))
    yield ForeignWeight(layer.beta, (f"{scope}/beta",))


def _encoder_layer(block: ResidualBlock, scope: str) -> Iterator[ForeignWeight]:
    layer = block.sublayer
    if isinstance(layer, SelfAttention):
        scope += "/attention"
        parts = (f"{scope}/self/{part}" for part in ("query", "key", "value"))
        yield from _dense(layer.query_key_value, *parts)
    elif isinstance(layer, DynamicConvolution):
        scope += "/dynamic_convolution_layer"
        inner = f"{scope}/convolution"
        yield from _dense(layer.value_gate, f"{inner}/glu_l", f"{inner}/glu_g")
        key = f"{inner}/conv_attn_key"
        # TensorFlow's separable convolution has an axis for channel multipliers, and one for width 1.
        depthwise, pointwise = layer.depthwise_kernel, layer.pointwise_kernel
        yield ForeignWeight(depthwise, (f"{key}/depthwise_kernel",), (*depthwise.shape, 1))
        yield ForeignWeight(pointwise, (f"{key}/pointwise_kernel",), (1, *pointwise.shape))
        yield ForeignWeight(layer.pointwise_bias, (f"{key}/bias",))
        yield ForeignWeight(layer.taps_kernel, (f"{inner}/conv_attn_kernel/kernel",))
        yield ForeignWeight(layer.taps_bias, (f"{inner}/conv_attn_kernel/bias",))
    else:
        yield from _dense(layer.intermediate, f"{scope}/intermediate/dense")
    yield from _dense(block.output_dense, f"{scope}/output/dense")
    yield from _layer_norm(block.layer_norm, f"{scope}/output/LayerNorm")


def _encoder(backbone: LVBertBackbone, scope: str, submodules: bool) -> Iterator[ForeignWeight]:
    if backbone.embeddings_projection is not None:
        yield from _dense(backbone.embeddings_projection, f"{scope}/embeddings_project")
    for index, block in enumerate(backbone.encoder_layers):
        layer_scope = f"{scope}/encoder/layer_{index // 2}"
        if submodules:
            layer_scope += "/second_submodule" if index % 2 else "/first_submodule"
        yield from _encoder_layer(block, layer_scope)


def _embeddings(backbone: LVBertBackbone, scope: str) -> Iterator[ForeignWeight]:
    layer = backbone.embeddings
    yield ForeignWeight(layer.token_table, (f"{scope}/word_embeddings",))
    yield ForeignWeight(layer.segment_table, (f"{scope}/token_type_embeddings",))
    yield ForeignWeight(layer.position_table, (f"{scope}/position_embeddings",))
    yield from _layer_norm(layer.layer_norm, f"{scope}/LayerNorm")


def named_weights(pretrainer: ElectraPretrainer, submodules: bool) -> Iterator[ForeignWeight]:
    """All weights of a pre-trainer with the reference's names.

    Args:
        pretrainer: built.
        submodules: True for the names of LV-BERT's code, False for ELECTRA's.
    """
    discriminator = pretrainer.discriminator
    yield from _embeddings(discriminator, "electra/embeddings")
    yield from _encoder(discriminator, "electra", submodules)
    right_to_left = pretrainer.right_to_left_generator
    towers = [(pretrainer.generator, "generator_ltr" if right_to_left else "generator")]
    if right_to_left is not None:
        towers.append((right_to_left, "generator_rtl"))
    for tower, scope in towers:
        if tower is None or tower is discriminator:
            continue
        if tower.embeddings is not discriminator.embeddings:
            yield from _embeddings(tower, f"{scope}/embeddings")
        yield from _encoder(tower, scope, submodules)
    if pretrainer.masked_lm_head is not None:
        head = pretrainer.masked_lm_head
        scope = "cloze_predictions" if right_to_left else "generator_predictions"
        yield from _dense(head.dense, f"{scope}/dense")
        yield from _layer_norm(head.layer_norm, f"{scope}/LayerNorm")
        yield ForeignWeight(head.output_bias, (f"{scope}/output_bias",))
    if pretrainer.replaced_token_head is not None:
        head = pretrainer.replaced_token_head
        yield from _dense(head.dense, "discriminator_predictions/dense")
        yield from _dense(head.logit, "discriminator_predictions/dense_1")
