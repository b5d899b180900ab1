"""Which variables of the reference's TensorFlow 1 checkpoints hold which of our weights.

Two code bases write them. LV-BERT's pairs its layers: layers k and k + 1 (k even) are the
`first_submodule` and the `second_submodule` of `layer_{k/2}`. ELECTRA's has Transformer layers, whose
first half is attention and whose second half is feed-forward, without a scope for each half.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import keras

from lvbert_tf.interop.foreign_weights import ForeignWeight
from lvbert_tf.interop.layer_names import LayerNames, names_of_type
from lvbert_tf.layers import (
    DynamicConvolution,
    FeedForward,
    LayerNorm,
    ResidualBlock,
    SelfAttention,
)
from lvbert_tf.models import ElectraPretrainer, LVBertBackbone

_HALVES = ("first", "second")
_LAYER_VARIABLE = re.compile(
    rf"electra/encoder/layer_(\d+)(?:/({'|'.join(_HALVES)})_submodule)?(/.*)"
)


def _dense(layer: keras.layers.Dense, *scopes: str) -> Iterator[ForeignWeight]:
    yield ForeignWeight(layer.kernel, tuple(f"{scope}/kernel" for scope in scopes))
    yield ForeignWeight(layer.bias, tuple(f"{scope}/bias" for scope in scopes))


def _layer_norm(layer: LayerNorm, scope: str) -> Iterator[ForeignWeight]:
    yield ForeignWeight(layer.gamma, (f"{scope}/gamma",))
    yield ForeignWeight(layer.beta, (f"{scope}/beta",))


def _dynamic_convolution(layer: DynamicConvolution, scope: str) -> Iterator[ForeignWeight]:
    scope += "/convolution"
    yield from _dense(layer.value_gate, f"{scope}/glu_l", f"{scope}/glu_g")
    key = f"{scope}/conv_attn_key"
    # TensorFlow's separable convolution has an axis for channel multipliers, and one for width 1.
    depthwise, pointwise = layer.depthwise_kernel, layer.pointwise_kernel
    yield ForeignWeight(depthwise, (f"{key}/depthwise_kernel",), (*depthwise.shape, 1))
    yield ForeignWeight(pointwise, (f"{key}/pointwise_kernel",), (1, *pointwise.shape))
    yield ForeignWeight(layer.pointwise_bias, (f"{key}/bias",))
    yield ForeignWeight(layer.taps_kernel, (f"{scope}/conv_attn_kernel/kernel",))
    yield ForeignWeight(layer.taps_bias, (f"{scope}/conv_attn_kernel/bias",))


def _self_attention(layer: SelfAttention, scope: str) -> Iterator[ForeignWeight]:
    parts = (f"{scope}/self/{part}" for part in ("query", "key", "value"))
    yield from _dense(layer.query_key_value, *parts)


def _feed_forward(layer: FeedForward, scope: str) -> Iterator[ForeignWeight]:
    yield from _dense(layer.intermediate, f"{scope}/intermediate/dense")


@dataclass(frozen=True)
class ReferenceLayerNames(LayerNames):
    """How the reference's checkpoints hold the layers of one type.

    Args:
        mark: the variable below `scope` that every layer of this type has, and no other layer.
        half: which half of a Transformer layer the type is in ELECTRA's code; None: it is not there.
    """

    mark: str
    half: str | None


LAYER_NAMES = {
    "C": ReferenceLayerNames(
        "/dynamic_convolution_layer",
        _dynamic_convolution,
        "/convolution/conv_attn_kernel/kernel",
        None,
    ),
    "A": ReferenceLayerNames("/attention", _self_attention, "/self/query/kernel", _HALVES[0]),
    "F": ReferenceLayerNames("", _feed_forward, "/intermediate/dense/kernel", _HALVES[1]),
}
"""For each letter of the table of layer types that the reference knows, how it holds such a layer."""


def layers_in_checkpoint(names: Iterable[str]) -> str:
    """The discriminator's layer string, as the names of a checkpoint's variables show it.

    Args:
        names: all variables of the checkpoint.

    Returns:
        the letters; "" where no variable is of a layer.
    """
    types = {row.scope + row.mark: letter for letter, row in LAYER_NAMES.items()}
    found = []
    for name in names:
        match = _LAYER_VARIABLE.fullmatch(name)
        letter = types.get(match[3]) if match else None
        if match and letter:
            half = match[2] or LAYER_NAMES[letter].half
            if half is not None:
                found.append((int(match[1]), _HALVES.index(half), letter))
    return "".join(letter for _, _, letter in sorted(found))


def _block(block: ResidualBlock, letter: str, scope: str) -> Iterator[ForeignWeight]:
    names = names_of_type(LAYER_NAMES, letter, "the reference's code")
    scope += names.scope
    yield from names.weights(block.sublayer, scope)
    yield from _dense(block.output_dense, f"{scope}/output/dense")
    yield from _layer_norm(block.layer_norm, f"{scope}/output/LayerNorm")


def _encoder(backbone: LVBertBackbone, scope: str, submodules: bool) -> Iterator[ForeignWeight]:
    if backbone.embeddings_projection is not None:
        yield from _dense(backbone.embeddings_projection, f"{scope}/embeddings_project")
    layers = zip(backbone.config.layer_string, backbone.encoder_layers, strict=True)
    for index, (letter, block) in enumerate(layers):
        layer_scope = f"{scope}/encoder/layer_{index // 2}"
        if submodules:
            layer_scope += f"/{_HALVES[index % 2]}_submodule"
        yield from _block(block, letter, layer_scope)


def _embeddings(backbone: LVBertBackbone, scope: str) -> Iterator[ForeignWeight]:
    layer = backbone.embeddings
    yield ForeignWeight(layer.token_table, (f"{scope}/word_embeddings",))
    yield ForeignWeight(layer.segment_table, (f"{scope}/token_type_embeddings",))
    yield ForeignWeight(layer.position_table, (f"{scope}/position_embeddings",))
    yield from _layer_norm(layer.layer_norm, f"{scope}/LayerNorm")


def pretrainer_weights(pretrainer: ElectraPretrainer, submodules: bool) -> Iterator[ForeignWeight]:
    """All weights of a pre-trainer, with the names of the reference's variables.

    Args:
        pretrainer: a built pre-trainer.
        submodules: True for the names of LV-BERT's code, False for those of ELECTRA's.

    Raises:
        InputError: the reference has no layers of one of the pre-trainer's types.
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
