"""Converts the forms in which KerasHub's preprocessors take strings to a batch."""

import tensorflow as tf

from lvbert_tf.errors import InputError


def string_batch(strings, name: str) -> tuple[tf.Tensor, bool]:
    """Converts strings to a batch.

    Args:
        strings: one string; or a list, array or tensor of shape (batch,); or a tuple of one of these.
        name: the name of the argument, for messages.

    Returns:
        a string tensor of shape (batch,), and whether `strings` was a single string without a batch.

    Raises:
        InputError: `strings` holds something else than strings, or has another shape.
    """
    if isinstance(strings, tuple) and len(strings) == 1:
        (strings,) = strings
    if isinstance(strings, (dict, tuple, tf.RaggedTensor)):
        raise _unusable(strings, name)
    try:
        batch = tf.convert_to_tensor(strings, tf.string)
    except (TypeError, ValueError, tf.errors.OpError) as error:
        raise _unusable(strings, name) from error
    if batch.shape.rank == 0:
        return batch[tf.newaxis], True
    if batch.shape.rank not in (1, None):
        raise _unusable(batch, name)
    return batch, False


def _unusable(value, name: str) -> InputError:
    kind = type(value).__name__
    if hasattr(value, "shape"):
        kind += f" of {tf.as_dtype(value.dtype).name} and shape {tuple(value.shape)}"
    elif isinstance(value, tuple):
        kind += f" of {len(value)}"
    return InputError(f"{name}: expected a string or strings of shape (batch,), got a {kind}")


def first_row(values):
    """Takes the batch axis off a structure of tensors that were made from a batch of one."""
    return tf.nest.map_structure(lambda value: value[0], values)
