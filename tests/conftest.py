"""Shared by all tests: a quiet TensorFlow, the reference's numbers, tiny models and batches."""

import contextlib
import gc
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest

# A busy machine is no fault of an example.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

TINY_HPARAMS = {
    "vocab_size": 50,
    "embedding_size": 8,
    "custom_layer_list": "CAF",
    "generator_hidden_size": 0.5,
    "max_seq_length": 12,
    "train_batch_size": 4,
    "mask_prob": 0.3,
}
TINY_OVERRIDES = {
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 12,
    "initializer_range": 0.2,  # wide enough that no term of a sum disappears in another's rounding
}


def pytest_collection_modifyitems(items):
    """Puts last what is slow: the files that have a slow test, each in its order."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path in slow)


def pytest_collection_finish():
    """Lets TensorFlow give graphs back, where a test file imports it; freezes what was imported."""
    if "tensorflow" in sys.modules:
        from graph_gradients import leave_gradients_to_graphs

        leave_gradients_to_graphs()
    gc.freeze()


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """The numbers of the reference implementations."""
    return Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def tiny_config() -> Callable:
    """Makes the configuration of a tiny model; `overrides` are its `model_hparam_overrides`."""
    from lvbert_tf.settings.pretraining import PretrainingConfig

    def create(overrides=None, **hparams):
        overrides = {**TINY_OVERRIDES, **(overrides or {})}
        hparams = {**TINY_HPARAMS, "model_hparam_overrides": overrides, **hparams}
        return PretrainingConfig.create("data", "tiny", hparams)

    return create


@pytest.fixture(scope="session")
def tiny_batch() -> dict[str, np.ndarray]:
    """Four sequences of 12, 12, 9 and 7 real tokens; [CLS] is 2, [SEP] 3, [MASK] 4."""
    random = np.random.default_rng(0)
    lengths = np.array([[12], [12], [9], [7]])
    position = np.arange(12)[None]
    ids = np.where(position == 0, 2, random.integers(5, 50, (4, 12)))
    ids = np.where((position == 4) | (position == lengths - 1), 3, ids)
    real = position < lengths
    return {
        "input_ids": np.where(real, ids, 0).astype(np.int32),
        "segment_ids": ((position > 4) & real).astype(np.int32),
        "input_mask": real.astype(np.int32),
    }


@pytest.fixture(scope="session")
def tiny_inputs(tiny_batch) -> dict[str, np.ndarray]:
    """The same as the inputs of a backbone."""
    return {
        "token_ids": tiny_batch["input_ids"],
        "segment_ids": tiny_batch["segment_ids"],
        "padding_mask": tiny_batch["input_mask"],
    }


@pytest.fixture(scope="session")
def masking_spec():
    """How `tiny_batch` is masked."""
    from lvbert_tf.pretraining.masking import MaskingSpec

    return MaskingSpec(mask_prob=0.3, max_predictions=4, mask_id=4, special_ids=(2, 3, 4))


@pytest.fixture(scope="session")
def tiny_masked(tiny_batch, masking_spec):
    """`tiny_batch` with four predictions in the longest sequences and three and two in the others."""
    import tensorflow as tf

    from lvbert_tf.pretraining.masking import mask_tokens

    batch = {name: tf.constant(value) for name, value in tiny_batch.items()}
    return mask_tokens(batch, tf.constant([1, 2]), masking_spec)


@pytest.fixture(scope="session")
def tiny_pretrainer(tiny_config, randomize) -> Callable:
    """Builds the networks of a tiny configuration, once for each; not to be changed."""
    from lvbert_tf.models import ElectraPretrainer

    built = {}

    def build(**hparams):
        key = str(sorted(hparams.items()))
        if key not in built:
            config = tiny_config(**hparams)
            built[key] = randomize(ElectraPretrainer.from_networks(config.networks)), config
        return built[key]

    return build


@pytest.fixture(scope="session")
def value_and_gradients() -> Callable:
    """Calls a function under a tape: (result, gradients of its sum weighted by `upstream`)."""
    import tensorflow as tf

    def call(function, inputs, upstream):
        inputs = [tf.convert_to_tensor(value) for value in inputs]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            result = function(*inputs)
        return result, tape.gradient(result, inputs, tf.cast(upstream, result.dtype))

    return call


@pytest.fixture(scope="session")
def randomize() -> Callable:
    """Gives every weight normal values (LayerNorm's scales around 1), so that a forgotten one shows."""

    def assign(layer, seed=0, deviation=0.3):
        random = np.random.default_rng(seed)
        for weight in layer.trainable_variables:
            mean = 1.0 if weight.name == "gamma" else 0.0
            weight.assign(random.normal(mean, deviation, weight.shape))
        return layer

    return assign


@pytest.fixture(scope="session")
def full_disk() -> Callable:
    """A context in which writing a file beyond so many bytes fails, as on a full disk."""

    @contextlib.contextmanager
    def limit(size):
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    return limit


@pytest.fixture
def always_compiled(monkeypatch):
    """Runs the kernels' fused forms, and compiles them however small their tensors are."""
    from lvbert_tf.layers.kernels import compilation

    monkeypatch.setattr(compilation, "SMALLEST_COMPILED", 0)
    with compilation.compile_as("stretches"):
        yield


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """The path `gs://bucket` of an object store for tests, also in processes that a test starts."""
    import fsspec
    from object_store.directory_store import DirectoryStore

    from lvbert_tf.io.paths import parse_path

    (tmp_path / "store").mkdir()
    monkeypatch.setenv("OBJECT_STORE", str(tmp_path / "store"))
    folder = str(Path(__file__).parent / "object_store")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(filter(None, (folder, os.getenv("PYTHONPATH"))))
    )
    fsspec.register_implementation("gs", DirectoryStore, clobber=True)
    return parse_path("gs://bucket")
