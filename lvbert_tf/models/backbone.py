"""The LV-BERT encoder."""

import weakref
from collections.abc import Sequence

import keras
from keras_hub.models import Backbone

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.layers import Embeddings
from lvbert_tf.models.adapters import adaptable_layers, check_targets
from lvbert_tf.models.parts import make_block, make_embeddings, make_projection
from lvbert_tf.presets.classes import preset_class


@preset_class
class LVBertBackbone(Backbone):
    """An encoder whose layers are a string over {C, A, F} (Yu et al., 2021).

    C is dynamic convolution, A self-attention, F feed-forward; every layer is
    `LayerNorm(x + dropout(f(x)))`. `AF` repeated 12 times is the encoder of BERT and ELECTRA.

    Args:
        vocabulary_size: number of tokens.
        layer_string: the layers, anything `LayerString.parse` takes.
        num_heads: heads of attention and convolution; divides `hidden_dim`.
        hidden_dim: width of the encoder.
        intermediate_dim: inner width of F.
        embedding_dim: width of the embeddings; if not `hidden_dim` (None: the same) a dense
            projection follows them.
        dropout: rate on embeddings, on each layer's output, and on attention probabilities.
        max_sequence_length: number of position embeddings.
        num_segments: number of segment embeddings.
        mask_convolution_padding: hide padding from the convolution (see `DynamicConvolution`).
        attention_dropout: rate on attention probabilities, if not `dropout`.
        direction: "both", "left_to_right" or "right_to_left": where a position may look.
        initializer_range: standard deviation of the truncated normal initialiser.
        embeddings: an `Embeddings` layer to share with another backbone; not part of the config.
        dtype: Keras dtype policy.

    Inputs: a dict of `token_ids`, `segment_ids`, `padding_mask`, integers of shape (batch, length);
    the mask is 1 at real tokens. Outputs: a dict of `sequence_output`, shape (batch, length,
    hidden_dim), and `pooled_output`, shape (batch, hidden_dim), the first position's vector as it is.

    Example:

    ```python
    backbone = LVBertBackbone(
        vocabulary_size=30522, layer_string="CCAFFACFFACCAFCFACFCAAFA",
        num_heads=4, hidden_dim=256, intermediate_dim=1024, embedding_dim=128,
    )
    backbone({"token_ids": ids, "segment_ids": segments, "padding_mask": mask})
    ```
    """

    def __init__(
        self,
        vocabulary_size: int,
        layer_string: str | list | LayerString,
        num_heads: int,
        hidden_dim: int,
        intermediate_dim: int,
        embedding_dim: int | None = None,
        dropout: float = 0.1,
        max_sequence_length: int = 512,
        num_segments: int = 2,
        mask_convolution_padding: bool = True,
        *,
        attention_dropout: float | None = None,
        direction: str = "both",
        initializer_range: float = 0.02,
        embeddings: Embeddings | None = None,
        dtype=None,
        **kwargs,
    ):
        config = ModelConfig(
            vocabulary_size=vocabulary_size,
            layer_string=LayerString.parse(layer_string),
            hidden_dim=hidden_dim,
            num_heads=num_heads,
            intermediate_dim=intermediate_dim,
            embedding_dim=hidden_dim if embedding_dim is None else embedding_dim,
            dropout=dropout,
            attention_dropout=dropout if attention_dropout is None else attention_dropout,
            max_sequence_length=max_sequence_length,
            num_segments=num_segments,
            initializer_range=initializer_range,
            mask_convolution_padding=mask_convolution_padding,
        )

        # === Layers ===
        if embeddings is None:
            embeddings = make_embeddings(config, dtype)
        projection = make_projection(config, dtype)
        encoder_layers = [
            make_block(layer_type, config, f"layer_{index}", direction, dtype)
            for index, layer_type in enumerate(config.layer_string)
        ]

        # === Functional model ===
        inputs = {
            name: keras.Input(shape=(None,), dtype="int32", name=name)
            for name in ("token_ids", "segment_ids", "padding_mask")
        }
        x = embeddings(inputs["token_ids"], inputs["segment_ids"])
        if projection is not None:
            x = projection(x)
        for layer in encoder_layers:
            x = layer(x, inputs["padding_mask"])
        super().__init__(
            inputs=inputs,
            outputs={"sequence_output": x, "pooled_output": x[:, 0, :]},
            dtype=dtype,
            **kwargs,
        )

        self.users = weakref.WeakSet[keras.Model]()  # of its tasks

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.layer_string = str(config.layer_string)
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.embedding_dim = config.embedding_dim
        self.dropout = dropout
        self.max_sequence_length = max_sequence_length
        self.num_segments = num_segments
        self.mask_convolution_padding = mask_convolution_padding
        self.attention_dropout = config.attention_dropout
        self.direction = direction
        self.initializer_range = initializer_range
        self.embeddings = embeddings
        self.embeddings_projection = projection
        self.encoder_layers = encoder_layers

    @classmethod
    def from_model_config(cls, config: ModelConfig, **kwargs) -> "LVBertBackbone":
        """Builds the backbone that a `ModelConfig` describes; `kwargs` as for the constructor."""
        return cls(
            vocabulary_size=config.vocabulary_size,
            layer_string=config.layer_string,
            num_heads=config.num_heads,
            hidden_dim=config.hidden_dim,
            intermediate_dim=config.intermediate_dim,
            embedding_dim=config.embedding_dim,
            dropout=config.dropout,
            max_sequence_length=config.max_sequence_length,
            num_segments=config.num_segments,
            mask_convolution_padding=config.mask_convolution_padding,
            attention_dropout=config.attention_dropout,
            initializer_range=config.initializer_range,
            **kwargs,
        )

    def default_lora_layer_names(self) -> list[str]:
        """What `enable_lora` adapts: query and value of A; of C its value, but not its gate."""
        present = {layer.name for layer in adaptable_layers(self)}
        return [name for name in ("query", "value") if name in present]

    def enable_lora(self, rank: int, target_layer_names: Sequence[str] | None = None) -> None:
        """Freezes the encoder and adds adapters, which then are all of it that trains.

        Do it before a task is trained, or compile the task again. What is saved of a model has the
        adapters merged into its weights; `save_lora_weights` and `load_lora_weights` are for adapters
        alone.

        Args:
            rank: of the adapters.
            target_layer_names: the layers that get one, of query, key and value (A), value and gate
                (C), intermediate (F), output (all) and embeddings_projection; None:
                `default_lora_layer_names`.

        Raises:
            InputError: the rank is not a positive integer, there is no layer of such a name, or it
                can have no adapter; nothing has changed then.
        """
        if target_layer_names is None:
            target_layer_names = self.default_lora_layer_names()
        check_targets(self, rank, target_layer_names)
        super().enable_lora(rank, target_layer_names)
        for model in self.users:  # what they have traced has no adapters
            model.train_function = model.test_function = model.predict_function = None

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "layer_string": self.layer_string,
            "num_heads": self.num_heads,
            "hidden_dim": self.hidden_dim,
            "intermediate_dim": self.intermediate_dim,
            "embedding_dim": self.embedding_dim,
            "dropout": self.dropout,
            "max_sequence_length": self.max_sequence_length,
            "num_segments": self.num_segments,
            "mask_convolution_padding": self.mask_convolution_padding,
            "attention_dropout": self.attention_dropout,
            "direction": self.direction,
            "initializer_range": self.initializer_range,
        }
