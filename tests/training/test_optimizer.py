"""The optimiser against eight steps of the reference's."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.training.optimizer import ReferenceAdam
from lvbert_tf.training.schedules import WarmupPolynomialDecay

FIXTURES = Path(__file__).parents[1] / "fixtures" / "optimizer"


def layerwise_multiplier(decay: float, pairs: int):
    """Rates by depth as the reference's: embeddings 0, pair k at k + 1, the task's head on top."""

    def multiplier(variable):
        pair = re.search(r"layer_(\d+)/", variable.path)
        depth = int(pair[1]) + 1 if pair else pairs + 2 if "task_specific" in variable.path else 0
        return decay ** (pairs + 2 - depth)

    return multiplier


@pytest.mark.parametrize("name", ["flat", "layerwise"])
def test_equals_the_reference(name):
    settings = json.loads((FIXTURES / f"{name}.json").read_text())
    arrays = np.load(FIXTURES / f"{name}.npz")
    names = settings["variable_order"]
    variables = [
        keras.Variable(arrays[f"{path}@0"], name=path.replace("/", "."), dtype="float32")
        for path in names
    ]
    for variable, path in zip(variables, names, strict=True):
        variable._path = path
    decay = settings["layerwise_lr_decay"]
    optimizer = ReferenceAdam(
        WarmupPolynomialDecay(
            settings["learning_rate"],
            settings["num_train_steps"],
            settings["num_warmup_steps"],
            settings["lr_decay_power"],
        ),
        weight_decay_rate=settings["weight_decay_rate"],
        rate_multiplier=(
            layerwise_multiplier(decay, settings["n_transformer_layers"]) if decay > 0 else None
        ),
    )
    for step in range(1, 9):
        with tf.GradientTape() as tape:
            loss = tf.add_n(
                [
                    (1 + 0.5 * i)
                    * tf.reduce_sum(tf.square(variable.value - arrays[f"{path}@target"]))
                    for i, (variable, path) in enumerate(zip(variables, names, strict=True))
                ]
            )
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        gradients, _ = tf.clip_by_global_norm(gradients, settings["clip_norm"])
        optimizer.apply(gradients, variables)
        for variable, path in zip(variables, names, strict=True):
            np.testing.assert_allclose(
                variable.numpy(), arrays[f"{path}@{step}"], atol=1e-6, rtol=0, err_msg=path
            )
