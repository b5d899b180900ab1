"""Low-rank adapters (LoRA) as KerasHub enables them: what trains, what is saved, what is refused."""

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.models import LVBertBackbone, LVBertTextClassifier

ROWS = 8
TARGETS = ("query", "key", "value", "gate", "intermediate", "output", "embeddings_projection")


def make_backbone(layers="CAF", dtype=None, **changes):
    shape = {"num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "embedding_dim": 8}
    shape |= {"max_sequence_length": 12, **changes}
    return LVBertBackbone(50, layers, dtype=dtype, **shape)


def make_classifier(randomize, *arguments, **changes):
    keras.utils.set_random_seed(0)
    classifier = LVBertTextClassifier(make_backbone(*arguments, **changes), 2)
    return randomize(classifier, deviation=0.2)


@pytest.fixture(scope="module")
def rows():
    """Eight rows of two classes that a model can learn by heart."""
    ids = np.random.default_rng(0).integers(5, 50, (ROWS, 12)).astype("int32")
    inputs = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": np.ones_like(ids)}
    return inputs, np.arange(ROWS) % 2


def fit(classifier, rows, epochs=25):
    """The losses; a graph is not worth its while for a few steps."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(
        keras.optimizers.Adam(1e-2), loss, jit_compile=False, run_eagerly=epochs < 10
    )
    return classifier.fit(*rows, epochs=epochs, batch_size=ROWS, verbose=0).history["loss"]


def values(model):
    return {weight.path: weight.numpy() for weight in model.weights}


def test_the_adapters_are_where_kerashub_has_them(randomize):
    ours = make_classifier(randomize, "AFAF")
    theirs = keras_hub.models.BertBackbone(50, 2, 2, 16, 32, max_sequence_length=12)
    for backbone in (ours.backbone, theirs):
        backbone.enable_lora(4)
    adapters = [
        [v.path.split("/")[-2:] for v in backbone.trainable_variables if "lora" in v.path]
        for backbone in (ours.backbone, theirs)
    ]
    assert adapters[0] == adapters[1] and len(adapters[0]) == 8
    shapes = {tuple(variable.shape) for variable in ours.backbone.trainable_variables}
    assert shapes == {(16, 4), (4, 16)}


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_only_adapters_and_the_head_learn(dtype, randomize, rows, always_compiled):
    classifier = make_classifier(randomize, "CAF", dtype)
    frozen = classifier(rows[0])
    classifier.backbone.enable_lora(4)
    np.testing.assert_array_equal(classifier(rows[0]), frozen)
    before = values(classifier)
    losses = fit(classifier, rows)
    assert losses[-1] < 0.8 * losses[0]
    after = values(classifier)
    changed = {path for path in after if np.any(before[path] != after[path])}
    assert changed == {
        *("layer_0/dynamic_convolution/value/lora_kernel_a", "logits/kernel", "logits/bias"),
        "layer_0/dynamic_convolution/value/lora_kernel_b",
        *(
            f"layer_1/self_attention/{part}/lora_kernel_{factor}"
            for part in ("query", "value")
            for factor in "ab"
        ),
    }


def test_a_task_that_has_predicted_follows(randomize, rows):
    """What it has traced without adapters is traced again."""
    classifier = make_classifier(randomize)
    frozen = classifier.predict(rows[0], verbose=0)
    classifier.backbone.enable_lora(4)
    randomize(classifier.backbone, seed=3)
    logits = classifier.predict(rows[0], verbose=0)
    assert np.abs(logits - frozen).max() > 0.01
    np.testing.assert_allclose(logits, classifier(rows[0]), atol=1e-5)


def test_an_adapter_is_a_product_added_to_its_columns(randomize, rows):
    """Each part's own columns change, by its own factors."""
    backbone = randomize(make_backbone("A"))
    backbone.enable_lora(3, ["query", "value"])
    attention = backbone.encoder_layers[0].sublayer
    before = attention.query_key_value._kernel.numpy()
    randomize(backbone, seed=5)
    query, value = (
        part.lora_kernel_a.numpy() @ part.lora_kernel_b.numpy()
        for part in (attention.query, attention.value)
    )
    expected = before + np.concatenate([query, np.zeros((16, 16)), value], axis=1)
    np.testing.assert_allclose(attention.query_key_value.kernel, expected, atol=1e-6)
    plain = make_backbone("A")
    plain.set_weights([w.numpy() for w in backbone.weights if "lora" not in w.path])
    plain.encoder_layers[0].sublayer.query_key_value.kernel.assign(expected)
    np.testing.assert_allclose(
        plain(rows[0])["sequence_output"], backbone(rows[0])["sequence_output"], atol=1e-5
    )


def test_each_target_is_adapted_alone():
    for target in TARGETS:
        backbone = make_backbone()
        backbone.enable_lora(2, [target])
        trainable = backbone.trainable_variables
        count = sum(layer.name == target for layer in backbone._flatten_layers())
        assert len(trainable) == 2 * count > 0 and all("lora_kernel" in v.path for v in trainable)


@pytest.mark.parametrize("quantization", [None, "int8"])
def test_every_target_learns_is_merged_and_comes_back(quantization, randomize, rows, tmp_path):
    def make():
        classifier = make_classifier(randomize)
        if quantization:
            classifier.quantize(quantization)
        classifier.backbone.enable_lora(2, TARGETS)
        return classifier

    def fit_and_check(classifier):
        before = values(classifier.backbone)
        fit(classifier, rows, 3)
        for path, value in values(classifier.backbone).items():
            assert np.any(value != before[path]) == ("lora_kernel" in path), path

    classifier = make()
    fit_and_check(classifier)
    vectors = classifier.backbone(rows[0])["sequence_output"].numpy()

    classifier.backbone.save_lora_weights(tmp_path / "adapters.lora.h5")
    other = make()
    other.backbone.load_lora_weights(tmp_path / "adapters.lora.h5")
    np.testing.assert_array_equal(other.backbone(rows[0])["sequence_output"], vectors)

    classifier.backbone.save_to_preset(str(tmp_path / "merged"))
    merged = LVBertBackbone.from_preset(str(tmp_path / "merged"))
    assert not [weight for weight in merged.weights if "lora" in weight.path]
    tolerance = 1e-5 if quantization is None else 0.05  # the merged kernel is quantised again
    np.testing.assert_allclose(merged(rows[0])["sequence_output"], vectors, atol=tolerance)

    # Loaded where there are adapters, these begin afresh, and can learn.
    other.backbone.load_weights(tmp_path / "merged" / "model.weights.h5")
    np.testing.assert_allclose(
        other.backbone(rows[0])["sequence_output"], merged(rows[0])["sequence_output"], atol=1e-5
    )
    fit_and_check(other)


def test_adapters_are_loaded_without_enabling_them_first(randomize, rows, tmp_path):
    classifier = make_classifier(randomize)
    classifier.backbone.enable_lora(2)
    fit(classifier, rows, 2)
    classifier.save(tmp_path / "merged.keras")
    classifier.backbone.save_lora_weights(tmp_path / "adapters.lora.h5")
    other = make_classifier(randomize)
    other.backbone.load_lora_weights(tmp_path / "adapters.lora.h5")
    vectors = classifier.backbone(rows[0])["sequence_output"]
    np.testing.assert_array_equal(other.backbone(rows[0])["sequence_output"], vectors)
    merged = keras.models.load_model(tmp_path / "merged.keras")
    np.testing.assert_allclose(merged(rows[0]), classifier(rows[0]), atol=1e-5)
    function = tf.function(lambda inputs: classifier(inputs, training=False))
    np.testing.assert_allclose(function(rows[0]), classifier(rows[0]), atol=1e-5)


@pytest.mark.parametrize(
    "layers, arguments, said",
    [
        (
            "CAF",
            (4, ["query", "nope"]),
            "no layer 'nope'; target_layer_names are of embeddings_pro",
        ),
        ("CAF", (4, ["query_key_value"]), "no layer 'query_key_value'; .* gate, intermediate, key"),
        ("CAF", (4, []), "no layer to adapt is named"),
        ("FF", (4,), "no layer to adapt is named; .* embeddings_projection, intermediate, output$"),
        ("CAF", (0,), "rank 0 is not a positive integer"),
        ("CAF", (True,), "rank True is not a positive integer"),
        ("CAF", (2.0,), "rank 2.0 is not a positive integer"),
    ],
)
def test_what_is_refused_freezes_nothing(layers, arguments, said):
    backbone = make_backbone(layers)
    count = len(backbone.trainable_variables)
    with pytest.raises(InputError, match=said):
        backbone.enable_lora(*arguments)
    assert len(backbone.trainable_variables) == count


def test_adapters_are_enabled_once_and_not_with_float8():
    backbone = make_backbone()
    backbone.enable_lora(2)
    for names in (None, ["key"], ["output", "value"]):
        with pytest.raises(InputError, match="value has a LoRA adapter"):
            backbone.enable_lora(2, names)
    assert len(backbone.trainable_variables) == 6
    with pytest.raises(InputError, match="'float8' does not go with LoRA"):
        backbone.quantize("float8")
    backbone = make_backbone()
    backbone.quantize("float8")
    with pytest.raises(InputError, match="LoRA does not go with quantization 'float8'"):
        backbone.enable_lora(2)
