"""The networks of a pre-training run as values: their shapes, what they share, and what they cost.

What counts as a FLOP is stated in `architecture.costs`.
"""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lvbert_tf.architecture.costs import dense_flops, dense_parameters, layer_norm_parameters
from lvbert_tf.architecture.layer_string import interleaved
from lvbert_tf.architecture.model_config import OUTPUT_FIELDS, ModelConfig

if TYPE_CHECKING:
    from lvbert_tf.settings.pretraining import PretrainingConfig

_BERT_TOKENS = 30522  # the rows of the token table as long as no vocabulary is known


@dataclass(frozen=True)
class Wiring:
    """Which networks a run trains, and which weights they share.

    Attributes:
      objective: "electra" (replaced token detection), "electric" or "masked_lm".
      layer_types: the letters of a supernet, which takes the place of the discriminator; None for
        an ordinary encoder.
      untied_generator: whether the generator has layers of its own. Otherwise one network is both.
      untied_generator_embeddings: whether a generator of its own has embeddings of its own, too.
      uniform_generator: whether replacements are drawn uniformly, without any generator.
      two_tower_generator: whether the generator has a left-to-right and a right-to-left tower.
    """

    objective: str
    layer_types: str | None
    untied_generator: bool
    untied_generator_embeddings: bool
    uniform_generator: bool
    two_tower_generator: bool

    @property
    def detects_replacements(self) -> bool:
        """Whether the discriminator has a replaced token head; the masked LM objective has none."""
        return self.objective != "masked_lm"

    @property
    def has_own_generator(self) -> bool:
        """Whether a generator with layers of its own is trained beside the discriminator."""
        return self.detects_replacements and self.untied_generator and not self.uniform_generator


@dataclass(frozen=True)
class Networks:
    """The encoders of a pre-training run.

    Attributes:
      wiring: which networks there are, and what they share.
      discriminator: the encoder that is kept; under the masked LM objective the only one.
      generator: the encoder of the masked LM. With two towers it is the shape of each of them. Where
        one network is both, it equals `discriminator`. None with a uniform generator.
    """

    wiring: Wiring
    discriminator: ModelConfig
    generator: ModelConfig | None

    @property
    def label(self) -> str:
        """The layer string, or the depth and the layer types of a supernet."""
        layers, types = self.discriminator.layer_string, self.wiring.layer_types
        if types is None:
            return str(layers)
        return f"supernet of {len(layers)} layers of {', '.join(types)}"

    def num_parameters(self) -> int:
        """Trainable parameters of the discriminator, the generator and their heads.

        Embeddings and layers that are shared count once. All blocks of a supernet count.
        """
        discriminator, generator = self.discriminator, self.generator
        encoders = self._encoders()
        total = sum(encoder.num_parameters() for encoder in encoders)
        total -= (len(encoders) - 1) * discriminator.input_parameters()
        if self.wiring.detects_replacements:
            width = discriminator.hidden_dim
            total += dense_parameters(width, width) + dense_parameters(width, 1)
        if generator is None:
            return total
        if self.wiring.has_own_generator:
            own = generator.num_parameters()
            if not self.wiring.untied_generator_embeddings:
                own -= generator.embedding_parameters()
            total += own * self._towers
        embedding_dim, vocabulary = generator.embedding_dim, generator.vocabulary_size
        head = dense_parameters(self._masked_lm_inputs(generator), embedding_dim)
        return total + head + layer_norm_parameters(embedding_dim) + vocabulary

    def training_flops(self, max_seq_length: int, max_predictions_per_seq: int) -> int:
        """FLOPs of one training step for one sequence, the backward pass included.

        All slots for masked tokens count, whether they are used or not, because the head computes all
        of them. The FLOPs of a supernet are the mean over its strings.

        Args:
          max_seq_length: tokens of the sequence.
          max_predictions_per_seq: slots for masked tokens.
        """
        length, generator = max_seq_length, self.generator
        encoders = self._encoders()
        encoder_flops = sum(encoder.flops(length) for encoder in encoders) // len(encoders)
        forward = 0
        if self.wiring.detects_replacements:
            width = self.discriminator.hidden_dim
            head = dense_flops(width, width) + dense_flops(width, 1)
            forward += encoder_flops + length * head
        if generator is not None:
            # A two-tower generator predicts every token, a masked LM only the masked slots.
            slots = length if self.wiring.two_tower_generator else max_predictions_per_seq
            inputs = self._masked_lm_inputs(generator)
            head = dense_flops(inputs, generator.embedding_dim)
            softmax = dense_flops(generator.embedding_dim, generator.vocabulary_size)
            if self.wiring.has_own_generator:
                encoder_flops = self._towers * generator.flops(length)
            forward += encoder_flops + slots * (head + softmax)
        return 3 * forward

    def differences(self, other: "Networks") -> list[str]:
        """Lists what keeps these networks from continuing with the weights of other ones.

        Returns:
          lines such as "hidden_dim: 256 here, 384 there"; empty if the weights fit.
        """
        lines = [
            f"{name}: {ours} here, {theirs} there"
            for name, ours in dataclasses.asdict(self.wiring).items()
            if ours != (theirs := getattr(other.wiring, name))
        ]
        lines += self.discriminator.differences(other.discriminator, OUTPUT_FIELDS)
        if self.wiring.has_own_generator and other.wiring.has_own_generator:
            assert self.generator is not None and other.generator is not None
            lines += [
                f"generator {line}"
                for line in self.generator.differences(other.generator, OUTPUT_FIELDS)
                if line not in lines
            ]
        return lines

    def _encoders(self) -> list[ModelConfig]:
        """The discriminator, or for a supernet one encoder of each layer type alone.

        Together those have all blocks of the supernet.
        """
        if self.wiring.layer_types is None:
            return [self.discriminator]
        depth = len(self.discriminator.layer_string)
        return [
            self.discriminator.replace(layer_string=interleaved(layer_type, depth))
            for layer_type in self.wiring.layer_types
        ]

    @property
    def _towers(self) -> int:
        return 2 if self.wiring.two_tower_generator else 1

    def _masked_lm_inputs(self, generator: ModelConfig) -> int:
        # The two towers' outputs are concatenated before the head.
        return self._towers * generator.hidden_dim


def discriminator_of(config: "PretrainingConfig") -> ModelConfig:
    """Derives the shape of the discriminator from the hparams.

    Raises:
      InputError: no encoder has this shape; see `ModelConfig`.
    """
    overrides, hidden_dim = config.model_hparam_overrides, config.hidden_dim
    return ModelConfig(
        vocabulary_size=config.vocab_size or _BERT_TOKENS,
        layer_string=config.layer_string,
        hidden_dim=hidden_dim,
        num_heads=overrides.num_attention_heads or max(1, hidden_dim // 64),
        intermediate_dim=overrides.intermediate_size or 4 * hidden_dim,
        embedding_dim=config.embedding_size or hidden_dim,
        dropout=overrides.hidden_dropout_prob,
        attention_dropout=overrides.attention_probs_dropout_prob,
        max_sequence_length=overrides.max_position_embeddings,
        num_segments=overrides.type_vocab_size,
        initializer_range=overrides.initializer_range,
        mask_convolution_padding=config.mask_convolution_padding,
    )


def generator_of(config: "PretrainingConfig") -> ModelConfig | None:
    """Derives the shape of the generator from the hparams; see `Networks.generator`.

    Raises:
      InputError: no encoder has this shape; see `ModelConfig`.
    """
    discriminator = discriminator_of(config)
    if config.uniform_generator:
        return None
    if not config.wiring.has_own_generator:
        return discriminator
    hidden_dim = max(1, round(config.hidden_dim * config.generator_hidden_size))
    depth = len(config.layer_string)
    layers = interleaved("AF", depth) if config.layer_types else config.layer_string
    layers = config.generator_layer_list or layers.first(
        max(1, round(depth * config.generator_layers))
    )
    return discriminator.replace(
        layer_string=layers,
        hidden_dim=hidden_dim,
        num_heads=max(1, hidden_dim // 64),
        intermediate_dim=4 * hidden_dim,
        embedding_dim=(
            hidden_dim if config.untied_generator_embeddings else discriminator.embedding_dim
        ),
    )
