"""Token, segment and position embeddings."""

import keras
from keras import ops

from lvbert_tf.layers.dropout import Dropout
from lvbert_tf.layers.layer_norm import LayerNorm


@keras.saving.register_keras_serializable(package="lvbert_tf")
class Embeddings(keras.layers.Layer):
    """Sum of token, segment and position embeddings, then LayerNorm and dropout (BERT, section 3).

    Generator and discriminator may share one instance; `token_table` is also the output matrix of the
    masked language model's head.

    Args:
        vocabulary_size: number of rows of the token table.
        embedding_dim: width of the embeddings.
        max_sequence_length: number of positions.
        num_segments: number of segment (token type) embeddings.
        dropout: rate after LayerNorm.
        initializer_range: standard deviation of the truncated normal initialiser.

    Call arguments:
        token_ids: integers, shape (batch, length), length at most `max_sequence_length`.
        segment_ids: integers below `num_segments`, shape (batch, length).

    Returns:
        shape (batch, length, embedding_dim).
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int,
        max_sequence_length: int = 512,
        num_segments: int = 2,
        dropout: float = 0.1,
        initializer_range: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.max_sequence_length = max_sequence_length
        self.num_segments = num_segments
        self.dropout = dropout
        self.initializer_range = initializer_range
        self.layer_norm = LayerNorm(dtype=self.dtype_policy, name="layer_norm")
        self.dropout_layer = Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def build(self, token_ids_shape, segment_ids_shape=None):
        def table(rows, name):
            return self.add_weight(
                shape=(rows, self.embedding_dim),
                initializer=keras.initializers.TruncatedNormal(stddev=self.initializer_range),
                name=name,
                autocast=False,  # casting the table would cost a pass over it; the sum of rows is cast
            )

        self.token_table = table(self.vocabulary_size, "token_table")
        self.segment_table = table(self.num_segments, "segment_table")
        self.position_table = table(self.max_sequence_length, "position_table")
        self.layer_norm.build((None, None, self.embedding_dim))

    def call(self, token_ids, segment_ids, training=None):
        length = ops.shape(token_ids)[1]
        if isinstance(length, int) and length > self.max_sequence_length:
            raise ValueError(
                f"sequence of length {length} exceeds max_sequence_length "
                f"{self.max_sequence_length}"
            )
        tokens = ops.take(self.token_table, token_ids, axis=0)  # (batch, length, embedding_dim)
        # As a product, because its gradient is a product too; that of a look-up is a scatter, which is
        # slow where many rows meet in a table of two.
        segments = ops.one_hot(segment_ids, self.num_segments, dtype=self.segment_table.dtype)
        segments = ops.matmul(segments, self.segment_table)  # (batch, length, embedding_dim)
        positions = self.position_table[None, :length]  # (1, length, embedding_dim)
        x = self.layer_norm(tokens + segments + positions)
        return self.dropout_layer(x, training=training)

    def compute_output_shape(self, token_ids_shape, segment_ids_shape=None):
        return (*token_ids_shape, self.embedding_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "embedding_dim": self.embedding_dim,
            "max_sequence_length": self.max_sequence_length,
            "num_segments": self.num_segments,
            "dropout": self.dropout,
            "initializer_range": self.initializer_range,
        }
