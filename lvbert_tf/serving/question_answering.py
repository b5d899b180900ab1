"""Signatures of a model that finds the answers to questions in contexts of any length."""

import tensorflow as tf

from lvbert_tf.models import LVBertSpanPredictor
from lvbert_tf.models.best_answers import NO_SPAN, has_most_context
from lvbert_tf.serving.inputs import Signature, Tensors, ids_signature, signature, valid
from lvbert_tf.text.windows import Windows, divide, encode_contexts, encode_questions

# The windows of a long context go through the model so many at a time, which bounds the memory.
_ROWS_AT_ONCE = 16
_IMPOSSIBLE = float("-inf")


def span_predictor_signatures(model: LVBertSpanPredictor) -> dict[str, Signature]:
    """Makes the signatures of a span predictor.

    Returns:
      `serving_default` returns for each question the best `answer`, a part of its context; the offsets
      of the answer in characters, `start` and `end`; and its `score`; all [batch]. If no answer is
      possible, the answer is "", start and end are -1, and the score is -inf. A model that recognises
      questions without an answer also returns `no_answer_score`, and in `answerable` whether that score
      is at most the model's threshold; `answer` is the best one in any case.
      `predict_ids` returns the outputs of `SpanHead`.
    """
    preprocessor = model.preprocessor
    assert preprocessor is not None
    tokenizer, sizes = preprocessor.tokenizer.tokenizer, preprocessor.window_sizes

    def answer(question, context):
        count = tf.size(question)
        # TensorFlow cannot stack the results of an empty loop. An empty batch gets a row, which is
        # removed at the end.
        filler = tf.fill([1 - tf.minimum(count, 1)], "")
        question = tf.concat([question, filler], 0)
        context = valid(tf.concat([context, filler], 0))
        windows = divide(
            encode_questions(tokenizer, question, sizes.max_query_length),
            *encode_contexts(tokenizer, context),
            tf.range(tf.size(context)),
            sizes,
            tokenizer.vocabulary.sep_id,
        )
        outputs = _all_rows(model, windows)
        first, last, score = best_spans(windows, outputs, model.max_answer_length)
        found = score > _IMPOSSIBLE
        start = tf.where(found, _value_at(windows.token_starts, first), -1)
        end = tf.where(found, _value_at(windows.token_ends, last), -1)
        answers = {
            "answer": tf.strings.substr(context, tf.maximum(start, 0), end - start, "UTF8_CHAR"),
            "start": start,
            "end": end,
            "score": score,
        }
        if model.no_answer is not None:
            lowest = tf.math.segment_min(outputs["no_answer_score"], windows.question)
            if model.no_answer == "span":
                lowest -= tf.where(found, score, NO_SPAN)
            answers["no_answer_score"] = lowest
            answers["answerable"] = lowest <= model.no_answer_threshold
        return {name: value[:count] for name, value in answers.items()}

    def spans(inputs: Tensors) -> Tensors:
        return model(inputs, training=False)

    return {
        "serving_default": signature(answer, "question", "context"),
        "predict_ids": ids_signature(spans, model.backbone),
    }


def _all_rows(model: LVBertSpanPredictor, windows: Windows) -> dict[str, tf.Tensor]:
    """The outputs of `SpanHead` for all rows."""
    rows = tf.size(windows.question)
    first = tf.cast(windows.question_ids.row_lengths(), tf.int32)
    lengths = tf.gather(first, windows.question) + windows.length + 1
    length = tf.reduce_max(lengths)
    portion = tf.minimum(rows, _ROWS_AT_ONCE)

    def outputs_of(number):
        chosen = tf.minimum(number * portion + tf.range(portion), rows - 1)
        return model(windows.batch(chosen, length), training=False)

    count = -(-rows // portion)
    specs = {
        name: tf.TensorSpec([None] * len(output.shape), output.dtype)
        for name, output in model.output.items()
    }
    portions = tf.map_fn(
        outputs_of, tf.range(count), fn_output_signature=specs, parallel_iterations=1
    )
    return {
        name: tf.reshape(value, tf.concat([[count * portion], tf.shape(value)[2:]], 0))[:rows]
        for name, value in portions.items()
    }


def best_spans(
    windows: Windows, outputs: Tensors, max_answer_length: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Finds the best span of each question in a graph, by the rules of `models.best_answers`.

    Args:
      windows: the windows of the questions.
      outputs: the outputs of `SpanHead` for all rows.
      max_answer_length: the most tokens of an answer.

    Returns:
      The indices of the first and of the last token in the context, int32 [questions], and the score,
      float32 [questions], which is -inf if no span is possible.
    """
    rows = tf.range(tf.size(windows.question))[:, tf.newaxis]
    first_position = tf.cast(windows.question_ids.row_lengths(), tf.int32)
    first_position = tf.gather(first_position, windows.question)[:, tf.newaxis]
    length = windows.length[:, tf.newaxis]
    starts = outputs["starts"] - first_position
    ends = outputs["ends"] - first_position[..., tf.newaxis]
    token = starts + windows.start[:, tf.newaxis]
    possible = (starts >= 0) & (starts < length) & has_most_context(windows, rows, token)
    distance = ends - starts[..., tf.newaxis]
    possible = possible[..., tf.newaxis] & (distance >= 0) & (distance < max_answer_length)
    possible &= ends < length[..., tf.newaxis]

    scores = outputs["start_scores"][..., tf.newaxis] + outputs["end_scores"]
    scores = _flat(tf.where(possible, scores, _IMPOSSIBLE))
    best = tf.argmax(scores, axis=-1, output_type=tf.int32)
    first = tf.gather(_flat(token[..., tf.newaxis] + 0 * distance), best, batch_dims=1)
    last = first + tf.gather(_flat(distance), best, batch_dims=1)
    score = tf.reduce_max(scores, axis=-1)

    # The row with the best score of each question; the first one if several have the same score.
    highest = tf.math.segment_max(score, windows.question)
    is_best = score == tf.gather(highest, windows.question)
    row = tf.where(is_best, rows[:, 0], tf.size(score))
    row = tf.math.segment_min(row, windows.question)
    return tf.gather(first, row), tf.gather(last, row), highest


def _flat(spans: tf.Tensor) -> tf.Tensor:
    """Reshapes [rows, starts, ends] to [rows, starts x ends]."""
    shape = tf.shape(spans)
    return tf.reshape(spans, [shape[0], shape[1] * shape[2]])


def _value_at(column: tf.RaggedTensor, index: tf.Tensor) -> tf.Tensor:
    """`column[i, index[i]]` at [i]; any value of the row if the index is out of its range."""
    last = tf.cast(column.row_lengths(), tf.int32) - 1
    index = tf.cast(tf.clip_by_value(index, 0, last), column.row_splits.dtype)
    return tf.gather(column.values, column.row_starts() + index)
