"""The task of answering questions on a context, and its preprocessor."""

from typing import Any

import keras
import keras_hub
import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from lvbert_tf.errors import InputError
from lvbert_tf.layers.span_head import NoAnswer, SpanHead, answer_mask
from lvbert_tf.models.backbone import LVBertBackbone
from lvbert_tf.models.best_answers import best_answers
from lvbert_tf.models.lv_bert_tokenizer import LVBertTokenizer
from lvbert_tf.models.string_batches import first_row, string_batch
from lvbert_tf.models.task_parts import join_parts
from lvbert_tf.text.vocabulary import CLS, SEP
from lvbert_tf.text.windows import Windows, WindowSizes, make_windows

_ROWS_AT_ONCE = 16


class LVBertSpanPredictorPreprocessor(keras_hub.models.Preprocessor):
    """Makes the inputs of a backbone: `[CLS] question [SEP] context [SEP]`.

    A call makes one input from each question and cuts contexts that are too long. `windows` makes as
    many inputs as it takes to read a whole context.

    Args:
        tokenizer: an `LVBertTokenizer`.
        sequence_length: the length of an input in tokens.
        max_query_length: the most tokens of a question; a longer question is cut.
        doc_stride: the tokens between the starts of two windows over a long context.
        **kwargs: arguments of `keras_hub.models.Preprocessor`.

    Call arguments:
        x: a tuple of questions and contexts, strings of shape (batch,) or one string each. Because
            KerasHub takes a tuple of two apart, `preprocessor((questions, contexts))`,
            `preprocessor(questions, contexts)` and a dataset of pairs mean the same.
        y, sample_weight: returned as they are.

    Returns:
        the inputs, of shape (batch, sequence_length), or (sequence_length,) for one question; with `y`
        a tuple (inputs, y) or (inputs, y, sample_weight).

    Raises:
        InputError: a call has no pair of strings; see `string_batch`.
    """

    backbone_cls = LVBertBackbone
    tokenizer_cls = LVBertTokenizer

    def __init__(
        self,
        tokenizer: LVBertTokenizer,
        sequence_length: int = 512,
        max_query_length: int = 64,
        doc_stride: int = 128,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.max_query_length = max_query_length
        self.doc_stride = doc_stride

    @property
    def window_sizes(self) -> WindowSizes:
        """The sizes by which `windows` divides contexts.

        Raises:
            InputError: see `WindowSizes`.
        """
        return WindowSizes(self.sequence_length, self.max_query_length, self.doc_stride)

    def windows(self, questions: list[str], contexts: list[str]) -> Windows:
        """Makes for each question as many windows as it takes to read its context.

        Args:
            questions: the questions.
            contexts: the context of each question.

        Raises:
            InputError: see `WindowSizes`.
        """
        return make_windows(self.tokenizer.tokenizer, questions, contexts, self.window_sizes)

    def build(self, input_shape):
        self.built = True

    def call(self, x, y=None, sample_weight=None):
        if not isinstance(x, tuple) and sample_weight is None:
            x, y = (x, y), None
        if not isinstance(x, tuple) or len(x) != 2 or x[1] is None:
            raise InputError("expected questions and contexts: ((questions, contexts), y, weights)")
        (questions, alone), (contexts, _) = map(string_batch, x, ("questions", "contexts"))
        tokenizer = self.tokenizer.tokenizer
        questions, contexts = tokenizer(questions), tokenizer(contexts)
        questions = questions[:, : self.window_sizes.max_query_length]
        segments = tf_text.WaterfallTrimmer(self.sequence_length - 3).trim([questions, contexts])
        cls_id, sep_id = map(tokenizer.vocabulary.id, (CLS, SEP))
        packed = tf_text.combine_segments(segments, cls_id, sep_id)
        shape = (None, self.sequence_length)
        token_ids, segment_ids = (part.to_tensor(shape=shape) for part in packed)
        mask = tf.sequence_mask(packed[0].row_lengths(), self.sequence_length, tf.int32)
        inputs = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": mask}
        inputs = first_row(inputs) if alone else inputs
        return keras.utils.pack_x_y_sample_weight(inputs, y, sample_weight)

    def get_config(self):
        return {
            **super().get_config(),
            "sequence_length": self.sequence_length,
            "max_query_length": self.max_query_length,
            "doc_stride": self.doc_stride,
        }


class LVBertSpanPredictor(keras_hub.models.Task):
    """A model that finds the answer to a question in a context: a backbone with a `SpanHead`.

    `answer` reads a context of any length. The model is fine-tuned by `run_finetuning.py`, not by
    `fit`: while it is trained the head needs the starts of the answers, which `fit` does not pass on.

    Args:
        backbone: an `LVBertBackbone`.
        preprocessor: an `LVBertSpanPredictorPreprocessor`. Its sequences become no longer than the
            backbone has positions. None means that the inputs are token ids.
        joint, beam_size, no_answer: see `SpanHead`.
        answerable_weight: the weight of the loss of the classifier that tells whether there is an
            answer, for a `no_answer` that has one.
        n_best_size: the most answers that are ranked for a question.
        max_answer_length: the most tokens of an answer.
        no_answer_threshold: a `no_answer_score` above this threshold means that there is no answer.
        **kwargs: arguments of `keras_hub.models.Task`.

    Inputs: those of the backbone.

    Outputs: see `SpanHead` in inference.

    Example:

    ```python
    predictor = LVBertSpanPredictor.from_preset("DATA/models/NAME/preset")
    predictor.answer("Where is it hot?", "It is hot in Houston.")["answer"]
    ```
    """

    backbone_cls = LVBertBackbone
    preprocessor_cls = LVBertSpanPredictorPreprocessor

    def __init__(
        self,
        backbone: LVBertBackbone,
        preprocessor: LVBertSpanPredictorPreprocessor | None = None,
        joint: bool = True,
        beam_size: int = 20,
        no_answer: NoAnswer | None = None,
        answerable_weight: float = 0.5,
        n_best_size: int = 20,
        max_answer_length: int = 30,
        no_answer_threshold: float = -2.75,
        **kwargs,
    ):
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        join_parts(self)
        self.span_head = SpanHead(joint, beam_size, no_answer, dtype="float32", name="span_head")

        # === Functional model ===
        inputs = backbone.input
        mask = answer_mask(inputs["segment_ids"], inputs["padding_mask"])
        outputs = self.span_head(backbone(inputs)["sequence_output"], mask)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.joint = joint
        self.beam_size = beam_size
        self.no_answer = no_answer
        self.answerable_weight = answerable_weight
        self.n_best_size = n_best_size
        self.max_answer_length = max_answer_length
        self.no_answer_threshold = no_answer_threshold

    def training_logits(self, inputs, gold_starts, training=None) -> dict[str, tf.Tensor]:
        """Computes the head's logits, given the true starts of the answers; see `SpanHead`."""
        mask = answer_mask(inputs["segment_ids"], inputs["padding_mask"])
        vectors = self.backbone(inputs, training=training)["sequence_output"]
        return self.span_head(vectors, mask, gold_starts, training=training)

    def answer(self, question: str, context: str) -> dict[str, Any]:
        """Answers a question.

        Args:
            question: the question.
            context: a text of any length.

        Returns:
            a dict, see `best_answers`. Its `answer` is the text `context[start:end]`, also where its
            `no_answer_score` means that there is no answer.

        Raises:
            InputError: the model has no preprocessor; or see `WindowSizes`.
        """
        if self.preprocessor is None:
            raise InputError("answering needs a preprocessor")
        windows = self.preprocessor.windows([question], [context])
        length = int(windows.lengths.max())
        outputs: dict[str, list[np.ndarray]] = {}
        for start in range(0, len(windows.lengths), _ROWS_AT_ONCE):
            rows = tf.range(start, min(start + _ROWS_AT_ONCE, len(windows.lengths)))
            for name, values in self(windows.batch(rows, length), training=False).items():
                outputs.setdefault(name, []).extend(values.numpy())
        return self.best_answers(windows, [context], outputs)[0]

    def best_answers(self, windows: Windows, contexts, outputs) -> list[dict[str, Any]]:
        """Ranks the answers of questions with the settings of this model; see `best_answers`."""
        return best_answers(
            windows, contexts, outputs, self.n_best_size, self.max_answer_length, self.no_answer
        )

    def get_config(self):
        return {
            **super().get_config(),
            "joint": self.joint,
            "beam_size": self.beam_size,
            "no_answer": self.no_answer,
            "answerable_weight": self.answerable_weight,
            "n_best_size": self.n_best_size,
            "max_answer_length": self.max_answer_length,
            "no_answer_threshold": self.no_answer_threshold,
        }
