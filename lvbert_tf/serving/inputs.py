"""Puts the tokenizer into the graphs of signatures: strings become the inputs of a backbone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from lvbert_tf.models import LVBertBackbone
from lvbert_tf.text import Tokenizer
from lvbert_tf.text.offsets import character_offsets
from lvbert_tf.text.packing import pack, pack_values

Tensors = Mapping[str, tf.Tensor]
# A `tf.function` with an input signature; its outputs are a dict of tensors with as many rows as the
# inputs.
Signature: TypeAlias = Any

# The names of a backbone's inputs, in their order.
INPUTS = ("token_ids", "segment_ids", "padding_mask")


def signature(function: Callable[..., Tensors], *names: str) -> Signature:
    """Makes a graph of a function of strings [batch].

    Args:
      function: takes string tensors and returns a dict of tensors.
      *names: the names of the arguments.
    """
    specs = [tf.TensorSpec([None], tf.string, name) for name in names]
    return tf.function(function, input_signature=specs, autograph=False)


def ids_signature(function: Callable[[Tensors], Tensors], backbone: LVBertBackbone) -> Signature:
    """Makes a graph of a function of a backbone's inputs.

    The arguments of the graph are `token_ids`, `segment_ids` and `padding_mask` (1 at real tokens),
    int32 [batch, length]. TensorFlow refuses inputs that the backbone cannot read, see `_checked`;
    converters to other engines leave these checks out.
    """
    specs = [tf.TensorSpec([None, None], tf.int32, name) for name in INPUTS]
    return tf.function(
        lambda *columns: function(_checked(dict(zip(INPUTS, columns, strict=True)), backbone)),
        input_signature=specs,
        autograph=False,
    )


def takes_ids(graph: Signature) -> bool:
    """Whether a graph was made by `ids_signature`."""
    return tuple(spec.name for spec in graph.input_signature) == INPUTS


def _checked(inputs: Tensors, backbone: LVBertBackbone) -> dict[str, tf.Tensor]:
    """Returns the inputs after checks of their shapes and values.

    Without the checks there would be wrong answers: a negative id counts from the end of the table, an
    unknown segment adds nothing, and inputs of different shapes are broadcast.

    Raises:
      tf.errors.InvalidArgumentError: an input is wrong; raised when the graph runs. The message has the
        name of the input, the value and the limits.
    """
    shape = tf.shape(inputs["token_ids"])
    longest = backbone.max_sequence_length
    checks = [_require((shape[1] > 0) & (shape[1] <= longest), f"1 to {longest} tokens", shape[1])]
    for name in INPUTS[1:]:
        other = tf.shape(inputs[name])
        same = tf.reduce_all(other == shape)
        checks.append(_require(same, f"{name} of the shape of token_ids", other))
    limits = (backbone.vocabulary_size, backbone.num_segments, 2)
    for name, limit in zip(INPUTS, limits, strict=True):
        lowest, highest = tf.reduce_min(inputs[name]), tf.reduce_max(inputs[name])
        wrong = tf.where(lowest < 0, lowest, highest)
        right = (lowest >= 0) & (highest < limit)
        checks.append(_require(right, f"{name} from 0 to {limit - 1}", wrong))
    with tf.control_dependencies(checks):
        return {name: tf.identity(values) for name, values in inputs.items()}


def _require(condition: tf.Tensor, wanted: str, found: tf.Tensor) -> tf.Operation:
    # `tf.debugging.Assert` would put this operation into a conditional, which other engines cannot drop.
    return tf.raw_ops.Assert(condition=condition, data=[f"expected {wanted}, got", found])


def valid(strings: tf.Tensor) -> tf.Tensor:
    """Removes bytes that are not UTF-8 from strings, as `decode("utf-8", "ignore")` does."""
    return tf.strings.unicode_transcode(strings, "UTF-8", "UTF-8", errors="ignore")


def padded(token_ids: tf.RaggedTensor, segment_ids: tf.RaggedTensor) -> dict[str, tf.Tensor]:
    """Pads rows of tokens to the longest row, which makes short texts fast.

    Returns:
      The inputs of a backbone, each int32 [batch, length].
    """
    lengths = token_ids.row_lengths()
    longest = tf.reduce_max(tf.concat([[1], lengths], 0))  # 1 if there are no rows
    shape = tf.stack([token_ids.nrows(), longest])
    columns = (
        token_ids.to_tensor(shape=shape),
        segment_ids.to_tensor(shape=shape),
        tf.sequence_mask(lengths, longest, tf.int32),
    )
    return dict(zip(INPUTS, columns, strict=True))


def text_inputs(
    tokenizer: Tokenizer, texts: Sequence[tf.Tensor], max_length: int
) -> dict[str, tf.Tensor]:
    """Makes the inputs of a backbone from texts, or from pairs of texts.

    Args:
      tokenizer: the tokenizer of the model.
      texts: one or two tensors of strings [batch].
      max_length: the most tokens of a row; the longer of two texts is cut first, as in training.
    """
    return padded(*pack([tokenizer(part) for part in texts], tokenizer.vocabulary, max_length))


def text_inputs_with_offsets(
    tokenizer: Tokenizer, text: tf.Tensor, max_length: int
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Makes the inputs of a backbone from texts, and the offsets of their tokens.

    Returns:
      The inputs; and `starts` and `ends`, the offsets in characters of each token in its text, int32
      [batch, length]. Both are 0 at special tokens and padding.
    """
    text = valid(text)
    ids, *offsets = tokenizer.tokenize_with_offsets(text)
    inputs = padded(*pack([ids], tokenizer.vocabulary, max_length))
    columns = (
        pack_values(character_offsets(text, column), max_length).to_tensor(
            shape=tf.shape(inputs["token_ids"], tf.int64)
        )
        for column in offsets
    )
    return inputs, dict(zip(("starts", "ends"), columns, strict=True))


def probabilities(outputs: tf.Tensor, activation: Callable) -> tf.Tensor:
    """Turns the outputs of a classifier into probabilities, float32."""
    is_logits = activation is keras.activations.linear
    return tf.cast(tf.nn.softmax(outputs) if is_logits else outputs, tf.float32)
