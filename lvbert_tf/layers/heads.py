"""The heads of pre-training: masked language model, and replaced token detection."""

import keras
import tensorflow as tf
from keras import ops

from lvbert_tf.layers.dense import dense, output_dense
from lvbert_tf.layers.kernels import add_bias, bias_gelu
from lvbert_tf.layers.layer_norm import LayerNorm


@keras.saving.register_keras_serializable(package="lvbert_tf")
class MaskedLMHead(keras.layers.Layer):
    """Vectors of the embeddings' width: dense, GELU, LayerNorm. `logits` compares them with all tokens.

    Args:
        vocabulary_size: number of tokens.
        embedding_dim: width of the embedding table.
        initializer_range: standard deviation of the truncated normal initialiser.

    Call arguments:
        x: shape (batch, positions, width).

    Returns:
        shape (batch, positions, embedding_dim), in the compute precision.
    """

    def __init__(
        self, vocabulary_size: int, embedding_dim: int, initializer_range: float = 0.02, **kwargs
    ):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.initializer_range = initializer_range
        self.dense = dense(embedding_dim, initializer_range, self.dtype_policy, "dense")
        self.layer_norm = LayerNorm(dtype=self.dtype_policy, name="layer_norm")

    def build(self, x_shape):
        self.dense.build(x_shape)
        self.layer_norm.build((*x_shape[:-1], self.embedding_dim))
        self.output_bias = self.add_weight(
            shape=(self.vocabulary_size,), initializer="zeros", name="output_bias"
        )

    def call(self, x):
        product, bias = self.dense.product(x)  # x W, b
        return self.layer_norm(bias_gelu(product, bias))

    def logits(self, vectors: tf.Tensor, token_table: tf.Tensor) -> tf.Tensor:
        """The product with the embeddings of all tokens, plus a bias.

        Args:
            vectors: what a call returns, shape (batch, positions, embedding_dim).
            token_table: the embeddings, shape (vocabulary_size, embedding_dim).

        Returns:
            shape (batch, positions, vocabulary_size), in the type of `vectors`.
        """
        rows = ops.reshape(vectors, (-1, self.embedding_dim))
        logits = tf.matmul(rows, ops.cast(token_table, vectors.dtype), transpose_b=True)
        logits = add_bias(logits, ops.convert_to_tensor(self.output_bias))
        return ops.reshape(logits, (*ops.shape(vectors)[:-1], self.vocabulary_size))

    def compute_output_shape(self, x_shape):
        return (*x_shape[:-1], self.embedding_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "embedding_dim": self.embedding_dim,
            "initializer_range": self.initializer_range,
        }


@keras.saving.register_keras_serializable(package="lvbert_tf")
class ReplacedTokenHead(keras.layers.Layer):
    """One logit a token, positive for "replaced": dense, GELU, dense to 1 (ELECTRA, section 2).

    Args:
        hidden_dim: width of the input and of the dense layer.
        initializer_range: standard deviation of the truncated normal initialiser.

    Call arguments:
        x: shape (batch, length, hidden_dim).

    Returns:
        float32 logits of shape (batch, length).
    """

    def __init__(self, hidden_dim: int, initializer_range: float = 0.02, **kwargs):
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.initializer_range = initializer_range
        self.dense = dense(hidden_dim, initializer_range, self.dtype_policy, "dense")
        self.logit = output_dense(1, "logit", self.dtype_policy)

    def build(self, x_shape):
        self.dense.build(x_shape)
        self.logit.build(x_shape)

    def call(self, x):
        product, bias = self.dense.product(x)  # x W, b
        logits = self.logit(bias_gelu(product, bias))  # (batch, length, 1)
        return ops.cast(ops.squeeze(logits, -1), "float32")

    def compute_output_shape(self, x_shape):
        return x_shape[:-1]

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "initializer_range": self.initializer_range,
        }
