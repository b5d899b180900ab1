"""The optimiser against eight steps of the reference's."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.training import optimizer as optimizer_module
from lvbert_tf.training.optimizer import ReferenceAdam, averaged_weights, global_norm
from lvbert_tf.training.schedules import WarmupPolynomialDecay

FIXTURES = Path(__file__).parents[1] / "fixtures" / "optimizer"

# In the reference's graph nothing orders the reading of the step counter and its increment: an update
# uses the rate of either count. These are the counts that its eight updates happened to read (the
# rates recovered from the fixtures are exact to 1e-6); all but the first two are the updates' own.
STEPS_READ = {"flat": (1, 1, 3, 4, 5, 6, 7, 8), "layerwise": (0, 2, 3, 4, 5, 6, 7, 8)}


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
    schedule = WarmupPolynomialDecay(
        settings["learning_rate"],
        settings["num_train_steps"],
        settings["num_warmup_steps"],
        settings["lr_decay_power"],
    )
    optimizer = ReferenceAdam(
        0.0,
        weight_decay_rate=settings["weight_decay_rate"],
        rate_multiplier=(
            layerwise_multiplier(decay, settings["n_transformer_layers"]) if decay > 0 else None
        ),
    )
    for step, step_read in enumerate(STEPS_READ[name], start=1):
        optimizer.learning_rate = float(schedule(step_read - 1))
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


def test_schedule_warms_up_linearly_and_ends_at_zero():
    schedule = WarmupPolynomialDecay(0.1, num_train_steps=100, num_warmup_steps=10, power=2.0)
    rates = [float(schedule(update)) for update in range(100)]
    np.testing.assert_allclose(rates[4], 0.1 * 0.95**2 * 0.5, rtol=1e-6)
    np.testing.assert_allclose(rates[49], 0.1 * 0.5**2, rtol=1e-6)
    assert rates[99] == float(schedule(150)) == 0.0
    assert float(WarmupPolynomialDecay(0.1, num_train_steps=100)(0)) == pytest.approx(0.099)


def test_settings_survive_serialisation():
    schedule = WarmupPolynomialDecay(0.1, 100, 10, 2.0)
    settings = {"weight_decay_rate": 0.3, "beta_1": 0.8, "beta_2": 0.7, "epsilon": 0.1}
    settings["ema_decay"] = 0.9
    copy = ReferenceAdam.from_config(ReferenceAdam(schedule, **settings).get_config())
    assert {name: getattr(copy, name) for name in settings} == settings
    assert copy._learning_rate.get_config() == schedule.get_config()
    assert [float(copy._learning_rate(n)) for n in (3, 50)] == [float(schedule(n)) for n in (3, 50)]


def test_norms_and_biases_of_our_networks_are_not_decayed(tiny_pretrainer):
    variables = tiny_pretrainer()[0].trainable_variables
    optimizer = ReferenceAdam()
    optimizer.build(variables)
    for variable, decay in zip(variables, optimizer.decays, strict=True):
        expected = 0.0 if variable.name.endswith(("gamma", "beta", "bias")) else 0.01
        assert decay == expected, variable.path


def test_large_weights_are_updated_as_small_ones():
    random = np.random.default_rng(0)
    start, gradient = random.normal(size=(2, 4, 1 << 14)).astype(np.float32)
    whole, *rows = (keras.Variable(value) for value in (start, *start))
    optimizer = ReferenceAdam(0.1)
    optimizer.build([whole, *rows])
    for _ in range(2):
        optimizer.apply([gradient, *gradient], [whole, *rows])
    np.testing.assert_allclose(whole.numpy(), [row.numpy() for row in rows], rtol=1e-5, atol=1e-6)


def test_sparse_gradients_move_only_what_dense_ones_would():
    start = np.arange(12, dtype=np.float32).reshape(4, 3)
    tables = [keras.Variable(start, name=f"table_{kind}") for kind in ("sparse", "dense")]
    sparse = tf.IndexedSlices(tf.ones((2, 3)), tf.constant([1, 1]), tf.constant([4, 3]))
    for table, gradient in zip(tables, (sparse, tf.convert_to_tensor(sparse)), strict=True):
        ReferenceAdam(0.1, weight_decay_rate=0.0).apply([gradient], [table])
    np.testing.assert_array_equal(tables[0].numpy(), tables[1].numpy())
    np.testing.assert_array_equal(tables[0].numpy()[[0, 2, 3]], start[[0, 2, 3]])


def test_variables_updated_together_are_updated_as_alone():
    random = np.random.default_rng(0)
    shapes = {
        "bias": (5,),
        "kernel": (3, 4),
        "table": (2, 1 << 15),
        "layer_norm": (7,),
        "rest": (1,),
    }

    def build():
        variables = [
            keras.Variable(np.ones(shape, np.float32), name=name) for name, shape in shapes.items()
        ]
        optimizer = ReferenceAdam(rate_multiplier=lambda variable: 1.0 + variable.shape[0])
        optimizer.build(variables)
        return optimizer, variables

    (together, ours), (alone, theirs) = build(), build()
    for _ in range(2):
        gradients = [tf.constant(random.normal(size=s), tf.float32) for s in shapes.values()]
        together.update_together(gradients, ours, tf.constant(0.1), scale=tf.constant(0.25))
        for gradient, variable in zip(gradients, theirs, strict=True):
            alone.update_step(0.25 * gradient, variable, tf.constant(0.1))
    pairs = [
        *zip(ours, theirs, strict=True),
        *zip(together.variables, alone.variables, strict=True),
    ]
    for our, their in pairs:
        np.testing.assert_allclose(our.numpy(), their.numpy(), rtol=1e-6, err_msg=our.path)


@pytest.mark.parametrize("large", [1, 1 << 16], ids=["compiled", "plain"])
def test_weights_are_averaged_with_a_decay_that_grows(large, monkeypatch):
    monkeypatch.setattr(optimizer_module, "_LARGE", large)
    variables = [keras.Variable(np.ones(shape), dtype="float32") for shape in ((3, 2), (4,))]
    plain = [keras.Variable(np.ones(shape), dtype="float32") for shape in ((3, 2), (4,))]
    averaged, other = ReferenceAdam(0.1, ema_decay=0.4), ReferenceAdam(0.1)
    averaged.build(variables)
    other.build(plain)
    expected = [variable.numpy().astype(np.float64) for variable in variables]
    for step in range(8):
        random = np.random.default_rng(step)
        gradients = [tf.constant(random.normal(size=v.shape), tf.float32) for v in variables]
        averaged.apply(gradients, variables)
        other.apply(gradients, plain)
        decay = min(0.4, (1 + step) / (10 + step))
        for i, variable in enumerate(variables):
            np.testing.assert_array_equal(variable, plain[i])  # averages change nothing else
            expected[i] = decay * expected[i] + (1 - decay) * variable.numpy()
            np.testing.assert_allclose(averaged.average_of(variable), expected[i], rtol=1e-6)
    nan = [tf.fill(variable.shape, np.nan) for variable in variables]
    averaged.update_together(nan, variables, tf.constant(0.1), only_if=tf.constant(False))
    trained = [variable.numpy() for variable in variables]
    averages = [averaged.average_of(variable).numpy() for variable in variables]
    with averaged_weights(averaged):
        for variable, average in zip(variables, averages, strict=True):
            np.testing.assert_array_equal(variable, average)
    for variable, weight, average in zip(variables, trained, averages, strict=True):
        np.testing.assert_array_equal(variable, weight)
        np.testing.assert_array_equal(averaged.average_of(variable), average)


def test_the_global_norm_has_one_sum_for_all_small_gradients(monkeypatch):
    monkeypatch.setattr(optimizer_module, "_LARGE", 12)
    random = np.random.default_rng(0)
    shapes = [(3, 4), (5,), (2, 3), (4, 4), ()]
    gradients = [tf.constant(random.normal(size=shape), tf.float32) for shape in shapes]
    for some in (gradients, gradients[:1], gradients[1:2]):
        expected = tf.linalg.global_norm(some)
        np.testing.assert_allclose(global_norm(some), expected, rtol=1e-6)
    graph = tf.function(global_norm).get_concrete_function(gradients).graph
    sums = [operation for operation in graph.get_operations() if operation.type == "L2Loss"]
    assert len(sums) == 3
