"""Classifiers of ELECTRA-small's size with random weights, for benchmarks of predictions."""

import keras

from lvbert_tf.architecture.layer_string import ELECTRA, LV_BERT_SMALL
from lvbert_tf.models import (
    LVBertBackbone,
    LVBertTextClassifier,
    LVBertTextClassifierPreprocessor,
    LVBertTokenizer,
)

LAYERS = {"LV-BERT": str(LV_BERT_SMALL), "AF x 12": str(ELECTRA)}
MAX_LENGTH = 128


def make_classifier(layers: str, tokenizer: LVBertTokenizer, dtype: str) -> LVBertTextClassifier:
    """A classifier of SST-2's two classes.

    Args:
      layers: the layer string.
      tokenizer: its vocabulary's size is the model's.
      dtype: Keras dtype policy of the layers.
    """
    keras.utils.set_random_seed(0)
    backbone = LVBertBackbone(
        tokenizer.vocabulary_size(),
        layers,
        num_heads=4,
        hidden_dim=256,
        intermediate_dim=1024,
        embedding_dim=128,
        dtype=dtype,
    )
    preprocessor = LVBertTextClassifierPreprocessor(tokenizer, MAX_LENGTH, paired=False)
    return LVBertTextClassifier(backbone, 2, preprocessor, labels=("0", "1"))
