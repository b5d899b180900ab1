"""A tiny model of every kind, with random weights and its preprocessor."""

import numpy as np
import tensorflow as tf

from lvbert_tf.layers.span_head import NoAnswer
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
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS

WORDS = ("who", "ann", "sings", "a", "song", "for", "bob", "##s", "É")
TOKENS = [*SPECIAL_TOKENS, *WORDS]
LAYERS, LENGTH = "CAF", 12
SENTENCES = ["ann sings a song", "bobs song for ann É"]
NO_ANSWER: tuple[NoAnswer | None, ...] = (None, "likely_starts", "span", "first_vector")
KINDS = (
    *("classifier", "regressor", "tagger", "span"),
    *(f"span-{name}" for name in NO_ANSWER if name),
)


def make_backbone(randomize, layers=LAYERS, **changes) -> LVBertBackbone:
    """One with weights that are all different."""
    shape = {"num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "embedding_dim": 8}
    shape |= {"max_sequence_length": LENGTH, **changes}
    return randomize(LVBertBackbone(len(TOKENS), layers, **shape))


def make_task(kind: str, randomize, layers=LAYERS):
    """A task of a kind, whose settings are not the defaults."""
    backbone = make_backbone(randomize, layers)
    tokenizer = LVBertTokenizer(TOKENS, lowercase=False, strip_accents=False)
    if kind == "classifier":
        texts = LVBertTextClassifierPreprocessor(tokenizer, sequence_length=10)
        task = LVBertTextClassifier(
            backbone, 3, texts, activation="softmax", dropout=0.2, labels=["no", "yes", "maybe"]
        )
    elif kind == "regressor":
        texts = LVBertTextClassifierPreprocessor(tokenizer, sequence_length=10)
        task = LVBertTextRegressor(backbone, (1.0, 5.0), texts, dropout=0.2)
    elif kind == "tagger":
        words = LVBertTokenTaggerPreprocessor(tokenizer, sequence_length=10)
        task = LVBertTokenTagger(backbone, ["NOUN", "VERB", "ü"], words)
    else:
        pairs = LVBertSpanPredictorPreprocessor(
            tokenizer, sequence_length=LENGTH, max_query_length=3, doc_stride=4
        )
        no_answer = kind.partition("-")[2] or None
        task = LVBertSpanPredictor(
            backbone,
            pairs,
            joint=no_answer != "first_vector",
            beam_size=3,
            no_answer=no_answer,
            max_answer_length=5,
            no_answer_threshold=0.5,
        )
    return randomize(task, seed=1)


def inputs_of(task) -> dict[str, tf.Tensor]:
    """What a task's preprocessor makes of the sentences."""
    if isinstance(task, LVBertSpanPredictor):
        made = task.preprocessor((["who", "ann"], SENTENCES), None)
    else:
        made = task.preprocessor(SENTENCES)
    return made[0] if isinstance(made, tuple) else made


def outputs_of(task) -> dict[str, np.ndarray]:
    """A task's outputs for the sentences, by name."""
    outputs = task(inputs_of(task), training=False)
    outputs = outputs if isinstance(outputs, dict) else {"output": outputs}
    return {name: np.asarray(value) for name, value in outputs.items()}


def assert_same(ours, theirs) -> None:
    """The same configuration, vocabulary, weights, inputs and outputs, exactly."""
    assert type(ours) is type(theirs)
    assert ours.get_config() == theirs.get_config()
    vocabularies = [task.preprocessor.tokenizer.get_vocabulary() for task in (ours, theirs)]
    assert vocabularies[0] == vocabularies[1]
    for one, other in (
        ({weight.path: weight.numpy() for weight in task.weights} for task in (ours, theirs)),
        map(inputs_of, (ours, theirs)),
        map(outputs_of, (ours, theirs)),
    ):
        assert one.keys() == other.keys()
        for name, value in one.items():
            np.testing.assert_array_equal(value, other[name], err_msg=name)
