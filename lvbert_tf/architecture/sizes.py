"""The model sizes: one table, with the published figures beside it."""

from dataclasses import dataclass
from typing import Any

from lvbert_tf.architecture.layer_string import LV_BERT_SMALL, LayerString


@dataclass(frozen=True)
class ModelSize:
    """Widths of a size and the pre-training hparams that go with it.

    Attention heads are hidden_dim / 64 and feed-forward layers 4 x hidden_dim in every size.

    Args:
      hidden_dim: width of the encoder.
      layer_string: the encoder used when the user names none.
      hparams: pre-training defaults that differ from the built-in ones.
    """

    hidden_dim: int
    layer_string: LayerString
    hparams: dict[str, Any]


# LV-BERT's authors published one string, for small; medium and base borrow it until a search at
# their width gives a better one. Large has 48 layers and no published string: ELECTRA-large's.
#
# size    | published result, GLUE test average                   | parameters, discriminator
# small   | LV-BERT-small 79.8 (Yu et al., 2021); ELECTRA-small 78.0, trained alike | 12.5 M
# medium  | string not published                                  | 23.1 M with the small string
# base    | string not published; ELECTRA-base 82.7 (release)     | 100.2 M with the small string
# large   | ELECTRA-large 85.2 (release)                          | 334 M
SIZES = {
    "small": ModelSize(256, LV_BERT_SMALL, {"embedding_size": 128}),
    "medium": ModelSize(
        384, LV_BERT_SMALL, {"embedding_size": 128, "generator_hidden_size": 1 / 3}
    ),
    "base": ModelSize(
        768,
        LV_BERT_SMALL,
        {
            "embedding_size": 768,
            "generator_hidden_size": 1 / 3,
            "learning_rate": 2e-4,
            "train_batch_size": 256,
        },
    ),
    "large": ModelSize(
        1024,
        LayerString("AF" * 24),
        {
            "embedding_size": 1024,
            "learning_rate": 2e-4,
            "mask_prob": 0.25,
            "train_batch_size": 2048,
        },
    ),
}
