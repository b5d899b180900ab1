"""Answering questions with spans of a context."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from lvbert_tf.finetuning.metrics.answer_rules import ANSWER_RULES
from lvbert_tf.finetuning.metrics.question_answering import score_answers, score_answers_or_none
from lvbert_tf.finetuning.objectives.features import Batch, TaskFeatures, model_inputs
from lvbert_tf.finetuning.objectives.objective import Prediction
from lvbert_tf.finetuning.objectives.span_features import WindowFeatures, window_features
from lvbert_tf.finetuning.parts import HeadSettings
from lvbert_tf.finetuning.task_examples import Question
from lvbert_tf.finetuning.tasks.task import Role, Task
from lvbert_tf.layers.span_head import NoAnswer
from lvbert_tf.models import (
    LVBertBackbone,
    LVBertSpanPredictor,
    LVBertSpanPredictorPreprocessor,
    LVBertTokenizer,
)


class SpanObjective:
    """Cross-entropy of an answer's start and end, and of whether there is an answer.

    Predictions are those of `best_answers` after the question's `id`: `{"id": "...", "answer": "...",
    "start": ..., "end": ..., "n_best": [...]}`, with `no_answer_score` if the task has questions without
    an answer. `answer` is the best text even for a question that seems to have no answer, as the
    official script of SQuAD 2.0 expects.

    Args:
      task: a task of kind "span".
      model: a model that scores "no answer" if the task has such questions.
    """

    model_class = LVBertSpanPredictor

    def __init__(self, task: Task, model: LVBertSpanPredictor):
        assert model.preprocessor is not None
        self.task = task
        self.model = model
        self.preprocessor = model.preprocessor

    @staticmethod
    def new_model(
        task: Task,
        examples: Sequence[Question],
        backbone: LVBertBackbone,
        tokenizer: LVBertTokenizer,
        settings: HeadSettings,
    ) -> LVBertSpanPredictor:
        """Makes a model with a fresh head.

        Raises:
          InputError: max_query_length leaves no room for a context.
        """
        preprocessor = LVBertSpanPredictorPreprocessor(
            tokenizer, settings.length_of(task), settings.max_query_length, settings.doc_stride
        )
        model = LVBertSpanPredictor(
            backbone,
            preprocessor,
            joint=settings.joint_prediction,
            # As in the reference, which ranks the n best where starts and ends are independent.
            beam_size=settings.beam_size if settings.joint_prediction else settings.n_best_size,
            no_answer=_no_answer(task, settings),
            answerable_weight=settings.answerable_weight,
            n_best_size=settings.n_best_size,
            max_answer_length=settings.max_answer_length,
            no_answer_threshold=settings.qa_na_threshold,
        )
        _ = preprocessor.window_sizes  # refuses sizes that do not fit before any work is done
        return model

    def features(self, examples: Sequence[Question], role: Role) -> TaskFeatures:
        """One or more rows for each question; those of `train` have `start`, `end` and `impossible`.

        Other rows have no labels, because their loss is not defined: in inference the head looks for
        the ends of its own best starts, not of the right start.
        """
        windows = self.preprocessor.windows(
            [example.question for example in examples], [example.context for example in examples]
        )
        return window_features(windows, examples, labelled=role == "train")

    def forward(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Returns the outputs of `SpanHead`."""
        inputs = model_inputs(batch)
        if training:
            return self.model.training_logits(inputs, batch["start"], training=True)
        return self.model(inputs, training=False)

    def losses(self, outputs: Mapping[str, tf.Tensor], batch: Batch) -> tf.Tensor:
        """Returns (start + end) / 2 + answerable_weight x classifier, of shape [batch]."""
        start, end = (
            tf.nn.sparse_softmax_cross_entropy_with_logits(batch[name], outputs[f"{name}_logits"])
            for name in ("start", "end")
        )
        losses = (start + end) / 2.0
        if "no_answer_score" in outputs:
            impossible = tf.cast(batch["impossible"], tf.float32)
            losses += self.model.answerable_weight * tf.nn.sigmoid_cross_entropy_with_logits(
                impossible, outputs["no_answer_score"]
            )
        return losses

    def predictions(
        self,
        examples: Sequence[Question],
        features: TaskFeatures,
        outputs: Mapping[str, Sequence[np.ndarray]],
    ) -> list[Prediction]:
        assert isinstance(features, WindowFeatures)
        contexts = [example.context for example in examples]
        answers = self.model.best_answers(features.windows, contexts, outputs)
        return [
            {"id": example.id, **answer} for example, answer in zip(examples, answers, strict=True)
        ]

    def score(
        self, examples: Sequence[Question], predictions: Sequence[Prediction]
    ) -> dict[str, float]:
        answers = {prediction["id"]: prediction["answer"] for prediction in predictions}
        rule = ANSWER_RULES[self.task.answer_rule]
        if not self.task.unanswerable:
            return score_answers(examples, answers, rule)
        scores = {prediction["id"]: prediction["no_answer_score"] for prediction in predictions}
        threshold = self.model.no_answer_threshold
        return score_answers_or_none(examples, answers, scores, threshold, rule)


def _no_answer(task: Task, settings: HeadSettings) -> NoAnswer | None:
    if not task.unanswerable:
        return None
    if not settings.answerable_classifier:
        return "span"
    return "likely_starts" if settings.answerable_uses_start_logits else "first_vector"
