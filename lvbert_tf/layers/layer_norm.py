"""Layer normalisation."""

import keras
from keras import ops

from lvbert_tf.layers.kernels import layer_norm


@keras.saving.register_keras_serializable(package="lvbert_tf")
class LayerNorm(keras.layers.Layer):
    """Layer normalisation (Ba et al., 2016), computed in float32 whatever the precision policy.

    Args:
        epsilon: added to the variance; the reference's 1e-12.

    Call arguments:
        x: shape (..., width).
    """

    def __init__(self, epsilon: float = 1e-12, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, x_shape):
        width = (x_shape[-1],)
        self.gamma = self.add_weight(shape=width, initializer="ones", name="gamma", autocast=False)
        self.beta = self.add_weight(shape=width, initializer="zeros", name="beta", autocast=False)

    def call(self, x):
        x = ops.cast(x, self.compute_dtype)
        return layer_norm(x, self.gamma, self.beta, epsilon=self.epsilon)

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
