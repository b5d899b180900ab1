"""The dynamic convolution layer, `C`."""

import keras
import tensorflow as tf
from keras import ops

from lvbert_tf.layers.compiled import compiled
from lvbert_tf.layers.depthwise import depthwise_convolution
from lvbert_tf.layers.merged_dense import MergedDense
from lvbert_tf.layers.rows import softmax, sum_in_rows, tie_row
from lvbert_tf.layers.self_attention import DIRECTIONS


@compiled
def gated_linear_unit(product, bias, mask, *, window):
    """`values * sigmoid(gates) * mask`, with zeros around (Dauphin et al., 2017).

    Args:
        product: shape (batch, length, 2, channels), values then gates.
        bias: shape (2, channels).
        mask: shape (batch, length).
        window: how many zeros before and after.
    """
    wide = tf.cast(product, tf.float32) + tf.cast(tf.stop_gradient(bias), tf.float32)
    gated = _gate(wide) * tf.expand_dims(tf.cast(mask, tf.float32), -1)
    return tf.cast(tf.pad(gated, ((0, 0), window, (0, 0))), product.dtype)


@tf.custom_gradient
def _gate(x):
    """`values * sigmoid(gates)`; both gradients in one pass, without joining them afterwards."""
    values, gates = x[:, :, 0], tf.sigmoid(x[:, :, 1])

    def gradient(upstream):
        of_values = upstream * gates
        of_gates = of_values * values * (1.0 - gates)
        is_value = tf.constant([True, False])[:, tf.newaxis]
        return tf.where(is_value, of_values[:, :, tf.newaxis], of_gates[:, :, tf.newaxis])

    return values * gates, gradient


def _softmax_over_taps(logits, bias, num_heads):
    """(batch, length, heads x taps) -> (batch, length, heads, taps)."""
    batch, length, _ = tf.unstack(tf.shape(logits))
    wide = tf.cast(logits, tf.float32) + tf.cast(bias, tf.float32)
    taps = logits.shape[-1] // num_heads
    return tf.cast(softmax(tf.reshape(wide, (batch, length, num_heads, taps))), logits.dtype)


@compiled
def average_over_window(weights, value):
    """`weighted_window` in float32, from and to the type of the value."""
    averaged = weighted_window(tf.cast(weights, tf.float32), tf.cast(value, tf.float32))
    return tf.cast(averaged, value.dtype)


@tf.custom_gradient
def weighted_window(weights: tf.Tensor, value: tf.Tensor):
    """`y[t, h] = sum over k of weights[t, h, k] value[t + k, h]`.

    Args:
        weights: shape (batch, length, heads, taps).
        value: shape (batch, length + taps - 1, heads, head_dim).

    Returns:
        shape (batch, length, heads, head_dim).
    """
    length, taps = tf.shape(weights)[1], weights.shape[-1]

    def weight(tap):
        return weights[..., tap : tap + 1]

    def gradient(upstream):
        of_weights = tf.concat(
            [sum_in_rows(upstream * value[:, tap : tap + length]) for tap in range(taps)], -1
        )
        around = ((0, 0), (taps - 1, taps - 1), (0, 0), (0, 0))
        weighted = tf.pad(upstream, around), tf.pad(weights, around)
        of_value = 0.0
        for tap in range(taps):
            moved = slice(taps - 1 - tap, length + 2 * (taps - 1) - tap)
            of_value += weighted[0][:, moved] * weighted[1][:, moved, :, tap : tap + 1]
        return of_weights, of_value

    return sum(weight(tap) * value[:, tap : tap + length] for tap in range(taps)), gradient


@keras.saving.register_keras_serializable(package="lvbert_tf")
class DynamicConvolution(keras.layers.Layer):
    """Dynamic convolution as LV-BERT defines it (Yu et al., 2021, section 3.1).

    `value = dense(x) * sigmoid(dense(x))`; a depthwise-separable convolution over `value` and a
    dense layer give each position and head a softmax over the taps, with which the head's `value` is
    averaged over the window. The output dense layer is the residual block's.

    Between the depthwise convolution and the softmax everything is linear, so the two kernels there
    are multiplied first and applied as ONE dense layer to `heads x taps` channels: the same function
    and the same gradients at a fraction of the cost.

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
        parts = ("value", "gate")
        self.value_gate = MergedDense(
            parts, hidden_dim, initializer_range, dtype=self.dtype_policy, name="value_gate"
        )
        self.value, self.gate = map(self.value_gate.make_part, parts)

    @property
    def output_dim(self) -> int:
        return self.hidden_dim

    def build(self, x_shape, padding_mask_shape=None):
        width, taps = self.hidden_dim, self.num_heads * self.kernel_size
        truncated_normal = keras.initializers.TruncatedNormal
        for layer in (self.value_gate, self.value, self.gate):
            layer.build(x_shape)
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

    def call(self, x, padding_mask, training=None):
        mask = padding_mask if self.mask_padding else ops.ones_like(padding_mask)
        batch, length, _ = ops.shape(x)
        product, bias = self.value_gate.product(x)
        product, bias = tie_row(
            ops.reshape(product, (batch, length, 2, self.hidden_dim)),
            ops.reshape(bias, (2, self.hidden_dim)),
        )
        padded_value = gated_linear_unit(product, bias, mask, training=training, window=self.window)
        depthwise = depthwise_convolution(padded_value, tf.convert_to_tensor(self.depthwise_kernel))
        kernel = ops.matmul(self.pointwise_kernel, self.taps_kernel)
        bias = ops.matmul(self.pointwise_bias[None], self.taps_kernel)[0] + self.taps_bias
        logits = ops.matmul(depthwise, ops.cast(kernel, depthwise.dtype))
        weights = _softmax_over_taps(logits, bias, self.num_heads)
        # XLA's loops are slow where a change of shape ends them, so the heads are apart throughout.
        head_dim = self.hidden_dim // self.num_heads
        shape = (batch, length + self.kernel_size - 1, self.num_heads, head_dim)
        by_head = ops.reshape(padded_value, shape)
        averaged = average_over_window(weights, by_head, training=training)
        return ops.reshape(averaged, (batch, length, self.hidden_dim))

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
