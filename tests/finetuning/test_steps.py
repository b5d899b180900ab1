"""The gradients of a fine-tuning step that computes its batch in parts."""

import json

import numpy as np
import pytest
import tensorflow as tf
from task_files import task_with
from tiny_objectives import LENGTH, make_objective

from lvbert_tf.finetuning.learning.batches import BatchPlan, batches
from lvbert_tf.finetuning.learning.steps import FinetuningGradients
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS
from lvbert_tf.training.optimizer import ReferenceAdam
from lvbert_tf.training.precision import LossScale
from lvbert_tf.training.step import TrainingStep

TOKENS = [*SPECIAL_TOKENS, "a", "fine", "dull", "film"]
TOML = """
files = {train = "train.tsv", dev = "train.tsv"}
columns = {text = "text", label = "label"}
"""
CLASSES = TOML + 'kind = "classification"\nlabels = ["bad", "good"]\nmetric = "accuracy"\n'
SCORES = TOML + 'kind = "regression"\nlabel_range = [0, 5]\n'
CONTEXT = "A dull film. A fine film. A film."
ANSWERS = [("fine", 15), ("dull", 2), ("fine film", 15), ("A film", 26)]
QUESTIONS = [
    {"id": text, "question": "a film?", "answers": [{"text": text, "answer_start": start}]}
    for text, start in ANSWERS
]
SQUAD = {"data": [{"paragraphs": [{"context": CONTEXT, "qas": QUESTIONS}]}]}
# Four rows of each kind of task, none like another.
TASKS = {
    "films": {
        "task.toml": CLASSES,
        "train.tsv": "label\ttext\ngood\ta fine film\nbad\tdull\nbad\ta dull film\ngood\tfine\n",
    },
    "stars": {
        "task.toml": SCORES,
        "train.tsv": "label\ttext\n4.5\ta fine film\n1\tdull\n2\ta dull film\n5\tfine\n",
    },
    "pos": {"train.txt": "a D\nfine A\n\ndull A\nfilm N\n\nfilm N\n\na D\nfilm N\n"},
    "squadv1": {"train.json": json.dumps(SQUAD)},
}


def gradients_of(objective, rows, parts):
    """The gradients of a batch of so many rows on one replica."""
    return FinetuningGradients(objective, LossScale(dynamic=False), rows, 1, parts)


@pytest.mark.parametrize("name", TASKS)
def test_parts_have_the_gradients_of_the_whole(tmp_path, name):
    task = task_with(tmp_path, name, TASKS[name])
    objective = make_objective(task, TOKENS, max_query_length=4)
    features = objective.features(task.read("train").examples, "train")
    batch = features.batch(tf.range(4), LENGTH)

    def computed(parts):
        gradients = gradients_of(objective, 4, parts)
        loss, _, found = gradients.compute(batch, tf.constant([0, 1]), 0, None)
        return loss, [gradient for gradient in found if gradient is not None]

    (loss, gradients), (loss_of_parts, gradients_of_parts) = computed(1), computed(2)
    assert float(loss_of_parts) == pytest.approx(float(loss), rel=1e-5)
    for whole, sum_of_parts in zip(gradients, gradients_of_parts, strict=True):
        np.testing.assert_allclose(sum_of_parts, whole, rtol=1e-3, atol=1e-5)


def test_each_part_draws_its_own_dropout(tmp_path):
    task = task_with(tmp_path, "films", TASKS["films"])
    objective = make_objective(task, TOKENS, head_dropout=0.5)
    row = objective.features(task.read("train").examples, "train").batch(
        tf.constant([0, 0]), LENGTH
    )
    losses, compute = [], objective.losses

    def watched(outputs, batch):
        losses.append(float(compute(outputs, batch)[0]))
        return compute(outputs, batch)

    objective.losses = watched
    tf.config.run_functions_eagerly(True)  # to see the loss of either part
    try:
        gradients_of(objective, 2, 2).compute(row, tf.constant([0, 1]), 0, None)
    finally:
        tf.config.run_functions_eagerly(False)
    assert len(losses) == 2
    assert losses[0] != losses[1]


def test_steps_of_several_lengths_learn_the_same_in_parts(tmp_path):
    """The whole training step, compiled as on a CPU, in a loop over batches of unknown length."""
    task = task_with(tmp_path, "films", TASKS["films"])

    def trained(parts):
        objective = make_objective(task, TOKENS)
        features = objective.features(task.read("train").examples, "train")
        plan = BatchPlan(
            np.array([[0, 1, 2, 3], [3, 2, 1, 0]], np.int32), np.array([8, 6], np.int32)
        )
        scale, optimizer = LossScale(dynamic=True), ReferenceAdam(1e-2)
        optimizer.build(objective.model.trainable_variables)
        gradients = FinetuningGradients(objective, scale, 4, 1, parts)
        strategy = tf.distribute.get_strategy()
        step = TrainingStep(strategy, gradients, optimizer, scale, 0, "stretches")
        records = step.run(iter(batches(features, plan)), 2)
        return records.loss, [weight.numpy() for weight in objective.model.trainable_variables]

    losses, weights = trained(1)
    losses_in_parts, weights_in_parts = trained(2)
    assert losses[0] != losses[1]
    np.testing.assert_allclose(losses_in_parts, losses, rtol=1e-5)
    for whole, in_parts in zip(weights, weights_in_parts, strict=True):
        np.testing.assert_allclose(in_parts, whole, atol=2e-4)
