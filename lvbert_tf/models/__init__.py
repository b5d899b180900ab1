"""Models built from the layers: the backbone, the supernet, the ELECTRA pre-trainer, and tasks."""

from lvbert_tf.models.backbone import LVBertBackbone
from lvbert_tf.models.electra_pretrainer import ElectraPretrainer
from lvbert_tf.models.lv_bert_tokenizer import LVBertTokenizer
from lvbert_tf.models.span_predictor import (
    LVBertSpanPredictor,
    LVBertSpanPredictorPreprocessor,
)
from lvbert_tf.models.supernet import Supernet
from lvbert_tf.models.text_classifier import (
    LVBertTextClassifier,
    LVBertTextClassifierPreprocessor,
)
from lvbert_tf.models.text_regressor import LVBertTextRegressor
from lvbert_tf.models.token_tagger import LVBertTokenTagger, LVBertTokenTaggerPreprocessor
from lvbert_tf.presets.classes import register_preset_classes

__all__ = [
    "ElectraPretrainer",
    "LVBertBackbone",
    "LVBertSpanPredictor",
    "LVBertSpanPredictorPreprocessor",
    "LVBertTextClassifier",
    "LVBertTextClassifierPreprocessor",
    "LVBertTextRegressor",
    "LVBertTokenTagger",
    "LVBertTokenTaggerPreprocessor",
    "LVBertTokenizer",
    "Supernet",
]

register_preset_classes(
    *(LVBertBackbone, LVBertTokenizer),
    *(LVBertTextClassifier, LVBertTextClassifierPreprocessor, LVBertTextRegressor),
    *(LVBertTokenTagger, LVBertTokenTaggerPreprocessor),
    *(LVBertSpanPredictor, LVBertSpanPredictorPreprocessor),
)
