import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from compiled_step import Compiled
from tensorflow.python.framework import kernels
from tiny_run import LENGTH, NO_DROPOUT, hparams

from lvbert_tf.layers.kernels import compile_as
from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.pretraining.gradients import pretraining_step
from lvbert_tf.pretraining.masking import MaskingSpec
from lvbert_tf.pretraining.objective import PretrainingObjective
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.training.optimizer import ReferenceAdam
from lvbert_tf.training.precision import POLICIES, LossScale
from lvbert_tf.training.step import StepRecords, TrainingStep

MASK, SPECIAL, VOCABULARY = 4, (2, 3, 4), 60
BATCH = 8


def make_step(precision="float32", learning_rate=5e-3, **changes) -> TrainingStep:
    config = PretrainingConfig.create("data", "m", hparams(vocab_size=VOCABULARY, **changes))
    keras.utils.set_random_seed(0)
    pretrainer = ElectraPretrainer.from_networks(config.networks, dtype=POLICIES[precision])
    optimizer = ReferenceAdam(learning_rate)
    optimizer.build(pretrainer.trainable_variables)
    spec = MaskingSpec(config.mask_prob, config.max_predictions_per_seq, MASK, SPECIAL)
    objective = PretrainingObjective.from_settings(config.objective, spec)
    scale = LossScale(precision == "float16", growth_steps=3)
    return pretraining_step(
        tf.distribute.get_strategy(), pretrainer, optimizer, scale, config.step, objective
    )


def batches():
    ids = np.random.default_rng(0).integers(5, VOCABULARY, (8 * BATCH, LENGTH)).astype(np.int32)
    features = {
        "input_ids": ids,
        "input_mask": np.ones_like(ids),
        "segment_ids": np.zeros_like(ids),
    }
    dataset = tf.data.Dataset.from_tensor_slices(features)
    return iter(dataset.batch(BATCH, drop_remainder=True).repeat())


def weights(step):
    return [variable.numpy() for variable in step.gradients.pretrainer.trainable_variables]


@pytest.fixture(scope="module")
def plain():
    return Compiled(make_step(model_hparam_overrides=NO_DROPOUT))


def test_grouping_changes_nothing_and_traces_once():
    compiled = Compiled(make_step())
    step = compiled.fresh()
    whole, whole_weights = step.run(batches(), 7), weights(step)
    step, source = compiled.fresh(), batches()
    parts = [step.run(source, 1), step.run(source, 2)]
    measured, norms = step.run_measured(source, 4)
    parts.append(measured)
    np.testing.assert_array_equal(np.concatenate([part.loss for part in parts]), whole.loss)
    for name, rows in whole.sums.items():
        np.testing.assert_array_equal(np.concatenate([p.sums[name] for p in parts]), rows)
    for ours, theirs in zip(weights(step), whole_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert step.step == 7
    assert step.num_traces == 1
    flat = np.concatenate([np.ravel(w) for w in weights(step)])
    assert norms["parameter_norm"] == pytest.approx(np.linalg.norm(flat), rel=1e-5)
    assert 0 < norms["update_norm"] < norms["parameter_norm"]


def test_it_learns(plain):
    losses = plain.fresh().run(batches(), 40).loss
    assert losses[-5:].mean() < 0.8 * losses[0]


def test_accumulation_equals_one_batch(plain):
    one = plain.fresh()
    four = make_step(gradient_accumulation_steps=4, model_hparam_overrides=NO_DROPOUT)
    whole, parts = one.run(batches(), 5), four.run(batches(), 5)
    np.testing.assert_allclose(parts.loss, whole.loss, rtol=1e-5)
    np.testing.assert_allclose(parts.gradient_norm, whole.gradient_norm, rtol=1e-4)
    for ours, theirs in zip(weights(one), weights(four), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-5)
    four.optimizer.iterations.assign(0)
    check_skipping(four)


def test_the_whole_step_compiles(plain):
    step = make_step(jit_compile=True, clip_norm=0.5, model_hparam_overrides=NO_DROPOUT)
    records = step.run(batches(), 5)
    assert step.step == 5
    # The same masks and samples as in stretches; rounding parts the losses a little more at each step.
    expected = plain.fresh().run(batches(), 5).loss
    np.testing.assert_allclose(records.loss[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(records.loss, expected, rtol=1e-2)
    squares = sum(float(np.sum(v.numpy())) for v in step.optimizer.second_moments)
    assert squares == pytest.approx(0.5**2 * (1 - step.optimizer.beta_2**5), rel=1e-3)
    step.optimizer.iterations.assign(0)
    check_skipping(step)


def test_the_seeds_of_all_dropouts_are_drawn_at_once():
    """A draw costs a TPU many scalar instructions, so draws must not grow with the layers."""
    counts = []
    for layers in ("CAF", "CAFCAF"):
        step = make_step(jit_compile=True, custom_layer_list=layers)
        function, arguments = step.compiled_call(next(batches()))
        operations = function.get_concrete_function(*arguments).graph.get_operations()
        draws = [each for each in operations if each.type.startswith("StatelessRandom")]
        assert sum(each.outputs[0].shape == (1024, 2) for each in draws) == 1
        counts.append(len(draws))
    assert counts[0] == counts[1]


def has_kernel_on_gpu(node) -> bool:
    """Whether TensorFlow has a kernel of this operation, with its types, that runs on GPUs."""

    def allows(constraint):
        return node.attr[constraint.name].type in constraint.allowed_values.list.type

    found = kernels.get_registered_kernels_for_op(node.op).kernel
    return any(
        each.device_type in ("GPU", "DEFAULT") and all(map(allows, each.constraint))
        for each in found
    )


def test_every_operation_has_a_kernel_on_gpus():
    """Without one, a step that XLA does not compile would wait for copies to the CPU and back."""
    gradients = make_step().gradients

    @tf.function(autograph=False)
    def step(batch):
        with compile_as("plain"):
            return gradients.compute(batch, tf.constant([1, 2]), 0, None)

    graph = step.get_concrete_function(next(batches())).graph.as_graph_def()
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    functions = {each.signature.name for each in graph.library.function}
    assert {n.op for n in nodes if n.op not in functions and not has_kernel_on_gpu(n)} == set()


# The logits, the logits again in the backward pass, and the gradients of vectors and table.
LOGITS = ["map/while/MatMul", *(f"while/MatMul{number}" for number in ("", "_1", "_2"))]
# The vectors of the masked positions, and its gradients.
SELECTION = ["MatMul", "gradient_tape/MatMul/MatMul", "gradient_tape/MatMul/MatMul_1"]


@pytest.mark.parametrize(
    ("mode", "changes", "expected"),
    [
        ("whole", {"disallow_correct": True, "temperature": 0.7}, [*LOGITS, *SELECTION]),
        ("tpu", {"electric_objective": True}, [*LOGITS, "map_1/while/MatMul"]),
    ],
    ids=["whole", "tpu"],
)
def test_losses_and_samples_are_sums_of_the_logits(mode, changes, expected):
    """GPUs and TPUs round the factors of float32 products to 10 bits or 7, but add in float32.

    So masks, losses, samples and metrics must not use products.
    """
    step = make_step(jit_compile=True, custom_layer_list="F", **changes)
    parts = (step.strategy, step.gradients, step.optimizer, step.loss_scale)
    function, arguments = TrainingStep(*parts, 0, mode).compiled_call(next(batches()))
    module = function.experimental_get_compiler_ir(*arguments)(stage="hlo")
    products = re.findall(r" (?:dot|convolution)\(.* op_name=\"(.*?)\"", module)
    networks = re.compile("generator|discriminator|head|gelu_product")
    assert any(map(networks.search, products))
    others = [name for name in products if not networks.search(name)]
    assert sorted(others) == sorted(expected)


def test_a_step_in_bfloat16_computes_in_float32_between_products():
    """LayerNorm, softmax, GELU, losses and all sums over more than two terms are float32."""
    step = make_step("bfloat16", jit_compile=True)
    function, arguments = step.compiled_call(next(batches()))
    module = function.experimental_get_compiler_ir(*arguments)(stage="hlo")
    operations = set(re.findall(r" = bf16\[\S+ ([a-z-]+)\(", module))
    moves = {"reshape", "transpose", "broadcast", "slice", "dynamic-slice", "dynamic-update-slice"}
    moves |= {"convert", "get-tuple-element", "constant", "pad", "select", "concatenate"}
    # Multiplied are the dropout masks of embeddings; added are biases and pairs of gradients.
    assert operations - moves == {"dot", "add", "multiply"}


def test_a_step_for_gpus_has_no_grouped_convolution_and_gathers_rows():
    """Both are slow there: a group a channel, and numbers that are read one by one."""
    function, arguments = make_step(jit_compile=True).compiled_call(next(batches()))
    module = function.experimental_get_compiler_ir(*arguments)(stage="hlo")
    assert "feature_group_count" not in module
    gathers = re.findall(r" gather\(.*slice_sizes={([\d,]*)}.*op_name=\"(.*?)\"", module)
    single = [name for sizes, name in gathers if not re.search("[^1,]", sizes)]
    assert len(gathers) > len(single)
    # Only of the labels of masked positions, and of the output bias at these labels.
    assert single == ["GatherV2", "GatherV2_2"]


def test_gradients_are_clipped_by_their_global_norm(plain):
    """After one step Adam's second moments are 1 - beta_2 times the squares of the gradient."""
    step = plain.fresh()
    records = step.run(batches(), 1)
    assert records.gradient_norm[0] > 1
    squares = sum(float(np.sum(v.numpy())) for v in step.optimizer.second_moments)
    assert squares / (1 - step.optimizer.beta_2) == pytest.approx(1.0, rel=1e-4)


def state_of(step):
    slots = (*step.optimizer.first_moments, *step.optimizer.second_moments)
    return [*weights(step), *(slot.numpy() for slot in slots)]


def check_skipping(step):
    """A poisoned weight makes steps that change nothing but the count of steps."""
    source = batches()
    assert not step.run(source, 2).skipped.any()
    variable = step.gradients.pretrainer.discriminator.trainable_variables[0]
    good = variable.numpy()
    variable.assign(np.full(variable.shape, np.nan, np.float32))
    before = state_of(step)
    records = step.run(source, 3)
    assert records.skipped.all() and records.failed.all()
    for ours, theirs in zip(state_of(step), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert step.step == 5
    variable.assign(good)
    assert not step.run(source, 1).skipped.any()
    assert any((a != b).any() for a, b in zip(state_of(step)[1:], before[1:], strict=True))


def test_steps_that_are_not_finite_are_skipped(plain):
    check_skipping(plain.fresh())


@pytest.mark.parametrize(
    ("loss", "norm", "overflow", "skipped", "failed"),
    [
        ([1, 1, 1], [1, np.inf, 1], [0, 1, 0], [0, 1, 0], [0, 0, 0]),
        ([1, 1, 1], [1, 1, np.nan], [0, 0, 0], [0, 0, 1], [0, 0, 1]),
        ([1, np.inf, np.nan], [1, 1, 1], [0, 0, 0], [0, 1, 1], [0, 1, 1]),
    ],
)
def test_only_an_overflow_of_the_gradient_is_excused(loss, norm, overflow, skipped, failed):
    records = StepRecords({}, *(np.array(rows, np.float32) for rows in (loss, norm, overflow)))
    np.testing.assert_array_equal(records.skipped, skipped)
    np.testing.assert_array_equal(records.failed, failed)


def test_float16_skips_overflows_and_counts_them():
    step = make_step(
        "float16",
        custom_layer_list="F",
        generator_layer_list="F",
        model_hparam_overrides=NO_DROPOUT,
    )
    step.loss_scale.scale.assign(2.0**40)
    source, before = batches(), weights(step)
    records = step.run(source, 2)
    np.testing.assert_array_equal(records.overflow, [1, 1])
    assert records.skipped.all() and not records.failed.any()
    for ours, theirs in zip(weights(step), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert step.step == 2
    assert float(step.loss_scale.scale) == 2.0**38
    step.loss_scale.scale.assign(64.0)
    records = step.run(source, 4)
    assert not records.skipped.any()
    assert float(step.loss_scale.scale) == 128.0
    assert np.isfinite(records.gradient_norm).all()
    assert any((ours != theirs).any() for ours, theirs in zip(weights(step), before, strict=True))
    norms = []  # do not depend on the scale
    for scale in (64.0, 256.0):
        for variable, value in zip(
            step.gradients.pretrainer.trainable_variables, before, strict=True
        ):
            variable.assign(value)
        step.optimizer.iterations.assign(0)
        step.loss_scale.scale.assign(scale)
        norms.append(step.run(batches(), 1).gradient_norm[0])
    assert norms[0] == pytest.approx(norms[1], rel=0.01)
    step.gradients.pretrainer.trainable_variables[0].assign(np.full_like(before[0], np.nan))
    step.loss_scale.scale.assign(1.0)  # not to be blamed
    records = step.run(batches(), 1)
    assert (records.overflow[0], records.failed[0]) == (0, True)
