"""LAMB: Adam with a trust ratio for each layer, for large batches (You et al. 2020)."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from lvbert_tf.training.optimizer import ReferenceAdam, adam_direction


def _norms(value, sizes):
    """The norm of each variable in a flat array of variables, repeated for its elements."""
    if len(sizes) == 1:
        return tf.norm(value)
    norms = tf.stack([tf.norm(part) for part in tf.split(value, sizes)])
    return tf.gather(norms, np.repeat(np.arange(len(sizes), dtype=np.int32), sizes))


def _lamb_direction(weight, first, second, decay, epsilon, correction_1, correction_2, *sizes):
    update = adam_direction(weight, first / correction_1, second / correction_2, decay, epsilon)
    weight_norm, update_norm = _norms(weight, sizes), _norms(update, sizes)
    defined = (weight_norm > 0) & (update_norm > 0)
    return update * tf.where(defined, weight_norm / update_norm, 1.0)


class Lamb(ReferenceAdam):
    """LAMB (You et al. 2020, algorithm 2), with the weight decay of `ReferenceAdam`.

    `u = m' / (sqrt(v') + eps) + decay x w` and `w -= rate x |w| / |u| x u`, where `m'` and `v'` are
    Adam's moments with bias correction. The norms are those of one variable. Where one of them is zero,
    their ratio is replaced by 1. As in `ReferenceAdam`, the weights of LayerNorms and the biases are not
    decayed; the ratio scales their updates, too.

    The arguments are those of `ReferenceAdam`. Without decay it agrees with `keras.optimizers.Lamb`
    within 1e-6 (tests/training/test_lamb.py).
    """

    direction = staticmethod(_lamb_direction)

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **{"name": "lamb", **options})

    def more_arguments(self, sizes: Sequence[int]) -> tuple:
        update = tf.cast(self.iterations.value, tf.float32) + 1.0
        corrections = (1.0 - tf.pow(beta, update) for beta in (self.beta_1, self.beta_2))
        return (*corrections, *sizes)
