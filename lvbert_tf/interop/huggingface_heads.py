"""For each kind of task, the weights and settings of its head in Hugging Face's format."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import keras_hub
import numpy as np

from lvbert_tf.interop.electra_heads import most_classes
from lvbert_tf.interop.foreign_weights import ForeignWeight
from lvbert_tf.interop.huggingface_formats import CLASSIFIER, REGRESSOR, SPAN_PREDICTOR, TAGGER
from lvbert_tf.interop.huggingface_names import dense_weights
from lvbert_tf.models import (
    LVBertSpanPredictor,
    LVBertTextClassifier,
    LVBertTextRegressor,
    LVBertTokenTagger,
)


@dataclass(frozen=True)
class HeadFormat:
    """How Hugging Face's format holds the head of a kind of task.

    Args:
        kind: the kind, a key of `CLASSES`, which is also the name of the model's directory.
        weights: yields the weights of a task's head with the tensors that hold them.
        settings: returns the entries of config.json for a task's head.
        obstacles: returns the reasons why ELECTRA's class cannot compute a task; empty if it can.
    """

    kind: str
    weights: Callable[[Any], Iterator[ForeignWeight]]
    settings: Callable[[Any], dict[str, Any]]
    obstacles: Callable[[Any], list[str]]


def head_format(task: keras_hub.models.Task) -> HeadFormat:
    """The format of the head of one of our tasks."""
    return _FORMATS[type(task)]


def scale_to_labels(tensors: Mapping[str, np.ndarray], low: float, high: float) -> dict:
    """Scales the last layer of a regressor from 0 to 1 to the unit of the labels.

    transformers has no range of labels: its models compute the labels as they are.

    Args:
        tensors: the tensors of the regressor, by name.
        low: the least label, which is 0 before scaling.
        high: the greatest label, which is 1 before scaling.

    Returns:
        all tensors, those of the last layer scaled.
    """
    weight, bias = (f"classifier.out_proj.{part}" for part in ("weight", "bias"))
    scaled = {
        weight: (np.float64(high - low) * tensors[weight]).astype(np.float32),
        bias: (low + np.float64(high - low) * tensors[bias]).astype(np.float32),
    }
    return {**tensors, **scaled}


def _text_head(task: LVBertTextClassifier | LVBertTextRegressor) -> Iterator[ForeignWeight]:
    if task.hidden_dense is not None:
        yield from dense_weights(task.hidden_dense, "classifier.dense")
    yield from dense_weights(task.output_dense, "classifier.out_proj")


def _tagger_head(task: LVBertTokenTagger) -> Iterator[ForeignWeight]:
    yield from dense_weights(task.output_dense, "classifier")


def _span_head(task: LVBertSpanPredictor) -> Iterator[ForeignWeight]:
    head = task.span_head
    layers: tuple[tuple[str, keras.layers.Dense | None], ...] = (
        ("start_logit", head.start_logit),
        ("end_hidden", head.end_hidden),
        ("end_logit", head.end_logit),
        ("no_answer_hidden", head.no_answer_hidden),
        ("no_answer_logit", head.no_answer_logit),
    )
    for name, layer in layers:
        if layer is not None:
            yield from dense_weights(layer, f"span_head.{name}")


def _names(labels) -> dict[str, Any]:
    return {
        "id2label": {str(number): label for number, label in enumerate(labels)},
        "label2id": {label: number for number, label in enumerate(labels)},
    }


def default_labels(count: int) -> tuple[str, ...]:
    """The names that transformers gives to classes without names."""
    return tuple(f"LABEL_{number}" for number in range(count))


def _text_settings(task: LVBertTextClassifier | LVBertTextRegressor) -> dict[str, Any]:
    return {
        "classifier_dropout": task.dropout,
        "classifier_hidden_layer": task.hidden_layer,
    }


def _classifier_settings(task: LVBertTextClassifier) -> dict[str, Any]:
    labels = task.labels or default_labels(task.num_classes)
    kind = {"problem_type": "single_label_classification"}
    return {**_text_settings(task), **_names(labels), **kind}


def _regressor_settings(task: LVBertTextRegressor) -> dict[str, Any]:
    return {**_text_settings(task), **_names(default_labels(1)), "problem_type": "regression"}


def _tagger_settings(task: LVBertTokenTagger) -> dict[str, Any]:
    return {"classifier_dropout": 0.0, **_names(task.tags)}


def _span_settings(task: LVBertSpanPredictor) -> dict[str, Any]:
    return {
        "span_joint": task.joint,
        "span_beam_size": task.beam_size,
        "span_no_answer": task.no_answer,
        "span_answerable_weight": task.answerable_weight,
    }


def _text_obstacles(task: LVBertTextClassifier | LVBertTextRegressor) -> list[str]:
    classes, width = task.output_dense.units, task.backbone.hidden_dim
    if task.hidden_layer or classes <= most_classes(width):
        return []
    return [
        f"its {classes} classes are more than the {most_classes(width)} that a linear head of width"
        f" {width} may have there"
    ]


def _no_obstacles(task: LVBertTokenTagger) -> list[str]:
    return []


def _span_obstacles(task: LVBertSpanPredictor) -> list[str]:
    obstacles = []
    if task.joint:
        obstacles.append("the end of an answer depends on its start (joint)")
    if task.span_head.classifies:
        obstacles.append(f"a classifier tells whether there is an answer ({task.no_answer})")
    return obstacles


_FORMATS: dict[type, HeadFormat] = {
    LVBertTextClassifier: HeadFormat(CLASSIFIER, _text_head, _classifier_settings, _text_obstacles),
    LVBertTextRegressor: HeadFormat(REGRESSOR, _text_head, _regressor_settings, _text_obstacles),
    LVBertTokenTagger: HeadFormat(TAGGER, _tagger_head, _tagger_settings, _no_obstacles),
    LVBertSpanPredictor: HeadFormat(SPAN_PREDICTOR, _span_head, _span_settings, _span_obstacles),
}
