"""Which tensors of Hugging Face's ELECTRA hold which of our weights."""

from collections.abc import Iterator

import keras

from lvbert_tf.interop.foreign_weights import ForeignWeight
from lvbert_tf.layers import LayerNorm, MaskedLMHead, ReplacedTokenHead, SelfAttention
from lvbert_tf.models import LVBertBackbone


def _dense(layer: keras.layers.Dense, *scopes: str) -> Iterator[ForeignWeight]:
    kernels = tuple(f"{scope}.weight" for scope in scopes)
    yield ForeignWeight(layer.kernel, kernels, transposed=True)
    yield ForeignWeight(layer.bias, tuple(f"{scope}.bias" for scope in scopes))


def _layer_norm(layer: LayerNorm, scope: str) -> Iterator[ForeignWeight]:
    yield ForeignWeight(layer.gamma, (f"{scope}.weight",))
    yield ForeignWeight(layer.beta, (f"{scope}.bias",))


def embedding_weights(backbone: LVBertBackbone) -> Iterator[ForeignWeight]:
    """The tables and their LayerNorm: what a generator may share with a discriminator."""
    layer, scope = backbone.embeddings, "electra.embeddings"
    yield ForeignWeight(layer.token_table, (f"{scope}.word_embeddings.weight",))
    yield ForeignWeight(layer.segment_table, (f"{scope}.token_type_embeddings.weight",))
    yield ForeignWeight(layer.position_table, (f"{scope}.position_embeddings.weight",))
    yield from _layer_norm(layer.layer_norm, f"{scope}.LayerNorm")


def encoder_weights(backbone: LVBertBackbone) -> Iterator[ForeignWeight]:
    """`ElectraModel`: the weights of a backbone whose string is AF repeated."""
    yield from embedding_weights(backbone)
    if backbone.embeddings_projection is not None:
        yield from _dense(backbone.embeddings_projection, "electra.embeddings_project")
    for index, block in enumerate(backbone.encoder_layers):
        scope = f"electra.encoder.layer.{index // 2}"
        layer = block.sublayer
        if isinstance(layer, SelfAttention):
            scope += ".attention"
            parts = (f"{scope}.self.{part}" for part in ("query", "key", "value"))
            yield from _dense(layer.query_key_value, *parts)
        else:
            yield from _dense(layer.intermediate, f"{scope}.intermediate.dense")
        yield from _dense(block.output_dense, f"{scope}.output.dense")
        yield from _layer_norm(block.layer_norm, f"{scope}.output.LayerNorm")


def discriminator_weights(
    backbone: LVBertBackbone, head: ReplacedTokenHead | None
) -> Iterator[ForeignWeight]:
    """`ElectraForPreTraining`, or the model below its head where there is none."""
    yield from encoder_weights(backbone)
    if head is not None:
        yield from _dense(head.dense, "discriminator_predictions.dense")
        yield from _dense(head.logit, "discriminator_predictions.dense_prediction")


def generator_weights(
    backbone: LVBertBackbone, head: MaskedLMHead | None
) -> Iterator[ForeignWeight]:
    """`ElectraForMaskedLM`; its output matrix is the table of word embeddings."""
    yield from encoder_weights(backbone)
    assert head is not None  # every generator has one
    yield from _dense(head.dense, "generator_predictions.dense")
    yield from _layer_norm(head.layer_norm, "generator_predictions.LayerNorm")
    yield ForeignWeight(head.output_bias, ("generator_lm_head.bias",))
