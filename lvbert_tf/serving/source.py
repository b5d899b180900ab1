"""What is exported: a model that fine-tuning or pre-training has left, with what is known of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.learning.tuned_model import find_tuned_preset, load_task_preset
from lvbert_tf.io.files import read_json_object
from lvbert_tf.models import (
    LVBertBackbone,
    LVBertSpanPredictor,
    LVBertTextClassifier,
    LVBertTextRegressor,
    LVBertTokenizer,
    LVBertTokenTagger,
)
from lvbert_tf.presets.directory import is_preset, load_preset
from lvbert_tf.runs.trained_run import load_trained_run
from lvbert_tf.serving.encoder import encoder_signatures
from lvbert_tf.serving.inputs import Signature, takes_ids
from lvbert_tf.serving.pretrained import pretrainer_signatures
from lvbert_tf.serving.question_answering import span_predictor_signatures
from lvbert_tf.serving.tagger import tagger_signatures
from lvbert_tf.serving.texts import classifier_signatures, regressor_signatures
from lvbert_tf.text import Tokenizer

# kind of model -> what it does, its signatures, and which of its values are told as its outputs.
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
      purpose: what it does, for people.
      signatures: what it answers.
      weights: all that the signatures read.
      backbone: whose layers are told.
      tokenizer: of its texts.
      outputs: what the values of its outputs mean, by a name for people.
      figures: split -> metric -> figure, as measured when it was trained.
      hparams: it was trained with.
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
        """The same with the signatures of token ids only, `predict_ids` as the default too: a graph of
        plain operations, which other engines convert."""
        by_ids = {name: graph for name, graph in self.signatures.items() if takes_ids(graph)}
        return replace(self, signatures={"serving_default": by_ids["predict_ids"], **by_ids})


def load_servable_model(
    path: Path, task: str | None, dtype: str, report: Callable[[str], None]
) -> ServableModel:
    """Loads what a directory holds.

    Args:
      path: a trial of fine-tuning (`finetuning_models/TASKS_TRIAL`), a preset, or the directory of a
        pre-training run (`models/NAME`).
      task: which of a trial's; None if there is but one.
      dtype: Keras dtype policy of the layers.
      report: called with a line for the user.

    Raises:
      InputError: it is none of these, it cannot be read, or the task is not told or not there.
    """
    tuned = find_tuned_preset(path, task)
    if tuned is not None:
        return _trial_model(path, tuned, dtype)
    if is_preset(path):
        return _preset_model(path, dtype)
    run = load_trained_run(path, report, dtype)
    if run is None:
        raise InputError(
            f"no model at {path}: expected a trial of fine-tuning (finetuning_models/TASKS_TRIAL), a"
            " preset, or the directory of a pre-training run (models/NAME)"
        )
    tokenizer = run.tokenizer.tokenizer
    figures = _read_json(path / "eval.json")
    return ServableModel(
        "embeds texts, fills masks and tells replaced tokens, as far as it was trained to",
        pretrainer_signatures(run.pretrainer, tokenizer),
        run.pretrainer.weights,
        run.pretrainer.discriminator,
        tokenizer,
        figures={"held out": {k: v for k, v in figures.items() if isinstance(v, float)}},
        hparams=run.config.to_json_dict(),
    )


def _trial_model(path: Path, tuned: Path, dtype: str) -> ServableModel:
    model = _preset_model(tuned, dtype)
    figures = _read_json(path / "result.json").get("figures", {})
    hparams = _read_json(path / "config.json").get("hparams", {})
    return replace(model, figures=figures.get(tuned.name, {}), hparams=hparams)


def _preset_model(path: Path, dtype: str) -> ServableModel:
    task = load_task_preset(path, dtype)
    if task is not None:
        return servable_task(task)
    backbone = load_preset(LVBertBackbone, path, dtype=dtype)
    tokenizer = load_preset(LVBertTokenizer, path).tokenizer
    signatures = encoder_signatures(backbone, tokenizer)
    return ServableModel("embeds texts", signatures, backbone.weights, backbone, tokenizer)


def servable_task(model: Any) -> ServableModel:
    """A model of a task of this project, with a preprocessor, as one that can be exported."""
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
    """The object in a file that need not be there."""
    return read_json_object(path) if path.exists() else {}
