"""Parameters and FLOPs of a whole pre-training model: encoders, heads, generator.

What counts as a FLOP is stated in `architecture.costs`.
"""

from lvbert_tf.architecture.costs import dense_flops, dense_parameters, layer_norm_parameters
from lvbert_tf.architecture.layer_string import interleaved
from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.settings.pretraining import PretrainingConfig


def num_parameters(config: PretrainingConfig) -> int:
    """Trainable parameters of the discriminator, the generator and their heads.

    Shared embeddings and tied networks count once, and every block of a supernet.
    """
    discriminator, generator = config.discriminator, config.generator
    encoders = _encoders(config)
    total = sum(encoder.num_parameters() for encoder in encoders)
    total -= (len(encoders) - 1) * discriminator.input_parameters()
    if config.objective != "masked_lm":
        width = discriminator.hidden_dim
        total += dense_parameters(width, width) + dense_parameters(width, 1)
    if generator is None:
        return total
    if config.has_own_generator:
        own = generator.num_parameters()
        if not config.untied_generator_embeddings:
            own -= generator.embedding_parameters()
        total += own * _towers(config)
    embedding_dim, vocabulary = generator.embedding_dim, generator.vocabulary_size
    head = dense_parameters(_masked_lm_inputs(config, generator), embedding_dim)
    return total + head + layer_norm_parameters(embedding_dim) + vocabulary


def training_flops(config: PretrainingConfig) -> int:
    """FLOPs of one training step for one sequence of `max_seq_length` tokens, backward included.

    Every masked-LM slot counts, used or not, since the head computes all of them. Of a supernet it is
    the mean over its strings.
    """
    length, discriminator, generator = (
        config.max_seq_length,
        config.discriminator,
        config.generator,
    )
    encoders = _encoders(config)
    encoder_flops = sum(encoder.flops(length) for encoder in encoders) // len(encoders)
    forward = 0
    if config.objective != "masked_lm":
        width = discriminator.hidden_dim
        head = dense_flops(width, width) + dense_flops(width, 1)
        forward += encoder_flops + length * head
    if generator is not None:
        # A two-tower generator predicts every token, a masked LM only the masked slots.
        slots = length if config.two_tower_generator else config.max_predictions_per_seq
        inputs = _masked_lm_inputs(config, generator)
        head = dense_flops(inputs, generator.embedding_dim)
        softmax = dense_flops(generator.embedding_dim, generator.vocabulary_size)
        if config.has_own_generator:
            encoder_flops = _towers(config) * generator.flops(length)
        forward += encoder_flops + slots * (head + softmax)
    return 3 * forward


def _encoders(config: PretrainingConfig) -> list[ModelConfig]:
    """The discriminator; of a supernet one of each layer type alone, which is all of its blocks."""
    if config.layer_types is None:
        return [config.discriminator]
    depth = len(config.layer_string)
    return [
        config.discriminator.replace(layer_string=interleaved(layer_type, depth))
        for layer_type in config.layer_types
    ]


def _towers(config: PretrainingConfig) -> int:
    return 2 if config.two_tower_generator else 1


def _masked_lm_inputs(config: PretrainingConfig, generator: ModelConfig) -> int:
    # The two towers' outputs are concatenated before the head.
    return _towers(config) * generator.hidden_dim
