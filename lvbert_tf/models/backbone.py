"""The LV-BERT encoder."""

import weakref
from collections.abc import Sequence

import keras
from keras_hub.models import Backbone

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.architecture.model_config import FIELDS, ModelConfig
from lvbert_tf.layers.dense import adaptable_layers, check_targets
from lvbert_tf.layers.embeddings import Embeddings
from lvbert_tf.models.parts import make_block, make_embeddings, make_projection


class LVBertBackbone(Backbone):
    """An encoder whose layers are a string over {C, A, F}: LV-BERT (Yu et al., Findings of ACL 2021).

    C is a dynamic convolution, A is self-attention and F is a feed-forward layer. Every layer computes
    `LayerNorm(x + dropout(dense(f(x))))`, and the layer type decides what f is. The string `AF` repeated
    12 times is the encoder of BERT-base and ELECTRA.

    The backbone has an attribute for each argument but the last three, and all of them as one value,
    `config` (a `ModelConfig`). Its `layer_string` is text, which also has the methods of `LayerString`.

    Args:
        vocabulary_size: the number of tokens.
        layer_string: the layers from the embeddings up, in any form that `LayerString.parse` reads.
        num_heads: the heads of attention and of dynamic convolution; they must divide `hidden_dim`.
        hidden_dim: the width of the layers.
        intermediate_dim: the inner width of the feed-forward layers.
        embedding_dim: the width of the embeddings. A dense projection follows them if it differs from
            `hidden_dim`; None means `hidden_dim`.
        dropout: the dropout rate after the embeddings and inside each layer.
        max_sequence_length: the number of position embeddings: the longest sequence, in tokens.
        num_segments: the number of segment embeddings.
        mask_convolution_padding: whether padding is zero to the dynamic convolution, so that a result
            does not depend on how much padding follows. The authors' checkpoints need False.
        attention_dropout: the dropout rate of the attention probabilities; None means `dropout`.
        direction: where a position may look: to "both" sides, or only to itself and what is before it
            ("left_to_right") or after it ("right_to_left").
        initializer_range: the standard deviation of the truncated normal distribution that weight
            matrices and tables start from.
        embeddings: an `Embeddings` layer of another backbone, to share it. It is not saved in the
            configuration.
        dtype: a Keras dtype policy.
        **kwargs: arguments of `keras.Model`, such as `name`.

    Inputs: a dict of `token_ids`, `segment_ids` and `padding_mask`, integers of shape (batch, length).
    The mask is 1 at real tokens and 0 at padding.

    Outputs: a dict of `sequence_output`, of shape (batch, length, hidden_dim), and `pooled_output`, of
    shape (batch, hidden_dim): the vector of the first position, without a layer of its own.

    Raises:
        InputError: an argument has the wrong type, or a value that is not allowed.

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
        layer_string: str | Sequence[str | int],
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
            vocabulary_size,
            LayerString.parse(layer_string),
            num_heads,
            hidden_dim,
            intermediate_dim,
            hidden_dim if embedding_dim is None else embedding_dim,
            dropout,
            max_sequence_length,
            num_segments,
            mask_convolution_padding,
            dropout if attention_dropout is None else attention_dropout,
            direction,
            initializer_range,
        )

        # === Layers ===
        if embeddings is None:
            embeddings = make_embeddings(config, dtype)
        projection = make_projection(config, dtype)
        encoder_layers = [
            make_block(layer_type, config, f"layer_{index}", dtype)
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

        # The tasks that are built on the backbone: `enable_lora` resets what they have traced.
        self.users = weakref.WeakSet[keras.Model]()

        # === Config ===
        self.config = config
        for name in FIELDS:  # an attribute for each argument, as KerasHub's models have it
            setattr(self, name, getattr(config, name))
        self.embeddings = embeddings
        self.embeddings_projection = projection
        self.encoder_layers = encoder_layers

    @classmethod
    def from_model_config(cls, config: ModelConfig, **kwargs) -> "LVBertBackbone":
        """Builds the backbone that a configuration describes.

        Args:
            config: the configuration.
            **kwargs: the constructor's other arguments: `embeddings`, `dtype`, `name`.
        """
        return cls(**config.to_dict(), **kwargs)

    def default_lora_layer_names(self) -> list[str]:
        """The layers that `enable_lora` adapts by default: the query and value of A, the value of C."""
        present = {layer.name for layer in adaptable_layers(self)}
        return [name for name in ("query", "value") if name in present]

    def enable_lora(self, rank: int, target_layer_names: Sequence[str] | None = None) -> None:
        """Freezes the encoder and adds low-rank adapters (LoRA: Hu et al., 2022), which alone train.

        Call it before a task is trained, or compile the task again. When a model is saved, its adapters
        are merged into its weights. `save_lora_weights` and `load_lora_weights` save and load the
        adapters alone.

        Args:
            rank: the rank of the adapters.
            target_layer_names: the names of the layers that get an adapter: "query", "key" and "value"
                in A, "value" and "gate" in C, "intermediate" in F, "output" in every layer, and
                "embeddings_projection". None means `default_lora_layer_names`.

        Raises:
            InputError: the rank is not a positive integer, no layer has one of the names, or a layer
                cannot have an adapter. The encoder is then unchanged.
        """
        if target_layer_names is None:
            target_layer_names = self.default_lora_layer_names()
        check_targets(self, rank, target_layer_names)
        super().enable_lora(rank, target_layer_names)
        for model in self.users:  # the functions that they have traced have no adapters
            model.train_function = model.test_function = model.predict_function = None

    def get_config(self):
        return {**super().get_config(), **self.config.to_dict()}
