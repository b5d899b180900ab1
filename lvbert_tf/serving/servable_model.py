"""A model that can be exported, whether fine-tuning or pre-training has left it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import keras

from lvbert_tf.io.sealed import read_sealed_json
from lvbert_tf.models import (
    ElectraPretrainer,
    LVBertBackbone,
    LVBertSpanPredictor,
    LVBertTextClassifier,
    LVBertTextRegressor,
    LVBertTokenTagger,
)
from lvbert_tf.runs.loaded_model import LoadedModel, load_model
from lvbert_tf.runs.open_model import CompactPreset, Preset, Run, open_own_model
from lvbert_tf.serving.encoder import encoder_signatures
from lvbert_tf.serving.inputs import Signature, takes_ids
from lvbert_tf.serving.pretrained import pretrainer_signatures
from lvbert_tf.serving.question_answering import span_predictor_signatures
from lvbert_tf.serving.tagger import tagger_signatures
from lvbert_tf.serving.texts import classifier_signatures, regressor_signatures
from lvbert_tf.text import Tokenizer


@dataclass(frozen=True)
class _Kind:
    """What there is to know of a class of models.

    Args:
      name: the kind of the model.
      purpose: what it does, for people.
      signatures: makes its signatures.
      outputs: what the model card says of its outputs: a name for people, and the model's attribute.
      description: the fields of `config.json`, each with the attribute of the model or its preprocessor.
    """

    name: str
    purpose: str
    signatures: Callable[[Any], dict[str, Signature]]
    outputs: Mapping[str, str]
    description: Mapping[str, str]


_LENGTH = {"sequence_length": "preprocessor.sequence_length"}
_TEXTS = {**_LENGTH, "paired": "preprocessor.paired"}
_KINDS: Mapping[type, _Kind] = {
    LVBertTextClassifier: _Kind(
        "classifier",
        "classifies texts",
        classifier_signatures,
        {"classes": "labels"},
        {"labels": "labels", **_TEXTS},
    ),
    LVBertTextRegressor: _Kind(
        "regressor",
        "gives a text a number",
        regressor_signatures,
        {"range of the labels": "label_range"},
        {"label_range": "label_range", **_TEXTS},
    ),
    LVBertTokenTagger: _Kind(
        "tagger",
        "tags words",
        tagger_signatures,
        {"tags": "tags"},
        {"tags": "written_tags", **_LENGTH},
    ),
    LVBertSpanPredictor: _Kind(
        "span_predictor",
        "answers questions on a context",
        span_predictor_signatures,
        {"no_answer_score above which there is no answer": "no_answer_threshold"},
        {
            "max_query_length": "preprocessor.max_query_length",
            "doc_stride": "preprocessor.doc_stride",
            "max_answer_length": "max_answer_length",
            "no_answer": "no_answer",
            "no_answer_threshold": "no_answer_threshold",
            **_LENGTH,
        },
    ),
}


@dataclass(frozen=True)
class ServableModel:
    """A model that can be exported.

    Args:
      purpose: what the model does, for people.
      signatures: the signatures of the SavedModel, by name.
      weights: all variables that the signatures read.
      backbone: the encoder; the model card lists its layers.
      tokenizer: the tokenizer of the model's texts.
      description: for `config.json`, the kind of the model, and what turns texts into its inputs and its
        outputs into answers.
      outputs: what the values of the outputs mean, by a name for people.
      figures: the metrics that were measured when the model was trained: split -> metric -> value.
      hparams: the hyperparameters that the model was trained with.
    """

    purpose: str
    signatures: Mapping[str, Signature]
    weights: Sequence[keras.Variable]
    backbone: LVBertBackbone
    tokenizer: Tokenizer
    description: Mapping[str, Any]
    outputs: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    hparams: Mapping[str, Any] = field(default_factory=dict)

    def of_ids(self) -> "ServableModel":
        """The same model with only those signatures that take token ids; `predict_ids` is the default.

        Their graphs contain no tokenizer, so they can be converted for other engines.
        """
        by_ids = {name: graph for name, graph in self.signatures.items() if takes_ids(graph)}
        return replace(self, signatures={"serving_default": by_ids["predict_ids"], **by_ids})


def load_servable_model(
    path: Path, task: str | None, dtype: str, report: Callable[[str], None]
) -> ServableModel:
    """Loads a model and what is known of it.

    Args:
      path: a trial of fine-tuning (`finetuning_models/TASKS_TRIAL`), a preset, or the directory of a
        pre-training run (`models/NAME`).
      task: the name of a trial's task; None if the trial has but one.
      dtype: Keras dtype policy of the layers.
      report: called with lines for the user.

    Raises:
      InputError: see `open_own_model` and `load_model`.
    """
    stored = open_own_model(path, task)
    model = load_model(stored, report, dtype)
    if isinstance(stored, (Run, CompactPreset)):
        return _servable_run(model, _read_json(path / "eval.json"))
    return _servable_preset(model, path, stored)


def _servable_run(model: LoadedModel, metrics: Mapping[str, Any]) -> ServableModel:
    assert model.config is not None and model.tokenizer is not None
    return replace(
        servable_pretrainer(model.pretrainer, model.tokenizer.tokenizer),
        figures={"held out": {k: v for k, v in metrics.items() if isinstance(v, float)}},
        hparams=model.config.to_json_dict(),
    )


def servable_pretrainer(pretrainer: ElectraPretrainer, tokenizer: Tokenizer) -> ServableModel:
    """The networks of a pre-training run as a model that can be exported."""
    encoder = pretrainer.discriminator
    return ServableModel(
        "embeds texts, fills masks and tells replaced tokens, as far as it was trained to",
        pretrainer_signatures(pretrainer, tokenizer),
        pretrainer.weights,
        encoder,
        tokenizer,
        {"kind": "pretrained", "sequence_length": encoder.max_sequence_length},
    )


def servable_encoder(encoder: LVBertBackbone, tokenizer: Tokenizer) -> ServableModel:
    """An encoder without a head as a model that can be exported."""
    return ServableModel(
        "embeds texts",
        encoder_signatures(encoder, tokenizer),
        encoder.weights,
        encoder,
        tokenizer,
        {"kind": "encoder", "sequence_length": encoder.max_sequence_length},
    )


def _servable_preset(model: LoadedModel, path: Path, preset: Preset) -> ServableModel:
    if model.task is not None:
        servable = servable_task(model.task)
    else:
        assert model.tokenizer is not None
        servable = servable_encoder(model.encoder, model.tokenizer.tokenizer)
    if preset.path == path:
        return servable
    # A trial has these files beside its presets.
    figures = _read_json(path / "result.json").get("figures", {})
    hparams = _read_json(path / "config.json").get("hparams", {})
    return replace(servable, figures=figures.get(preset.path.name, {}), hparams=hparams)


def servable_task(model: Any) -> ServableModel:
    """A fine-tuned model of this package, with its preprocessor, as one that can be exported."""
    kind = _KINDS[type(model)]
    described = {name: attrgetter(path)(model) for name, path in kind.description.items()}
    return ServableModel(
        kind.purpose,
        kind.signatures(model),
        model.weights,
        model.backbone,
        model.preprocessor.tokenizer.tokenizer,
        {"kind": kind.name, **described},
        outputs={what: getattr(model, attribute) for what, attribute in kind.outputs.items()},
    )


def _read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty if there is no such file."""
    return read_sealed_json(path) if path.exists() else {}
