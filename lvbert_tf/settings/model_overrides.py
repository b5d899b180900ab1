"""The hparam `model_hparam_overrides`."""

from dataclasses import dataclass

from lvbert_tf import hparams
from lvbert_tf.hparams import AT_LEAST_1, DROPOUT, POSITIVE, hparam


@dataclass(frozen=True)
class ModelOverrides:
    """`model_hparam_overrides`: the shape of the discriminator under the reference's names.

    None leaves a value to the model size. By default there are hidden_size / 64 heads (at least 1),
    and intermediate_size is 4 x hidden_size, where hidden_size is the overridden one.
    """

    hidden_size: int | None = hparam(None, AT_LEAST_1, "width of the layers")
    num_hidden_layers: int | None = hparam(
        None, AT_LEAST_1, "Transformer layers: attention and feed-forward in turn, two layers each"
    )
    num_attention_heads: int | None = hparam(None, AT_LEAST_1, "heads of A and C layers")
    intermediate_size: int | None = hparam(None, AT_LEAST_1, "inner width of F layers")
    hidden_act: str = hparam("gelu", ("gelu",), "the exact GELU is the only activation")
    hidden_dropout_prob: float = hparam(0.1, DROPOUT, "dropout rate")
    attention_probs_dropout_prob: float = hparam(0.1, DROPOUT, "dropout of attention")
    max_position_embeddings: int = hparam(512, AT_LEAST_1, "longest sequence ever, tokens")
    type_vocab_size: int = hparam(2, AT_LEAST_1, "segments")
    initializer_range: float = hparam(0.02, POSITIVE, "std of the truncated normal")

    def __post_init__(self) -> None:
        hparams.check(self)
