"""A model that can be exported, whether fine-tuning or pre-training has left it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras

from lvbert_tf.io.sealed import read_sealed_json
from lvbert_tf.models import (
    LVBertBackbone,
    LVBertSpanPredictor,
    LVBertTextClassifier,
    LVBertTextRegressor,
    LVBertTokenTagger,
)
from lvbert_tf.runs.loaded_model import LoadedModel, load_model
from lvbert_tf.runs.open_model import Preset, Run, open_own_model
from lvbert_tf.serving.encoder import encoder_signatures
from lvbert_tf.serving.inputs import Signature, takes_ids
from lvbert_tf.serving.pretrained import pretrainer_signatures
from lvbert_tf.serving.question_answering import span_predictor_signatures
from lvbert_tf.serving.tagger import tagger_signatures
from lvbert_tf.serving.texts import classifier_signatures, regressor_signatures
from lvbert_tf.text import Tokenizer

# Class of the model -> what it does, its signatures, and what the model card says of its outputs: a name
# for people, and the attribute with the value.
_TASKS: Mapping[type, tuple[str, Callable[[Any], dict[str, Signature]], Mapping[str, str]]] = {
    LVBertTextClassifier: ("classifies texts", classifier_signatures, {"classes": "labels"}),
    LVBertTextRegressor: (
        "gives a text a number",
        regressor_signatures,
        {"range of the labels": "label_range"},
    ),
    LVBertTokenTagger: ("tags words", tagger_signatures, {"tags": "tags"}),
    LVBertSpanPredictor: (
        "answers questions on a context",
        span_predictor_signatures,
        {"no_answer_score above which there is no answer": "no_answer_threshold"},
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
      outputs: what the values of the outputs mean, by a name for people.
      figures: the metrics that were measured when the model was trained: split -> metric -> value.
      hparams: the hyperparameters that the model was trained with.
    """

    purpose: str
    signatures: Mapping[str, Signature]
    weights: Sequence[keras.Variable]
    backbone: LVBertBackbone
    tokenizer: Tokenizer
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
    if isinstance(stored, Run):
        return _servable_run(model, _read_json(path / "eval.json"))
    return _servable_preset(model, path, stored)


def _servable_run(model: LoadedModel, metrics: Mapping[str, Any]) -> ServableModel:
    assert model.config is not None and model.tokenizer is not None
    tokenizer = model.tokenizer.tokenizer
    return ServableModel(
        "embeds texts, fills masks and tells replaced tokens, as far as it was trained to",
        pretrainer_signatures(model.pretrainer, tokenizer),
        model.pretrainer.weights,
        model.encoder,
        tokenizer,
        figures={"held out": {k: v for k, v in metrics.items() if isinstance(v, float)}},
        hparams=model.config.to_json_dict(),
    )


def _servable_preset(model: LoadedModel, path: Path, preset: Preset) -> ServableModel:
    if model.task is not None:
        servable = servable_task(model.task)
    else:
        assert model.tokenizer is not None
        encoder, tokenizer = model.encoder, model.tokenizer.tokenizer
        signatures = encoder_signatures(encoder, tokenizer)
        servable = ServableModel("embeds texts", signatures, encoder.weights, encoder, tokenizer)
    if preset.path == path:
        return servable
    # A trial has these files beside its presets.
    figures = _read_json(path / "result.json").get("figures", {})
    hparams = _read_json(path / "config.json").get("hparams", {})
    return replace(servable, figures=figures.get(preset.path.name, {}), hparams=hparams)


def servable_task(model: Any) -> ServableModel:
    """A fine-tuned model of this package, with its preprocessor, as one that can be exported."""
    purpose, signatures_of, outputs = _TASKS[type(model)]
    return ServableModel(
        purpose,
        signatures_of(model),
        model.weights,
        model.backbone,
        model.preprocessor.tokenizer.tokenizer,
        outputs={what: getattr(model, attribute) for what, attribute in outputs.items()},
    )


def _read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty if there is no such file."""
    return read_sealed_json(path) if path.exists() else {}
