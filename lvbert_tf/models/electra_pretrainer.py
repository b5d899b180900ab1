"""Generator and discriminator with their heads, as ELECTRA pre-trains them."""

import keras
from keras import ops

from lvbert_tf.layers.heads import MaskedLMHead, ReplacedTokenHead
from lvbert_tf.models.backbone import LVBertBackbone
from lvbert_tf.models.supernet import Supernet
from lvbert_tf.settings.networks import Networks


class ElectraPretrainer(keras.Model):
    """The networks of replaced token detection (Clark et al., 2020, section 2).

    The `inputs` of all methods are those of a backbone: a dict of `token_ids`, `segment_ids` and
    `padding_mask`, integers of shape (batch, length).

    Args:
        discriminator: the encoder that is kept after pre-training.
        generator: the encoder that proposes replacements. It may share the embeddings of the
            discriminator, or be the discriminator itself. None stands for replacements that are drawn
            uniformly from the vocabulary.
        right_to_left_generator: the second tower of a two-tower generator (Electric: Clark et al., EMNLP
            2020, section 2.3). It looks right to left, and `generator` looks left to right. None stands
            for a generator of one tower.
        detects_replacements: whether the pre-trainer has a replaced token head; False for plain masked
            language modelling.
        **kwargs: arguments of `keras.Model`, such as `name`.
    """

    def __init__(
        self,
        discriminator: LVBertBackbone | Supernet,
        generator: LVBertBackbone | Supernet | None,
        right_to_left_generator: LVBertBackbone | None = None,
        detects_replacements: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.discriminator = discriminator
        self.generator = generator
        self.right_to_left_generator = right_to_left_generator
        self.masked_lm_head = None
        self.replaced_token_head = None
        if generator is not None:
            self.masked_lm_head = MaskedLMHead(
                generator.config.vocabulary_size,
                generator.config.embedding_dim,
                initializer_range=generator.config.initializer_range,
                dtype=generator.dtype_policy,
                name="masked_lm_head",
            )
            towers = 1 if right_to_left_generator is None else 2
            self.masked_lm_head.build((None, None, towers * generator.config.hidden_dim))
        if detects_replacements:
            self.replaced_token_head = ReplacedTokenHead(
                discriminator.config.hidden_dim,
                initializer_range=discriminator.config.initializer_range,
                dtype=discriminator.dtype_policy,
                name="replaced_token_head",
            )
            self.replaced_token_head.build((None, None, discriminator.config.hidden_dim))
        self.built = True

    @classmethod
    def from_networks(cls, networks: Networks, dtype=None) -> "ElectraPretrainer":
        """Builds the networks of a pre-training run.

        Args:
            networks: the shapes of the encoders, and what they share.
            dtype: Keras dtype policy, such as "float32" or "mixed_bfloat16".
        """
        model, wiring = networks.discriminator, networks.wiring
        discriminator = (
            Supernet(model, wiring.layer_types, dtype=dtype, name="discriminator")
            if wiring.layer_types
            else LVBertBackbone.from_model_config(model, dtype=dtype, name="discriminator")
        )
        if not wiring.has_own_generator:
            generator = None if wiring.uniform_generator else discriminator
            return cls(discriminator, generator, detects_replacements=wiring.detects_replacements)
        embeddings = None if wiring.untied_generator_embeddings else discriminator.embeddings

        def tower(direction, name):
            return LVBertBackbone.from_model_config(
                networks.generator.replace(direction=direction),
                embeddings=embeddings,
                dtype=dtype,
                name=name,
            )

        if not wiring.two_tower_generator:
            return cls(discriminator, tower("both", "generator"))
        return cls(
            discriminator,
            tower("left_to_right", "generator_left_to_right"),
            tower("right_to_left", "generator_right_to_left"),
        )

    def masked_lm_vectors(self, inputs, mask_positions, training=None):
        """Computes what the generator predicts the tokens at masked positions from.

        Args:
            inputs: inputs whose `token_ids` have [MASK] at the masked positions.
            mask_positions: integers of shape (batch, masked).

        Returns:
            shape (batch, masked, embedding_dim), in the compute precision.
        """
        sequence = self.generator(inputs, training=training)["sequence_output"]
        # A product with one-hot rows instead of a gather: its gradient is a product, not a scatter.
        selector = ops.one_hot(mask_positions, ops.shape(sequence)[1], dtype=sequence.dtype)
        return self.masked_lm_head(ops.matmul(selector, sequence), training=training)

    def cloze_vectors(self, inputs, training=None):
        """Computes what the two towers predict every token from: all other tokens.

        Args:
            inputs: inputs without masked tokens.

        Returns:
            shape (batch, length, embedding_dim), in the compute precision.
        """
        before = self.generator(inputs, training=training)["sequence_output"]
        after = self.right_to_left_generator(inputs, training=training)["sequence_output"]
        # The token itself must not be seen, so a position gets the vectors of its two neighbours.
        # TensorFlow Lite has no `roll`.
        before = ops.concatenate([before[:, -1:], before[:, :-1]], axis=1)
        after = ops.concatenate([after[:, 1:], after[:, :1]], axis=1)
        context = ops.concatenate([before, after], axis=-1)
        return self.masked_lm_head(context, training=training)

    def masked_lm_logits(self, inputs, mask_positions, training=None):
        """Computes the generator's logits of the tokens at masked positions.

        Args:
            inputs, mask_positions: see `masked_lm_vectors`.

        Returns:
            logits of shape (batch, masked, vocabulary_size), in the compute precision.
        """
        vectors = self.masked_lm_vectors(inputs, mask_positions, training)
        return self.masked_lm_head.logits(vectors, self.generator.embeddings.token_table)

    def cloze_logits(self, inputs, training=None):
        """Computes the two towers' logits of every token given all other tokens.

        Args:
            inputs: inputs without masked tokens.

        Returns:
            logits of shape (batch, length, vocabulary_size), in the compute precision.
        """
        vectors = self.cloze_vectors(inputs, training)
        return self.masked_lm_head.logits(vectors, self.generator.embeddings.token_table)

    def replaced_token_logits(self, inputs, training=None):
        """Computes the discriminator's logits, which are positive where a token seems replaced.

        Returns:
            float32 of shape (batch, length).
        """
        sequence = self.discriminator(inputs, training=training)["sequence_output"]
        return self.replaced_token_head(sequence, training=training)

    def call(self, inputs, training=None):
        if self.replaced_token_head is None:
            return self.discriminator(inputs, training=training)["sequence_output"]
        return self.replaced_token_logits(inputs, training=training)
