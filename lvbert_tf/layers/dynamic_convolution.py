"""The dynamic convolution layer, `C`."""

import keras
from keras import ops

from lvbert_tf.architecture.layer_types import DIRECTIONS, KERNEL_SIZE
from lvbert_tf.layers.dense import MergedDense, truncated_normal
from lvbert_tf.layers.kernels import (
    average_over_window,
    depthwise_convolution,
    gated_linear_unit,
    softmax_over_taps,
)


@keras.saving.register_keras_serializable(package="lvbert_tf")
class DynamicConvolution(keras.layers.Layer):
    """Dynamic convolution as LV-BERT defines it (Yu et al., 2021, section 3.1).

    Every position averages the values in a window around it. Each head computes `KERNEL_SIZE` weights
    for this at every position, its taps (Wu et al., 2019, section 3):

        value = (x V + v) * sigmoid(x G + g)
        weights = softmax(separable(value) T + t)
        y[i] = sum over k of weights[i, k] value[i + k - left]

    where `left` is the number of positions that the window reaches to the left. The separable
    convolution is a depthwise one over the same window and then a pointwise one. Through it the weights
    depend on a span, as in ConvBERT's span-based dynamic convolution (Jiang et al., 2020), but they are
    not multiplied by a query. One dense layer, `value_gate`, computes `x V + v` and `x G + g`. The dense
    layer after the heads is not here but in `ResidualBlock`.

    Args:
        hidden_dim: width of input and output.
        num_heads: number of heads; `hidden_dim` is a multiple of it.
        mask_padding: whether to set `value` to 0 at padding, so that the result does not depend on how
            much padding follows the sequence. The reference does not, so its checkpoints need False.
        direction: "both" (the window is centred on the position), "left_to_right" (the window ends at
            the position) or "right_to_left" (the window starts there).
        initializer_range: standard deviation of the truncated normal initialiser.

    Call arguments:
        x: shape (batch, length, hidden_dim).
        padding_mask: shape (batch, length), 1 at real tokens.
    """

    def __init__(
        self,
        hidden_dim: int,
        num_heads: int,
        mask_padding: bool = True,
        direction: str = "both",
        initializer_range: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if hidden_dim % num_heads:
            raise ValueError(f"hidden_dim {hidden_dim} is not divisible by num_heads {num_heads}")
        if direction not in DIRECTIONS:
            raise ValueError(f"direction {direction!r} is not one of {', '.join(DIRECTIONS)}")
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.mask_padding = mask_padding
        self.direction = direction
        self.initializer_range = initializer_range
        parts = ("value", "gate")
        self.value_gate = MergedDense(
            parts, hidden_dim, initializer_range, dtype=self.dtype_policy, name="value_gate"
        )
        self.value, self.gate = map(self.value_gate.make_part, parts)

    @property
    def output_dim(self) -> int:
        return self.hidden_dim

    def build(self, x_shape, padding_mask_shape=None):
        def weight(name, shape, initializer):
            return self.add_weight(shape=shape, initializer=initializer, name=name, autocast=False)

        for layer in (self.value_gate, self.value, self.gate):
            layer.build(x_shape)
        width, taps = self.hidden_dim, self.num_heads * KERNEL_SIZE
        self.depthwise_kernel = weight(
            "depthwise_kernel", (KERNEL_SIZE, width), truncated_normal(1.0 / KERNEL_SIZE)
        )
        self.pointwise_kernel = weight(
            "pointwise_kernel", (width, width), truncated_normal(self.initializer_range)
        )
        self.pointwise_bias = weight("pointwise_bias", (width,), "zeros")
        self.taps_kernel = weight("taps_kernel", (width, taps), "glorot_uniform")
        self.taps_bias = weight("taps_bias", (taps,), "zeros")

    @property
    def window(self) -> tuple[int, int]:
        """How many positions to the left and to the right the window reaches."""
        reach = KERNEL_SIZE - 1
        return {
            "both": (reach // 2, reach // 2),
            "left_to_right": (reach, 0),
            "right_to_left": (0, reach),
        }[self.direction]

    def call(self, x, padding_mask):
        mask = padding_mask if self.mask_padding else ops.ones_like(padding_mask)
        batch, length, _ = ops.shape(x)
        padded = length + KERNEL_SIZE - 1

        # value = (x V + v) * sigmoid(x G + g), of shape (batch, padded, hidden_dim)
        product, bias = self.value_gate.product(x)  # x [V G], [v g]
        product = ops.reshape(product, (batch, length, 2, self.hidden_dim))
        bias = ops.reshape(bias, (2, self.hidden_dim))
        value = gated_linear_unit(product, bias, mask, window=self.window)

        # weights = softmax(separable(value) T + t), of shape (batch, length, num_heads, KERNEL_SIZE)
        matrix, bias = self._pointwise_and_taps()
        depthwise = depthwise_convolution(value, self.depthwise_kernel)
        logits = ops.matmul(depthwise, ops.cast(matrix, depthwise.dtype))
        weights = softmax_over_taps(logits, bias, num_heads=self.num_heads)

        # y[i] = sum over k of weights[i, k] value[i + k - left], of shape (batch, length, hidden_dim)
        shape = (batch, padded, self.num_heads, self.hidden_dim // self.num_heads)
        averaged = average_over_window(weights, ops.reshape(value, shape))
        return ops.reshape(averaged, (batch, length, self.hidden_dim))

    def _pointwise_and_taps(self):
        """The pointwise convolution and the dense layer to the taps as one: its weight matrix and bias.

        Everything between the depthwise convolution d and the softmax is linear, so
        `(d P + p) T + t = d (P T) + (p T + t)`. To multiply d by P first would cost as much as a dense
        layer of the full width; P T has only `num_heads x KERNEL_SIZE` columns.
        """
        matrix = ops.matmul(self.pointwise_kernel, self.taps_kernel)
        bias = ops.matmul(self.pointwise_bias[None], self.taps_kernel)[0] + self.taps_bias
        return matrix, bias

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "mask_padding": self.mask_padding,
            "direction": self.direction,
            "initializer_range": self.initializer_range,
        }
