"""The supernet: every encoder of a search space in one set of weights."""

import contextlib
import functools
import threading
from collections.abc import Iterator

import keras
import tensorflow as tf

from lvbert_tf.architecture.layer_string import LayerString, check_layer_types
from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.errors import InputError
from lvbert_tf.models.backbone import LVBertBackbone
from lvbert_tf.models.parts import make_block, make_embeddings, make_projection

_active = threading.local()  # replicas of one process are traced in their own threads


@contextlib.contextmanager
def selected_path(path: tf.Tensor | None) -> Iterator[None]:
    """Makes every supernet that is called inside the context run one path.

    Args:
        path: int32 of shape (layers,): for each position an index into the supernet's `layer_types`. It
            is a tensor, so that one traced function serves all strings. None means the layer string of
            each supernet's configuration.
    """
    outer = getattr(_active, "path", None)
    _active.path = path
    try:
        yield
    finally:
        _active.path = outer


class Supernet(keras.Model):
    """An encoder with one block for each layer type at every position, of which a path selects one.

    All layer strings of one length over `layer_types` share these weights (single-path one-shot search:
    Guo et al., 2020, section 3.2). Each block has its own residual connection and LayerNorm.

    A supernet can take the place of an `LVBertBackbone`: it has the same inputs and outputs, and a
    `config`. The context manager `selected_path` around a call decides which layer string the call runs;
    without it a call runs the layer string of `config`.

    Args:
        config: the shape of every encoder, and the layer string that runs where no path is selected.
        layer_types: the letters of the layer types that a layer may have, each once.
        dtype: a Keras dtype policy.
        **kwargs: arguments of `keras.Model`, such as `name`.

    Raises:
        InputError: there are no layer types, one is unknown or given twice, or the configuration's layer
            string has a type that is not among them.
    """

    def __init__(self, config: ModelConfig, layer_types: str, dtype=None, **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        check_layer_types(layer_types, config.layer_string)
        self.config = config
        self.layer_types = layer_types
        self.embeddings = make_embeddings(config, dtype)
        self.embeddings_projection = make_projection(config, dtype)
        self.blocks = [
            [
                make_block(layer_type, config, f"layer_{index}_{layer_type}", dtype)
                for layer_type in layer_types
            ]
            for index in range(len(config.layer_string))
        ]
        self._build_layers()

    def _build_layers(self) -> None:
        self.embeddings.build((None, None))
        if self.embeddings_projection is not None:
            self.embeddings_projection.build((None, None, self.config.embedding_dim))
        for blocks in self.blocks:
            for block in blocks:
                block.build((None, None, self.config.hidden_dim))
        self.built = True

    def path_of(self, string: str) -> tf.Tensor:
        """The path that selects the layers of a string.

        Args:
            string: a layer string of the supernet's length and layer types.

        Returns:
            int32 of shape (layers,).

        Raises:
            InputError: the string has another length, or a type that the supernet lacks.
        """
        layers = LayerString.parse(string)
        if len(layers) != len(self.blocks):
            raise InputError(
                f"{layers} has {len(layers)} layers; the supernet has {len(self.blocks)}"
            )
        check_layer_types(self.layer_types, layers)
        return tf.constant([self.layer_types.index(layer_type) for layer_type in layers])

    def call(self, inputs, training=None):
        path = getattr(_active, "path", None)
        path = self.path_of(self.config.layer_string) if path is None else path
        mask = inputs["padding_mask"]
        x = self.embeddings(inputs["token_ids"], inputs["segment_ids"], training=training)
        if self.embeddings_projection is not None:
            x = self.embeddings_projection(x)
        for position, blocks in enumerate(self.blocks):
            branches = [functools.partial(block, x, mask, training=training) for block in blocks]
            x = tf.switch_case(path[position], branches)
        return {"sequence_output": x, "pooled_output": x[:, 0, :]}

    def gates(self, path: tf.Tensor) -> dict[int, tf.Tensor]:
        """Tells for the variables of each block whether a path runs the block.

        Args:
            path: int32 of shape (layers,).

        Returns:
            a dict from the `id` of every trainable variable of a block to a boolean scalar, which the
            variables of one block share: whether the path selects the block.
        """
        gates = dict[int, tf.Tensor]()
        for position, blocks in enumerate(self.blocks):
            for choice, block in enumerate(blocks):
                # One comparison for each block: TensorFlow keeps scalar conditions on the host then,
                # also where the supernet is on a GPU.
                gate = tf.equal(path[position], choice)
                gates |= {id(variable): gate for variable in block.trainable_variables}
        return gates

    def extract(self, string: str, **kwargs) -> LVBertBackbone:
        """Makes a stand-alone encoder of one string, with copies of the weights.

        Args:
            string: a layer string of the supernet's length and layer types.
            **kwargs: arguments of the backbone, such as `name`.

        Raises:
            InputError: see `path_of`.
        """
        path = self.path_of(string).numpy()
        config = self.config.replace(layer_string=LayerString.parse(string))
        backbone = LVBertBackbone.from_model_config(config, dtype=self.dtype_policy, **kwargs)
        parts: list[keras.layers.Layer] = [
            self.embeddings,
            *(blocks[i] for blocks, i in zip(self.blocks, path, strict=True)),
        ]
        copies: list[keras.layers.Layer] = [backbone.embeddings, *backbone.encoder_layers]
        if self.embeddings_projection is not None:
            parts.append(self.embeddings_projection)
            copies.append(backbone.embeddings_projection)
        for part, copy in zip(parts, copies, strict=True):
            copy.set_weights(part.get_weights())
        return backbone
