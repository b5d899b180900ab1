"""Dropout whose randomness is an argument: every mask is a function of a seed.

Inside `dropout_seed(seed)` the n-th dropout of a forward pass has the n-th seed of those that are drawn
from `seed`, so a training step is a function of its inputs and can be replayed bit for bit. Outside such
a context (`model.fit` in a notebook) each `Dropout` uses its own Keras seed generator.
"""

import contextlib
import threading
from collections.abc import Iterator

import keras
import tensorflow as tf

from lvbert_tf.layers.kernels import Draw, keep_mask, keep_scale

# Drawn at once, because a draw for each dropout was half of the instructions of a step on a TPU.
_SEEDS_AT_ONCE = 1024

_active = threading.local()  # replicas of one process are traced in their own threads


class _Seeds:
    """The seeds of the dropouts of a forward pass, in order."""

    def __init__(self, seed: tf.Tensor):
        self._seed = tf.cast(seed, tf.int32)
        self._count = 0
        # Now, because the next dropout may be in a branch of a conditional.
        self._first = _draw_seeds(self._seed)

    def next(self) -> tf.Tensor:
        group, place = divmod(self._count, _SEEDS_AT_ONCE)
        self._count += 1
        if group == 0:
            return self._first[place]
        seed = tf.random.experimental.stateless_fold_in(self._seed, group, alg="philox")
        return _draw_seeds(seed)[place]


def _draw_seeds(seed):
    shape = [_SEEDS_AT_ONCE, 2]
    return tf.random.stateless_uniform(shape, seed, None, None, tf.uint32, alg="philox")


@contextlib.contextmanager
def dropout_seed(seed: tf.Tensor) -> Iterator[None]:
    """Makes every dropout inside the context a function of `seed` and of its place in the pass.

    Args:
        seed: integer tensor of shape (2,).
    """
    outer = getattr(_active, "seeds", None)
    _active.seeds = _Seeds(seed)
    try:
        yield
    finally:
        _active.seeds = outer


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
        seeds = getattr(_active, "seeds", None)
        return _Seeds(self.seed_generator.next()).next() if seeds is None else seeds.next()

    def call(self, inputs, training=None):
        draw = self.draw(training)
        if draw is None:
            return inputs
        keep = keep_mask(draw.seed, keras.ops.shape(inputs), draw.rate)
        scale = keras.ops.cast(keep_scale(draw.rate), inputs.dtype)
        return inputs * (keras.ops.cast(keep, inputs.dtype) * scale)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}
