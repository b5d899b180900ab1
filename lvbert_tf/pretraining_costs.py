"""Parameters and FLOPs of a whole pre-training model: encoders, heads, generator.

What counts as a FLOP is stated in `layer_costs`.
"""

from lvbert_tf.config import PretrainingConfig
from lvbert_tf.layer_costs import dense_flops, dense_parameters, layer_norm_parameters
from lvbert_tf.model_config import ModelConfig


def num_parameters(config: PretrainingConfig) -> int:
    """Trainable parameters of the discriminator, the generator and their heads.

    Shared embeddings and tied networks count once.
    """
    discriminator, generator = config.discriminator, config.generator
    total = discriminator.num_parameters()
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

    Every masked-LM slot counts, used or not, since the head computes all of them.
    """
    length, discriminator, generator = (
        config.max_seq_length,
        config.discriminator,
        config.generator,
    )
    forward = 0
    if config.objective != "masked_lm":
        width = discriminator.hidden_dim
        head = dense_flops(width, width) + dense_flops(width, 1)
        forward += discriminator.flops(length) + length * head
    if generator is not None:
        # A two-tower generator predicts every token, a masked LM only the masked slots.
        slots = length if config.two_tower_generator else config.max_predictions_per_seq
        inputs = _masked_lm_inputs(config, generator)
        head = dense_flops(inputs, generator.embedding_dim)
        softmax = dense_flops(generator.embedding_dim, generator.vocabulary_size)
        forward += _towers(config) * generator.flops(length) + slots * (head + softmax)
    return 3 * forward


def _towers(config: PretrainingConfig) -> int:
    return 2 if config.two_tower_generator else 1


def _masked_lm_inputs(config: PretrainingConfig, generator: ModelConfig) -> int:
    # The two towers' outputs are concatenated before the head.
    return _towers(config) * generator.hidden_dim
