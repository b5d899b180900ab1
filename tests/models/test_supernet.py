"""A supernet computes what the encoders it holds compute one by one."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.errors import InputError
from lvbert_tf.models import ElectraPretrainer, LVBertBackbone, Supernet
from lvbert_tf.models.supernet import selected_path
from lvbert_tf.pretraining.objective import PretrainingObjective, loss_weights, pretraining_loss

LAYERS = 4
CONFIG = ModelConfig(
    vocabulary_size=50,
    layer_string=LayerString("AFAF"),
    hidden_dim=16,
    num_heads=2,
    intermediate_dim=32,
    embedding_dim=8,
    max_sequence_length=12,
    dropout=0.0,
    attention_dropout=0.0,
)
strings = st.text("CAF", min_size=LAYERS, max_size=LAYERS)


class Traced:
    """A supernet, and its output for a string by one compiled function."""

    def __init__(self, supernet):
        self.supernet = supernet
        self.function = tf.function(self._output, autograph=False)

    def _output(self, inputs, path):
        with selected_path(path):
            return self.supernet(inputs)

    def __call__(self, inputs, string):
        inputs = {name: tf.constant(value) for name, value in inputs.items()}
        return self.function(inputs, self.supernet.path_of(string))


@pytest.fixture(scope="module")
def traced(randomize):
    return Traced(randomize(Supernet(CONFIG, "CAF")))


@settings(max_examples=12, deadline=None, derandomize=True)
@given(strings)
def test_equals_the_extracted_encoder_and_traces_once(traced, tiny_inputs, string):
    alone = traced.supernet.extract(string)
    assert isinstance(alone, LVBertBackbone)
    assert alone.layer_string == string
    ours, theirs = traced(tiny_inputs, string), alone(tiny_inputs)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, atol=1e-5, rtol=1e-5)
    assert traced.function.experimental_get_tracing_count() == 1


def test_the_extracted_weights_are_copies(traced):
    alone = traced.supernet.extract("CCCC", name="winner")
    assert alone.name == "winner"
    before = traced.supernet.blocks[0][0].layer_norm.gamma.numpy()
    alone.encoder_layers[0].layer_norm.gamma.assign(before + 1.0)
    np.testing.assert_array_equal(traced.supernet.blocks[0][0].layer_norm.gamma, before)


def test_without_a_path_it_is_the_string_of_its_configuration(traced, tiny_inputs):
    np.testing.assert_array_equal(
        traced.supernet(tiny_inputs)["sequence_output"],
        traced.supernet.extract("AFAF")(tiny_inputs)["sequence_output"],
    )
    with selected_path(traced.supernet.path_of("FFFF")):
        inside = traced.supernet(tiny_inputs)["sequence_output"]
        with selected_path(None):
            default = traced.supernet(tiny_inputs)["sequence_output"]
    assert np.abs(inside - default).max() > 0.1


def test_other_sets_of_types_and_precisions(randomize, tiny_inputs):
    supernet = randomize(Supernet(CONFIG, "FA", dtype="mixed_bfloat16"))
    assert [len(blocks) for blocks in supernet.blocks] == [2] * LAYERS
    output = Traced(supernet)(tiny_inputs, "AAFF")["sequence_output"]
    assert output.dtype == tf.bfloat16
    alone = supernet.extract("AAFF")
    assert alone.dtype_policy.name == "mixed_bfloat16"
    expected = tf.cast(alone(tiny_inputs)["sequence_output"], tf.float32)
    assert np.abs(tf.cast(output, tf.float32) - expected).max() < 0.1


def test_without_a_projection(randomize, tiny_inputs):
    supernet = randomize(Supernet(CONFIG.replace(embedding_dim=16), "AF"))
    np.testing.assert_allclose(
        Traced(supernet)(tiny_inputs, "FAAF")["sequence_output"],
        supernet.extract("FAAF")(tiny_inputs)["sequence_output"],
        atol=1e-5,
        rtol=1e-5,
    )


@pytest.mark.parametrize("layer_types", ["", "AA", "AX", "af", "AC"])
def test_impossible_sets_of_types_are_refused(layer_types):
    with pytest.raises(InputError, match=r"layer types|AFAF has layers of type F"):
        Supernet(CONFIG, layer_types)


@pytest.mark.parametrize(
    ("string", "message"),
    [("AFA", "AFA has 3 layers; the supernet has 4"), ("AFAC", "AFAC has layers of type C")],
)
def test_strings_outside_the_space_are_refused(string, message):
    supernet = Supernet(CONFIG, "AF")
    with pytest.raises(InputError, match=message):
        supernet.extract(string)


# --- In the place of a pre-trainer's encoder

OBJECTIVES = {
    "electra": {"generator_layer_list": "F"},
    "masked_lm": {"electra_objective": False},
    "uniform_generator": {"uniform_generator": True},
}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def supernet_config(tiny_config, objective, **hparams):
    hparams = {"custom_layer_list": "CAF", "layer_types": "CAF", **OBJECTIVES[objective], **hparams}
    return tiny_config(NO_DROPOUT, **hparams)


def alone(pretrainer, config, string):
    """The pre-trainer of one string, with the same weights."""
    encoder = pretrainer.discriminator.extract(string)
    own = config.wiring.has_own_generator or pretrainer.generator is None
    copy = ElectraPretrainer(
        encoder,
        pretrainer.generator if own else encoder,
        detects_replacements=pretrainer.replaced_token_head is not None,
    )
    for name in ("masked_lm_head", "replaced_token_head"):
        if getattr(copy, name) is not None:
            getattr(copy, name).set_weights(getattr(pretrainer, name).get_weights())
    return copy


def loss_and_gradients(pretrainer, objective, masked, layers):
    """The loss in training, and its gradients, a list for each of `layers`."""
    weights = loss_weights(masked, objective)
    variables = [layer.trainable_variables for layer in layers]

    @tf.function(autograph=False)
    def compute():
        with tf.GradientTape() as tape:
            loss, _ = pretraining_loss(pretrainer, objective, masked, weights, training=True)
        return loss, tape.gradient(loss, [[v.value for v in group] for group in variables])

    return compute()


@pytest.mark.usefixtures("always_compiled")
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_losses_and_gradients_are_those_of_the_encoder_alone(
    tiny_config, randomize, masking_spec, tiny_masked, objective
):
    config = supernet_config(tiny_config, objective)
    pretrainer = randomize(ElectraPretrainer.from_networks(config.networks))
    supernet, string = pretrainer.discriminator, "FCA"
    spec = PretrainingObjective.from_settings(config.objective, masking_spec)
    path = supernet.path_of(string).numpy()
    blocks = [choices[choice] for choices, choice in zip(supernet.blocks, path, strict=True)]
    others = [b for choices in supernet.blocks for b in choices if b not in blocks]
    with selected_path(tf.constant(path)):
        loss, gradients = loss_and_gradients(pretrainer, spec, tiny_masked, blocks + others)
    gradients, idle = gradients[:3], gradients[3:]
    single = alone(pretrainer, config, string)
    layers = single.discriminator.encoder_layers
    expected_loss, expected = loss_and_gradients(single, spec, tiny_masked, layers)
    assert float(loss) == pytest.approx(float(expected_loss), rel=1e-5)
    for ours, theirs in zip(gradients, expected, strict=True):
        for gradient, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(gradient, other, rtol=1e-3, atol=1e-4)
    assert len(idle) == 6
    assert not any(np.any(gradient) for group in idle for gradient in group)


def test_the_generator_is_fixed_and_interleaved(tiny_config):
    plain = supernet_config(tiny_config, "electra", generator_layer_list=None)
    assert str(plain.generator.layer_string) == "AFA"
    own = supernet_config(tiny_config, "electra", generator_layer_list="C")
    assert str(own.generator.layer_string) == "C"
    pretrainer = ElectraPretrainer.from_networks(own.networks)
    assert isinstance(pretrainer.generator, LVBertBackbone)
    assert pretrainer.generator.embeddings is pretrainer.discriminator.embeddings


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_parameters_and_flops_are_those_of_the_formula(tiny_config, objective):
    config = supernet_config(tiny_config, objective)
    pretrainer = ElectraPretrainer.from_networks(config.networks)
    assert pretrainer.count_params() == config.networks.num_parameters()
    each = [
        tiny_config(custom_layer_list=3 * layer_type, **OBJECTIVES[objective]).training_flops
        for layer_type in "CAF"
    ]
    assert config.training_flops == pytest.approx(sum(each) / 3, abs=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer_types": ""}, "layer_types: layer types ''"),
        ({"layer_types": "AF"}, "layer_types: CAF has layers of type C"),
        (
            {"untied_generator": False, "generator_layer_list": None},
            "needs electra_objective false, or a generator",
        ),
        ({"two_tower_generator": True}, "with one tower"),
        ({"electric_objective": True}, "with one tower"),
    ],
)
def test_impossible_configurations_are_refused(tiny_config, changes, message):
    with pytest.raises(InputError, match=message):
        supernet_config(tiny_config, "electra", **changes)
