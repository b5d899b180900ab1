"""Dropout whose randomness is an argument: every mask is a function of a seed.

Inside `dropout_seed(seed)` the n-th dropout of a forward pass draws from `(seed, n)`, so a training
step is a function of its inputs and can be replayed bit for bit. Outside such a context (`model.fit`
in a notebook) each `Dropout` uses its own Keras seed generator.
"""

import contextlib
import itertools
import threading
from collections.abc import Iterator

import keras
import tensorflow as tf

from lvbert_tf.layers.kernels import Draw, keep_mask, keep_scale

_active = threading.local()  # replicas of one process are traced in their own threads


@contextlib.contextmanager
def dropout_seed(seed: tf.Tensor) -> Iterator[None]:
    """Makes every dropout inside the context a function of `seed` and of its place in the pass.

    Args:
        seed: integer tensor of shape (2,).
    """
    outer = getattr(_active, "stream", None)
    _active.stream = (tf.cast(seed, tf.int32), itertools.count())
    try:
        yield
    finally:
        _active.stream = outer


@keras.saving.register_keras_serializable(package="lvbert_tf")
class Dropout(keras.layers.Layer):
    """Draws dropout masks, for kernels that apply them, or applies them itself.

    Args:
        rate: the share of values to drop, in [0, 1).
    """

    def __init__(self, rate: float, **kwargs):
        super().__init__(**kwargs)
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"dropout rate {rate} is not in [0, 1)")
        self.rate = rate
        if rate > 0:
            self.seed_generator = keras.random.SeedGenerator()
        self.built = True

    def draw(self, training: bool | None) -> Draw | None:
        """The next draw of a mask; None where nothing is dropped, in inference or at rate 0."""
        return Draw(self._next_seed(), self.rate) if training and self.rate > 0 else None

    def _next_seed(self) -> tf.Tensor:
        stream = getattr(_active, "stream", None)
        if stream is None:
            seed, place = tf.cast(self.seed_generator.next(), tf.int32), 0
        else:
            seed, place = stream[0], next(stream[1])
        seed = tf.random.experimental.stateless_fold_in(seed, place, alg="philox")
        # The second number of what `fold_in` returns is the place as it is, which mixes badly.
        return tf.random.stateless_uniform([2], seed, None, None, tf.uint32, alg="philox")

    def call(self, inputs, training=None):
        draw = self.draw(training)
        if draw is None:
            return inputs
        keep = keep_mask(draw.seed, keras.ops.shape(inputs), draw.rate)
        scale = keras.ops.cast(keep_scale(draw.rate), inputs.dtype)
        return inputs * (keras.ops.cast(keep, inputs.dtype) * scale)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}
