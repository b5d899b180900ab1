"""Strings as KerasHub's preprocessors take them: one, or a batch in any form."""

import tensorflow as tf

from lvbert_tf.errors import InputError


def string_batch(strings, name: str) -> tuple[tf.Tensor, bool]:
    """Strings in the form of a batch.

    Args:
        strings: one string, or a list, array or tensor of shape (batch,); or a tuple of one of these.
        name: what they are, for errors.

    Returns:
        strings of shape (batch,), and whether there was only one, without a batch.

    Raises:
        InputError: they are no strings, or of another shape.
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
    """What was made of a batch of one, without the batch."""
    return tf.nest.map_structure(lambda value: value[0], values)
