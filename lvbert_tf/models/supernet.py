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
    """Makes every supernet that is called inside the context run this path.

    Args:
        path: int32 of shape (layers,), indices into the supernet's `layer_types`: a tensor, so that
            one trace serves all strings. None: the string of each supernet's configuration.
    """
    outer = getattr(_active, "path", None)
    _active.path = path
    try:
        yield
    finally:
        _active.path = outer


class Supernet(keras.Model):
    """One block per layer type at every position; a path picks one of them at each.

    The weights are shared by all strings over `layer_types` of one length (single-path one-shot
    search: Guo et al., 2020, section 3.2); each block has a LayerNorm of its own. It stands where an
    `LVBertBackbone` does: the same inputs and outputs, the same attributes. Which string it is for a
    call is said by `selected_path` around the call; without one it is the string of its
    configuration.

    Args:
        config: the shape of all encoders, and the string that runs where no path is selected.
        layer_types: distinct letters of C, A and F: what a layer may be.
        dtype: Keras dtype policy.

    Raises:
        InputError: a layer type is unknown or repeated, there is none, or the configuration's
            string has others.
    """

    def __init__(self, config: ModelConfig, layer_types: str, dtype=None, **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        check_layer_types(layer_types, config.layer_string)
        self.config = config
        self.layer_types = layer_types
        self.vocabulary_size = config.vocabulary_size
        self.hidden_dim = config.hidden_dim
        self.embedding_dim = config.embedding_dim
        self.initializer_range = config.initializer_range
        self.embeddings = make_embeddings(config, dtype)
        self.embeddings_projection = make_projection(config, dtype)
        self.blocks = [
            [
                make_block(layer_type, config, f"layer_{index}_{layer_type}", dtype=dtype)
                for layer_type in layer_types
            ]
            for index in range(len(config.layer_string))
        ]
        self._build_layers()

    def _build_layers(self) -> None:
        self.embeddings.build((None, None))
        if self.embeddings_projection is not None:
            self.embeddings_projection.build((None, None, self.embedding_dim))
        for blocks in self.blocks:
            for block in blocks:
                block.build((None, None, self.hidden_dim))
        self.built = True

    def path_of(self, string: str | LayerString) -> tf.Tensor:
        """The path of a string: int32 of shape (layers,).

        Raises:
            InputError: the string has another length, or types that the supernet has not.
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
        """Which blocks a path runs.

        Args:
            path: int32 of shape (layers,).

        Returns:
            for the `id` of each trainable variable of a block, a boolean scalar, one a block: whether
            the path selects it.
        """
        gates = dict[int, tf.Tensor]()
        for position, blocks in enumerate(self.blocks):
            for choice, block in enumerate(blocks):
                # Compared one by one, as conditions are then computed on the host also with a GPU.
                gate = tf.equal(path[position], choice)
                gates |= {id(variable): gate for variable in block.trainable_variables}
        return gates

    def extract(self, string: str | LayerString, **kwargs) -> LVBertBackbone:
        """A stand-alone encoder of one string, with copies of the weights.

        Args:
            string: of the supernet's length and layer types.
            **kwargs: for the backbone, such as `name`.

        Raises:
            InputError: as `path_of`.
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
