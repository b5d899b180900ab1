"""The pre-training step of a configuration, as the training program builds it, and a batch for it."""

import tensorflow as tf

from benchmarks.baselines import stepping
from lvbert_tf.layers.kernels import Compilation
from lvbert_tf.pretraining.learner import Learner
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.text.vocabulary import Vocabulary
from lvbert_tf.training.step import TrainingStep


def build_learner(
    config: PretrainingConfig,
    vocabulary: Vocabulary,
    precision: str,
    strategy: tf.distribute.Strategy,
) -> Learner:
    """The networks of a run with fresh weights, and what trains them."""
    return Learner.build(
        strategy,
        vocabulary,
        config.networks,
        config.objective,
        config.optimisation,
        config.step,
        precision,
    )


def build_step(
    config: PretrainingConfig, vocabulary: Vocabulary, precision: str, compilation: Compilation
) -> TrainingStep:
    """The training step of a run with fresh weights, on one device, as another device compiles it."""
    strategy = tf.distribute.get_strategy()
    learner = build_learner(config, vocabulary, precision, strategy)
    return TrainingStep(
        strategy,
        learner.steps.gradients,
        learner.steps.optimizer,
        learner.steps.loss_scale,
        config.seed,
        compilation,
        config.step.clip_norm,
    )


def bert_vocabulary() -> Vocabulary:
    """As many tokens as BERT's uncased vocabulary has, with the special ones where it has them."""
    tokens = [f"word{index}" for index in range(stepping.VOCABULARY_SIZE)]
    special_ids = {
        "[PAD]": stepping.PAD_ID,
        "[UNK]": stepping.UNK_ID,
        "[CLS]": stepping.CLS_ID,
        "[SEP]": stepping.SEP_ID,
        "[MASK]": stepping.MASK_ID,
    }
    for token, index in special_ids.items():
        tokens[index] = token
    return Vocabulary(tuple(tokens))


def random_batch(config: PretrainingConfig) -> dict[str, tf.Tensor]:
    """Sentence pairs of that vocabulary, without padding."""
    token_ids, segment_ids = stepping.random_sentence_pairs(
        config.train_batch_size, config.max_seq_length
    )
    return {
        "input_ids": tf.constant(token_ids),
        "segment_ids": tf.constant(segment_ids),
        "input_mask": tf.ones_like(token_ids),
    }
