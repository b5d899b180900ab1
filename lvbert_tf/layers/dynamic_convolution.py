"""The dynamic convolution layer, `C`."""

import keras
import tensorflow as tf
from keras import ops

from lvbert_tf.layers.compiled import compiled
from lvbert_tf.layers.dense import dense
from lvbert_tf.layers.rows import add_row
from lvbert_tf.layers.self_attention import DIRECTIONS


@compiled
def _gated_linear_unit(product, bias, mask, *, window):
    """`values * sigmoid(gates) * mask`, with zeros around (Dauphin et al., 2017)."""
    values, gates = tf.split(tf.cast(add_row(product, bias), tf.float32), 2, axis=-1)
    gated = values * tf.sigmoid(gates) * tf.cast(mask, tf.float32)[:, :, None]
    return tf.cast(tf.pad(gated, ((0, 0), window, (0, 0))), product.dtype)


@compiled
def _softmax_over_taps(logits, bias, *, num_heads):
    """(batch, length, heads x taps) -> (batch, heads, length, taps)."""
    batch, length, _ = tf.unstack(tf.shape(logits))
    wide = tf.cast(logits, tf.float32) + tf.cast(bias, tf.float32)
    taps = tf.nn.softmax(
        tf.reshape(wide, (batch, length, num_heads, logits.shape[-1] // num_heads))
    )
    return tf.cast(tf.transpose(taps, (0, 2, 1, 3)), logits.dtype)


@keras.saving.register_keras_serializable(package="lvbert_tf")
class DynamicConvolution(keras.layers.Layer):
    """Dynamic convolution as LV-BERT defines it (Yu et al., 2021, section 3.1).

    `value = dense(x) * sigmoid(dense(x))`; a depthwise-separable convolution over `value` and a
    dense layer give each position and head a softmax over the taps, with which the head's `value` is
    averaged over the window. The output dense layer is the residual block's.

    Between the depthwise convolution and the softmax everything is linear, so its three kernels are
    multiplied first and applied as ONE ordinary convolution to `heads x taps` channels: the same
    function and the same gradients at a fraction of the cost. The weighted average is a product with
    a banded matrix.

    Args:
        hidden_dim: width of input and output.
        num_heads: divides `hidden_dim`.
        kernel_size: taps, odd.
        mask_padding: set `value` to 0 at padding, so that a result does not depend on how much
            padding follows the sequence. The reference does not; its checkpoints want False.
        direction: "both" (window centred), "left_to_right" (window ends at the position) or
            "right_to_left" (starts there).
        initializer_range: standard deviation of the truncated normal initialiser.

    Call arguments:
        x: shape (batch, length, hidden_dim).
        padding_mask: shape (batch, length), 1 at real tokens.
    """

    def __init__(
        self,
        hidden_dim: int,
        num_heads: int,
        kernel_size: int = 9,
        mask_padding: bool = True,
        direction: str = "both",
        initializer_range: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if hidden_dim % num_heads:
            raise ValueError(f"hidden_dim {hidden_dim} is not divisible by num_heads {num_heads}")
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size {kernel_size} is not odd")
        if direction not in DIRECTIONS:
            raise ValueError(f"direction {direction!r} is not one of {', '.join(DIRECTIONS)}")
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.kernel_size = kernel_size
        self.mask_padding = mask_padding
        self.direction = direction
        self.initializer_range = initializer_range
        self.value_gate = dense(2 * hidden_dim, initializer_range, self.dtype_policy, "value_gate")

    @property
    def output_dim(self) -> int:
        return self.hidden_dim

    def build(self, x_shape, padding_mask_shape=None):
        width, taps = self.hidden_dim, self.num_heads * self.kernel_size
        truncated_normal = keras.initializers.TruncatedNormal
        self.value_gate.build(x_shape)
        self.depthwise_kernel = self.add_weight(
            shape=(self.kernel_size, width),
            initializer=truncated_normal(stddev=1.0 / self.kernel_size),
            name="depthwise_kernel",
            autocast=False,
        )
        self.pointwise_kernel = self.add_weight(
            shape=(width, width),
            initializer=truncated_normal(stddev=self.initializer_range),
            name="pointwise_kernel",
            autocast=False,
        )
        self.pointwise_bias = self.add_weight(
            shape=(width,), initializer="zeros", name="pointwise_bias", autocast=False
        )
        self.taps_kernel = self.add_weight(
            shape=(width, taps), initializer="glorot_uniform", name="taps_kernel", autocast=False
        )
        self.taps_bias = self.add_weight(
            shape=(taps,), initializer="zeros", name="taps_bias", autocast=False
        )

    @property
    def window(self) -> tuple[int, int]:
        """How many positions to the left and to the right the window reaches."""
        reach = self.kernel_size - 1
        return {
            "both": (reach // 2, reach // 2),
            "left_to_right": (reach, 0),
            "right_to_left": (0, reach),
        }[self.direction]

    def _taps(self, padded_value, training):
        """Softmax over the taps: (batch, heads, length, taps)."""
        linear = ops.matmul(self.pointwise_kernel, self.taps_kernel)
        kernel = ops.expand_dims(self.depthwise_kernel, -1) * linear
        bias = ops.matmul(self.pointwise_bias[None], self.taps_kernel)[0] + self.taps_bias
        logits = ops.conv(
            padded_value, ops.cast(kernel, padded_value.dtype), strides=1, padding="valid"
        )
        return _softmax_over_taps(logits, bias, training=training, num_heads=self.num_heads)

    def _weighted_window(self, taps, padded_value):
        """Sum over the taps of weight x value: (batch, length, hidden_dim).

        Row t of the banded matrix holds the taps in columns t to t + taps - 1. A row of taps padded
        to the matrix's width + 1, written one after the other and read at the matrix's width, moves
        one column to the right with each row.
        """
        batch, heads, length, size = ops.shape(taps)
        width = length + size - 1
        rows = ops.pad(taps, [[0, 0], [0, 0], [0, 0], [0, length]])
        flat = ops.reshape(rows, (batch, heads, length * (width + 1)))
        flat = ops.slice(flat, (0, 0, 0), (batch, heads, length * width))
        band = ops.reshape(flat, (batch, heads, length, width))
        value = ops.reshape(padded_value, (batch, width, heads, self.hidden_dim // heads))
        averaged = ops.matmul(band, ops.transpose(value, (0, 2, 1, 3)))
        return ops.reshape(ops.transpose(averaged, (0, 2, 1, 3)), (batch, length, self.hidden_dim))

    def call(self, x, padding_mask, training=None):
        mask = padding_mask if self.mask_padding else ops.ones_like(padding_mask)
        padded_value = _gated_linear_unit(
            ops.matmul(x, self.value_gate.kernel),
            self.value_gate.bias,
            mask,
            training=training,
            window=self.window,
        )
        return self._weighted_window(self._taps(padded_value, training), padded_value)

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "kernel_size": self.kernel_size,
            "mask_padding": self.mask_padding,
            "direction": self.direction,
            "initializer_range": self.initializer_range,
        }
