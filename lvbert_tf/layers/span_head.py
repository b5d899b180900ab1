"""The head of question answering: where an answer starts and ends, and whether there is one."""

from collections.abc import Callable
from typing import Literal

import keras
import tensorflow as tf
from keras import ops

from lvbert_tf.layers.dense import Dense, output_dense
from lvbert_tf.layers.kernels import bias_gelu

NoAnswer = Literal["likely_starts", "first_vector", "span"]

_HIDDEN_DIM = 512  # whatever the encoder's width, as in the reference
_FORBIDDEN = 1000.0  # subtracted from logits where no answer may start or end


def answer_mask(segment_ids, padding_mask):
    """1 where an answer may start and end: in the second segment, and at [CLS] for "no answer".

    Args:
        segment_ids, padding_mask: integers of shape (batch, length).
    """
    mask = segment_ids * padding_mask
    return ops.concatenate([ops.ones_like(mask[:, :1]), mask[:, 1:]], axis=1)


@keras.saving.register_keras_serializable(package="lvbert_tf")
class SpanHead(keras.layers.Layer):
    """Logits of an answer's start and, for a given start, of its end; and whether there is an answer.

    The head of ELECTRA's code for SQuAD. The start's logits are `x w + b`; the end's are
    `gelu([s ; x] W + c) v + d`, with s the vector at the start.

    Args:
        joint: whether the end depends on the start; if not, its logits are `x v + d`.
        beam_size: in inference, the number of best starts, and of best ends for each of them.
        no_answer: how the absence of an answer is scored. "likely_starts" is a classifier that reads
            the first vector and the mean of all vectors, weighted by the probability that the answer
            starts there; "first_vector" is a classifier that reads the first vector alone; "span" is
            the score of the span from the first position to itself. None if every question has an
            answer.

    Call arguments:
        x: shape (batch, length, width).
        answer_mask: shape (batch, length), see `answer_mask`.
        gold_starts: where the answers start, integers of shape (batch,); for training.

    Returns:
        With `gold_starts`, a dict of float32 logits: `start_logits` and `end_logits` of shape (batch,
        length), and with a classifier `no_answer_score` of shape (batch,), positive for no answer.

        Without, the best spans, for k = min(beam_size, length): `starts`, int32 of shape (batch, k),
        and `ends`, int32 of shape (batch, k, k), the ends for each start; `start_scores` and
        `end_scores` of the same shapes, log probabilities if `joint`, else logits; and with any
        `no_answer` a `no_answer_score` of shape (batch,): the classifier's logit, or the sum of the
        start's and the end's score of the span.
    """

    def __init__(
        self,
        joint: bool = True,
        beam_size: int = 20,
        no_answer: NoAnswer | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.joint = joint
        self.beam_size = beam_size
        self.no_answer = no_answer
        self.start_logit = self._dense(1, "start_logit")
        self.end_hidden = self._dense(_HIDDEN_DIM, "end_hidden") if joint else None
        self.end_logit = self._dense(1, "end_logit")
        self.no_answer_hidden = (
            self._dense(_HIDDEN_DIM, "no_answer_hidden") if no_answer == "likely_starts" else None
        )
        self.no_answer_logit = self._dense(1, "no_answer_logit") if self.classifies else None

    def _dense(self, units: int, name: str) -> Dense:
        return output_dense(units, name, self.dtype_policy)

    @property
    def classifies(self) -> bool:
        """Whether a classifier scores the absence of an answer."""
        return self.no_answer in ("likely_starts", "first_vector")

    def build(self, x_shape, answer_mask_shape=None, gold_starts_shape=None):
        width = x_shape[-1]
        self.start_logit.build((None, width))
        for hidden, logit in (
            (self.end_hidden, self.end_logit),
            (self.no_answer_hidden, self.no_answer_logit),
        ):
            if hidden is not None:
                hidden.build((None, 2 * width))
            if logit is not None:
                logit.build((None, width if hidden is None else _HIDDEN_DIM))

    def call(self, x, answer_mask, gold_starts=None):
        start_logits = _masked(self.start_logit(x), answer_mask)
        end_logits = self._end_logits(x, answer_mask)
        no_answer = {}
        if self.no_answer_logit is not None:
            score = self._classify(self.no_answer_logit, x, start_logits)
            no_answer = {"no_answer_score": score}
        if gold_starts is not None:
            ends = end_logits(tf.cast(gold_starts, tf.int32))
            return {"start_logits": start_logits, "end_logits": ends, **no_answer}

        score = tf.nn.log_softmax if self.joint else tf.identity
        start_scores = score(start_logits)
        if self.no_answer == "span":
            first = tf.zeros([tf.shape(x)[0]], tf.int32)
            no_answer = {"no_answer_score": start_scores[:, 0] + score(end_logits(first))[:, 0]}
        return {
            **self._best_spans(start_scores, lambda starts: score(end_logits(starts))),
            **no_answer,
        }

    def _end_logits(self, x, answer_mask) -> Callable:
        """The function from starts, int32 of shape (batch,), to logits of shape (batch, length)."""
        if self.end_hidden is None:
            logits = _masked(self.end_logit(x), answer_mask)
            return lambda starts: logits
        kernel, bias = map(ops.convert_to_tensor, (self.end_hidden.kernel, self.end_hidden.bias))
        of_starts, of_ends = tf.split(
            kernel, 2
        )  # [s ; x] W = s W1 + x W2, and x W2 serves every start
        from_ends = ops.matmul(x, of_ends)  # (batch, length, _HIDDEN_DIM)

        def logits_after(starts):
            start_vectors = tf.gather(x, starts, batch_dims=1)  # (batch, width)
            from_starts = ops.matmul(start_vectors, of_starts)  # (batch, _HIDDEN_DIM)
            hidden = bias_gelu(from_ends + tf.expand_dims(from_starts, 1), bias)
            return _masked(self.end_logit(hidden), answer_mask)

        return logits_after

    def _classify(self, logit, x, start_logits):
        """`gelu([first vector ; mean of vectors] W + b) w + c`, of shape (batch,)."""
        vectors = x[:, 0]  # (batch, width)
        if self.no_answer_hidden is not None:
            weights = tf.cast(tf.nn.softmax(start_logits), x.dtype)  # (batch, length)
            starts = tf.linalg.matvec(x, weights, transpose_a=True)  # (batch, width)
            product, bias = self.no_answer_hidden.product(tf.concat([vectors, starts], -1))
            vectors = bias_gelu(product, bias)  # (batch, _HIDDEN_DIM)
        return tf.cast(tf.squeeze(logit(vectors), -1), tf.float32)

    def _best_spans(self, start_scores, end_scores_after: Callable):
        length = start_scores.shape[1]
        k = tf.minimum(self.beam_size, tf.shape(start_scores)[1])
        if length is not None:
            k = min(self.beam_size, length)
        start_scores, starts = tf.math.top_k(start_scores, k)
        end_scores, ends = self._best_ends(starts, end_scores_after, k)
        return {
            "starts": starts,
            "start_scores": start_scores,
            "ends": ends,
            "end_scores": end_scores,
        }

    def _best_ends(self, starts, end_scores_after: Callable, k):
        """The k best ends after each of the k starts: scores and positions, (batch, k, k).

        The starts are taken one after the other, because all at once need gigabytes. The loop fills in
        tensors instead of gathering a list, because TensorFlow Lite has only lists of fixed shapes.
        """
        places = tf.reshape(tf.range(k), (1, k, 1))

        def fill(place, scores, ends):
            best = tf.math.top_k(end_scores_after(tf.gather(starts, place, axis=1)), k)
            scores, ends = (
                tf.where(places == place, tf.expand_dims(found, 1), filled)
                for found, filled in zip(best, (scores, ends), strict=True)
            )
            return place + 1, scores, ends

        shape = (tf.shape(starts)[0], k, k)
        empty = (tf.zeros(shape, tf.float32), tf.zeros(shape, tf.int32))
        loop = tf.while_loop(
            lambda place, *_: place < k, fill, (tf.constant(0), *empty), parallel_iterations=1
        )
        return loop[1:]

    def get_config(self):
        return {
            **super().get_config(),
            "joint": self.joint,
            "beam_size": self.beam_size,
            "no_answer": self.no_answer,
        }


def _masked(logits, answer_mask):
    """Logits of shape (batch, length, 1) as float32 of shape (batch, length), the mask applied."""
    logits = tf.cast(tf.squeeze(logits, -1), tf.float32)
    return logits + _FORBIDDEN * (tf.cast(answer_mask, tf.float32) - 1.0)
