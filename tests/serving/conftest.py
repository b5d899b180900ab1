"""Models to export, made once for the tests of a file, with which they go: they take memory."""

import pytest
import tensorflow as tf
from servable_models import LENGTH, VOCABULARY, make_models

from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.serving.servable_model import (
    ServableModel,
    servable_encoder,
    servable_pretrainer,
    servable_task,
)
from lvbert_tf.serving.versions import export
from lvbert_tf.text import Tokenizer


@pytest.fixture(scope="module")
def models(randomize):
    """Of the tasks."""
    return make_models(randomize)


@pytest.fixture(scope="module")
def make_pretrainer(tiny_config, randomize):
    """Makes networks with positions enough for the texts."""
    size = len(VOCABULARY.read_text(encoding="utf-8").splitlines())

    def make(**hparams):
        config = tiny_config(
            {"max_position_embeddings": LENGTH}, vocab_size=size, max_seq_length=LENGTH, **hparams
        )
        return randomize(ElectraPretrainer.from_networks(config.networks, dtype="float32"), 1, 0.2)

    return make


@pytest.fixture(scope="module")
def pretrainer(make_pretrainer):
    """As ELECTRA has them."""
    return make_pretrainer()


@pytest.fixture(scope="module")
def two_towers(make_pretrainer):
    """As Electric has them: a generator that sees what is before a token, and one for what is after."""
    return make_pretrainer(
        electra_objective=False, electric_objective=True, two_tower_generator=True
    )


@pytest.fixture(scope="module")
def served(models, pretrainer) -> dict[str, ServableModel]:
    """A model of every kind that is exported."""
    tokenizer: Tokenizer = models["classifier"].preprocessor.tokenizer.tokenizer
    return {
        **{name: servable_task(model) for name, model in models.items()},
        "encoder": servable_encoder(models["classifier"].backbone, tokenizer),
        "pretrained": servable_pretrainer(pretrainer, tokenizer),
    }


@pytest.fixture(scope="module")
def ids_export(served, two_towers, tmp_path_factory):
    """Exports a model by its name, once, to take token ids; gives the directory of the version."""
    directory, versions = tmp_path_factory.mktemp("ids"), {}
    towers = servable_pretrainer(two_towers, served["pretrained"].tokenizer)
    models = {**served, "two_towers": towers}

    def of(name):
        if name not in versions:
            versions[name] = str(
                export({"savedmodel": models[name].of_ids()}, directory / name, "MIT")
            )
        return versions[name]

    return of


@pytest.fixture(scope="module")
def keras_answers(models, pretrainer, two_towers):
    """What the Keras models say: called with a name, a signature and inputs."""

    def vectors(backbone, inputs):
        outputs = backbone(inputs, training=False)
        return {"sequence": outputs["sequence_output"], "pooled": outputs["pooled_output"]}

    def likely(logits):
        best, ids = tf.math.top_k(tf.nn.softmax(logits), 5)
        return {"candidates": ids, "probabilities": best}

    def of_task(name, inputs):
        outputs = models[name](inputs, training=False)
        if name == "regressor":
            return {"value": outputs}
        return {"probabilities": tf.nn.softmax(outputs)} if tf.is_tensor(outputs) else outputs

    def answers(name, signature, inputs):
        inputs = {key: tf.constant(value) for key, value in inputs.items()}
        if signature == "replaced_tokens_ids":
            logits = pretrainer.replaced_token_logits(inputs, training=False)
            found = {"probabilities": tf.sigmoid(logits)}
        elif name == "two_towers":
            found = likely(two_towers.cloze_logits(inputs, training=False))
        elif signature == "fill_mask_ids":
            rows, length = inputs["token_ids"].shape
            positions = tf.tile(tf.range(length)[tf.newaxis], [rows, 1])
            found = likely(pretrainer.masked_lm_logits(inputs, positions, training=False))
        elif name == "encoder":
            found = vectors(models["classifier"].backbone, inputs)
        elif name == "pretrained":
            found = vectors(pretrainer.discriminator, inputs)
        else:
            found = of_task(name, inputs)
        return {key: value.numpy() for key, value in found.items()}

    return answers
