"""The pre-training objective: from a masked batch to the loss and metric sums.

    masked batch -> generator -> samples -> corrupted batch -> discriminator -> losses

Losses are divided by the weights of the global batch, so that the shares of replicas and of parts of
a batch add up to the loss that one device would compute.
"""

import math
from dataclasses import dataclass

import tensorflow as tf

from lvbert_tf.models.electra_pretrainer import ElectraPretrainer
from lvbert_tf.pretraining import metrics
from lvbert_tf.pretraining.corruption import corrupt, sample_uniformly
from lvbert_tf.pretraining.masking import Features, MaskingSpec, candidate_mask
from lvbert_tf.pretraining.token_logits import (
    TokenPrediction,
    TokenProjection,
    logits_of_tokens,
    predict_tokens,
)
from lvbert_tf.settings.parts import ObjectiveSettings

# With it a batch without any prediction has the loss 0 and not NaN, as in the reference.
_TINY_WEIGHT = 1e-6


@dataclass(frozen=True)
class PretrainingObjective:
    """What is optimised, apart from the networks.

    Args:
        masking: how tokens are masked.
        gen_weight, disc_weight: weights of the generator's and the discriminator's loss.
        temperature: temperature of the samples from the generator.
        disallow_correct: whether the original token is never sampled.
        electric: whether the objective is Electric's. Then the discriminator's logits are an energy
            relative to the generator's likelihood, and every sampled token counts as fake (Clark et
            al., 2020b, section 2.2).
    """

    masking: MaskingSpec
    gen_weight: float = 1.0
    disc_weight: float = 50.0
    temperature: float = 1.0
    disallow_correct: bool = False
    electric: bool = False

    @classmethod
    def from_settings(
        cls, settings: ObjectiveSettings, masking: MaskingSpec
    ) -> "PretrainingObjective":
        """The objective of a run."""
        return cls(
            masking=masking,
            gen_weight=settings.gen_weight,
            disc_weight=settings.disc_weight,
            temperature=settings.temperature,
            disallow_correct=settings.disallow_correct,
            electric=settings.electric_objective,
        )

    def summarize(self, sums) -> dict[str, float]:
        """Turns metric sums into metrics; see `metrics.summarize`."""
        return metrics.summarize(sums, self.gen_weight, self.disc_weight)


def loss_weights(masked: Features, objective: PretrainingObjective) -> dict[str, tf.Tensor]:
    """The weights of these sequences that losses are divided by. They add up over a batch's parts."""
    candidates = candidate_mask(masked["token_ids"], masked["padding_mask"], objective.masking)
    return {
        "masked_lm": tf.reduce_sum(masked["mask_weights"]),
        "cloze": tf.reduce_sum(tf.cast(candidates, tf.float32)),
        "replaced_token": tf.reduce_sum(tf.cast(masked["padding_mask"], tf.float32)),
    }


def _inputs(masked: Features, token_ids: tf.Tensor) -> Features:
    return {
        "token_ids": token_ids,
        "segment_ids": masked["segment_ids"],
        "padding_mask": masked["padding_mask"],
    }


def read_generator(
    pretrainer: ElectraPretrainer, objective: PretrainingObjective, masked: Features, training: bool
) -> tuple[TokenPrediction, tf.Tensor | None]:
    """Predicts the tokens of the masked slots, and samples their replacements.

    Args:
        pretrainer: the networks. Without a generator the replacements are uniformly random.
        objective: how to sample.
        masked: what `masking.mask_tokens` returns, or a slice of it.
        training: whether dropout is on.

    Returns:
        losses, likeliest and sampled tokens of the slots, and `ElectraPretrainer.cloze_vectors` if there
        are two towers, else None.
    """
    labels, noise = masked["mask_labels"], masked["sampling_noise"]
    if pretrainer.generator is None:
        vocabulary_size = pretrainer.discriminator.config.vocabulary_size
        disallowed = labels if objective.disallow_correct else None
        log_partition = tf.fill(tf.shape(labels), math.log(vocabulary_size))
        reading = TokenPrediction(
            losses=log_partition,
            log_partition=log_partition,
            likeliest=tf.zeros_like(labels),
            sampled=sample_uniformly(noise, vocabulary_size, disallowed),
        )
        return reading, None
    cloze_vectors = None
    if pretrainer.right_to_left_generator is None:
        vectors = pretrainer.masked_lm_vectors(
            _inputs(masked, masked["masked_token_ids"]), masked["mask_positions"], training
        )
    else:
        cloze_vectors = pretrainer.cloze_vectors(_inputs(masked, masked["token_ids"]), training)
        vectors = tf.gather(cloze_vectors, masked["mask_positions"], batch_dims=1)
    reading = predict_tokens(
        vectors,
        _projection(pretrainer),
        labels,
        noise,
        objective.temperature,
        objective.disallow_correct,
    )
    return reading, cloze_vectors


def _projection(pretrainer: ElectraPretrainer) -> TokenProjection:
    assert pretrainer.generator is not None and pretrainer.masked_lm_head is not None
    table, bias = pretrainer.generator.embeddings.token_table, pretrainer.masked_lm_head.output_bias
    return TokenProjection(tf.convert_to_tensor(table), tf.convert_to_tensor(bias))


def pretraining_loss(
    pretrainer: ElectraPretrainer,
    objective: PretrainingObjective,
    masked: Features,
    global_weights: dict[str, tf.Tensor],
    training: bool,
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Computes the share of some sequences in the loss of the global batch.

    Args:
        pretrainer: the networks.
        objective: what is optimised.
        masked: what `masking.mask_tokens` returns, or a slice of it.
        global_weights: `loss_weights` of the global batch.
        training: whether dropout is on.

    Returns:
        the share, a float32 scalar, and the metric sums for `PretrainingObjective.summarize`. Both add
        up over the parts of the batch.
    """
    # === Generator ===
    reading, cloze_vectors = read_generator(pretrainer, objective, masked, training)
    sums = metrics.masked_lm_sums(
        reading.losses,
        reading.likeliest,
        masked["mask_labels"],
        masked["mask_weights"],
        reading.sampled,
    )
    if cloze_vectors is None:
        generator_loss = sums["mlm_loss"] / (global_weights["masked_lm"] + _TINY_WEIGHT)
    else:
        candidates = candidate_mask(masked["token_ids"], masked["padding_mask"], objective.masking)
        candidates = tf.cast(candidates, tf.float32)
        tokens = masked["token_ids"]
        cloze = predict_tokens(
            cloze_vectors, _projection(pretrainer), tokens, tf.zeros(tokens.shape)
        )
        sums["cloze_loss"] = tf.reduce_sum(cloze.losses * candidates)
        sums["cloze_weight"] = tf.reduce_sum(candidates)
        generator_loss = sums["cloze_loss"] / (global_weights["cloze"] + _TINY_WEIGHT)
    loss = objective.gen_weight * generator_loss

    # === Discriminator ===
    if pretrainer.replaced_token_head is not None:
        corrupted, is_fake = corrupt(
            masked, reading.sampled, only_changes_are_fake=not objective.electric
        )
        fake_logits = pretrainer.replaced_token_logits(_inputs(masked, corrupted), training)
        if objective.electric:
            logits = logits_of_tokens(cloze_vectors, _projection(pretrainer), corrupted)
            log_likelihood = tf.stop_gradient(logits - cloze.log_partition)
            prior = objective.masking.mask_prob  # that a token is fake
            fake_logits += log_likelihood + math.log(prior / (1.0 - prior))
        sums |= metrics.replaced_token_sums(fake_logits, is_fake, masked["padding_mask"])
        fake_loss = sums["disc_loss"] / (global_weights["replaced_token"] + _TINY_WEIGHT)
        loss += objective.disc_weight * fake_loss
    return loss, sums
