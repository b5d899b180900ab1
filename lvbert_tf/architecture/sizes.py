"""The model sizes: one table, with the published results beside it."""

from dataclasses import dataclass
from typing import Any

from lvbert_tf.architecture.layer_string import LV_BERT_SMALL, LayerString


@dataclass(frozen=True)
class ModelSize:
    """The width of a size, and the pre-training hparams that go with it.

    In every size an encoder has hidden_dim / 64 heads, and feed-forward layers of width 4 x hidden_dim.

    Args:
      hidden_dim: the width of the layers.
      layer_string: the layers where the user gives none.
      hparams: the hparams whose defaults differ from those of `PretrainingConfig`.
    """

    hidden_dim: int
    layer_string: LayerString
    hparams: dict[str, Any]


# LV-BERT's authors published one string, for the size small. Medium and base borrow it until a search
# at their widths finds a better one. Large has 48 layers, those of ELECTRA-large.
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
