"""Models built from the layers: the backbone, the supernet, the ELECTRA pre-trainer, and tasks."""

from lvbert_tf.models.backbone import LVBertBackbone
from lvbert_tf.models.electra_pretrainer import ElectraPretrainer
from lvbert_tf.models.lv_bert_tokenizer import LVBertTokenizer
from lvbert_tf.models.supernet import Supernet
from lvbert_tf.models.text_classifier import (
    LVBertTextClassifier,
    LVBertTextClassifierPreprocessor,
)

__all__ = [
    "ElectraPretrainer",
    "LVBertBackbone",
    "LVBertTextClassifier",
    "LVBertTextClassifierPreprocessor",
    "LVBertTokenizer",
    "Supernet",
]
