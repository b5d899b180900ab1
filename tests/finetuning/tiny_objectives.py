"""Objectives of tiny models, and what training and prediction do with them."""

import keras
import numpy as np
import tensorflow as tf

from lvbert_tf.finetuning.learning.batches import batches, prediction_plan
from lvbert_tf.finetuning.learning.prediction import Predictor
from lvbert_tf.finetuning.objectives import OBJECTIVES
from lvbert_tf.finetuning.parts import PredictionSettings
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.models import LVBertBackbone, LVBertTokenizer

LENGTH = 16


def make_objective(task, tokens, **hparams):
    """The objective of a task with a fresh model of random weights, without dropout.

    Args:
      tokens: of the vocabulary.
      hparams: of the run.
    """
    keras.utils.set_random_seed(0)
    backbone = LVBertBackbone(
        len(tokens), "CAF", 2, 16, 32, dropout=0.0, max_sequence_length=32, initializer_range=0.3
    )
    hparams = {"max_seq_length": LENGTH, "head_dropout": 0.0, **hparams}
    config = FinetuningConfig.create("data", "tiny", hparams)
    kind = OBJECTIVES[task.kind]
    examples = task.read("train").examples
    return kind(
        task, kind.new_model(task, examples, backbone, LVBertTokenizer(tokens), config.head)
    )


def whole_batch(features, length=LENGTH):
    """All rows in one batch, in their order."""
    return features.batch(tf.range(features.num_rows), length)


def outputs_of(objective, features):
    """What the predictor of a run makes of features, in batches of two."""
    settings = PredictionSettings(eval_batch_size=2, bucket_by_length=False)
    return Predictor(tf.distribute.get_strategy(), objective, settings).outputs(features)


def predict(objective, examples, role="dev", length=LENGTH):
    """Predictions of examples in one batch."""
    features = objective.features(examples, role)
    outputs = objective.forward(whole_batch(features, length), training=False)
    outputs = {name: list(value.numpy()) for name, value in outputs.items()}
    return objective.predictions(examples, features, outputs)


def overfit(objective, examples, steps=60, learning_rate=1e-2):
    """Trains on all examples at once; returns the first and the last mean loss."""
    features = objective.features(examples, "train")
    optimizer = keras.optimizers.Adam(learning_rate)
    variables = objective.model.trainable_variables
    optimizer.build(variables)
    plan = prediction_plan(features.lengths, features.num_rows, np.array([LENGTH], np.int32))
    (batch,) = batches(features, plan)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            losses = objective.losses(objective.forward(batch, training=True), batch)
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]))
        return loss

    losses = [float(step()) for _ in range(steps)]
    return losses[0], losses[-1]
