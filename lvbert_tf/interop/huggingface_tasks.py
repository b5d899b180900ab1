"""Reads fine-tuned models of transformers as tasks of ours."""

from collections.abc import Mapping
from typing import Any

import keras_hub

from lvbert_tf.errors import InputError
from lvbert_tf.interop.foreign_weights import RestoreReport
from lvbert_tf.interop.huggingface_formats import CLASSIFIER, ELECTRA, REGRESSOR, TAGGER
from lvbert_tf.interop.huggingface_heads import default_labels, head_format
from lvbert_tf.interop.huggingface_names import encoder_weights
from lvbert_tf.interop.huggingface_saved import TransformersModel
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

_NO_ANSWER = (None, "likely_starts", "first_vector", "span")
_MOST_LABELS = 100_000


def load_task(
    saved: TransformersModel, tokenizer: LVBertTokenizer | None
) -> tuple[keras_hub.models.Task, RestoreReport]:
    """Builds our task for a fine-tuned model, and reads its weights.

    Args:
        saved: a model of a kind in `huggingface_formats.TASKS`.
        tokenizer: the tokenizer of the model's texts; None leaves the task without a preprocessor.

    Returns:
        the task, float32, and the report of what was read.

    Raises:
        InputError: config.json describes a head that we do not have, or a weight has another shape.
    """
    backbone = LVBertBackbone.from_model_config(saved.config, dtype="float32")
    task = _build(saved, backbone, tokenizer)
    entries = [*encoder_weights(backbone, saved.code), *head_format(task).weights(task)]
    return task, saved.restore(entries)


def _build(saved: TransformersModel, backbone: LVBertBackbone, tokenizer: LVBertTokenizer | None):
    values, where = saved.values, saved.where

    def preprocessor(kind: type, **options: Any):
        return None if tokenizer is None else kind(tokenizer, **options)

    if saved.kind == TAGGER:
        tags = _labels(values, where)
        try:
            return LVBertTokenTagger(backbone, tags, preprocessor(LVBertTokenTaggerPreprocessor))
        except InputError as error:
            raise InputError(f"{where}: id2label: {error}") from error
    if saved.kind in (CLASSIFIER, REGRESSOR):
        labels = _labels(values, where)
        texts = preprocessor(LVBertTextClassifierPreprocessor)
        text_head: dict[str, Any] = {
            "dropout": _classifier_dropout(values, where),
            "hidden_layer": "classifier.dense.weight" in saved.tensors,
        }
        if saved.kind == REGRESSOR or len(labels) == 1:
            if len(labels) > 1:
                raise InputError(
                    f"{where}: a regression with {len(labels)} labels; a regressor of ours has one"
                )
            return LVBertTextRegressor(backbone, (0.0, 1.0), texts, **text_head)
        problem = values.get("problem_type")
        if problem not in (None, "single_label_classification"):
            raise InputError(
                f"{where}: problem_type is {problem!r}; a classifier of ours chooses one class"
            )
        names = None if labels == default_labels(len(labels)) else labels
        return LVBertTextClassifier(backbone, len(labels), texts, labels=names, **text_head)
    spans = _span_settings(values, where) if saved.code is not ELECTRA else {"joint": False}
    return LVBertSpanPredictor(backbone, preprocessor(LVBertSpanPredictorPreprocessor), **spans)


def _labels(values: Mapping[str, Any], where: str) -> tuple[str, ...]:
    given = values.get("id2label")
    if given is None:
        count = values.get("num_labels", 2)
        if type(count) is not int or not 1 <= count <= _MOST_LABELS:
            raise InputError(f"{where}: num_labels is {count!r}; expected 1 to {_MOST_LABELS}")
        return default_labels(count)
    numbers = [str(number) for number in range(len(given))] if isinstance(given, Mapping) else []
    if not numbers or set(given) != set(numbers):
        raise InputError(f'{where}: expected id2label {{"0": name, "1": name, ...}}, got {given!r}')
    labels = tuple(given[number] for number in numbers)
    if wrong := [label for label in labels if not isinstance(label, str)]:
        raise InputError(f"{where}: id2label names {wrong[0]!r}; expected strings")
    return labels


def _classifier_dropout(values: Mapping[str, Any], where: str) -> float:
    rate = values.get("classifier_dropout")
    if rate is None:
        rate = values.get("hidden_dropout_prob", 0.1)
    if type(rate) not in (int, float) or not 0 <= rate < 1:
        raise InputError(f"{where}: classifier_dropout is {rate!r}; expected 0 to 1")
    return float(rate)


def _span_settings(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    joint, beam = values.get("span_joint", True), values.get("span_beam_size", 20)
    no_answer, weight = values.get("span_no_answer"), values.get("span_answerable_weight", 0.5)
    for name, value, legal in (
        ("span_joint", joint, type(joint) is bool),
        ("span_beam_size", beam, type(beam) is int and 1 <= beam <= 1000),
        ("span_no_answer", no_answer, no_answer is None or no_answer in _NO_ANSWER[1:]),
        ("span_answerable_weight", weight, type(weight) in (int, float) and weight >= 0),
    ):
        if not legal:
            raise InputError(f"{where}: {name} is {value!r}, which LV-BERT does not know")
    return {
        "joint": joint,
        "beam_size": beam,
        "no_answer": no_answer,
        "answerable_weight": float(weight),
    }
