"""A tiny model of every kind with random weights, to export."""

from pathlib import Path

import keras

from lvbert_tf.models import (
    LVBertBackbone,
    LVBertSpanPredictor,
    LVBertSpanPredictorPreprocessor,
    LVBertTextClassifier,
    LVBertTextClassifierPreprocessor,
    LVBertTextRegressor,
    LVBertTokenizer,
    LVBertTokenTagger,
    LVBertTokenTaggerPreprocessor,
)

VOCABULARY = Path(__file__).parents[1] / "fixtures" / "tokenizer" / "vocab.txt"
LENGTH = 24
LABELS = ("bad", "so-so", "good")
TAGS = ("NOUN", "VERB", "X")


def make_models(randomize) -> dict[str, keras.Model]:
    """Models by their names. All share a tokenizer, whose graph takes seconds to make."""
    tokenizer = LVBertTokenizer(str(VOCABULARY))

    def backbone(layer_string="CAF"):
        return LVBertBackbone(
            tokenizer.vocabulary_size(), layer_string, 2, 16, 32, max_sequence_length=LENGTH
        )

    def texts(paired):
        return LVBertTextClassifierPreprocessor(tokenizer, LENGTH, paired=paired)

    spans = LVBertSpanPredictorPreprocessor(tokenizer, LENGTH, max_query_length=6, doc_stride=12)
    tags = LVBertTokenTaggerPreprocessor(tokenizer, LENGTH)
    models = {
        "classifier": LVBertTextClassifier(backbone(), 3, texts(paired=False), labels=LABELS),
        "regressor": LVBertTextRegressor(backbone("AF"), (0.0, 5.0), texts(paired=True)),
        "tagger": LVBertTokenTagger(backbone("CA"), TAGS, tags),
        "answers": LVBertSpanPredictor(backbone("C"), spans, beam_size=4, max_answer_length=6),
        "answers_or_none": LVBertSpanPredictor(
            backbone("A"), spans, beam_size=4, no_answer="likely_starts", no_answer_threshold=0.0
        ),
        "spans_or_none": LVBertSpanPredictor(
            backbone("F"), spans, beam_size=30, no_answer="span", joint=False
        ),
    }
    for seed, model in enumerate(models.values()):
        randomize(model, seed, deviation=0.2)
    return models
