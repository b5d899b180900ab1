"""The reference's weights give the reference's numbers, and bad checkpoints are refused."""

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.interop import load_reference_checkpoint
from lvbert_tf.interop.reference_checkpoint import is_reference_checkpoint
from lvbert_tf.interop.reference_names import layers_in_checkpoint
from lvbert_tf.pretraining import metrics
from lvbert_tf.pretraining.masking import MaskingSpec
from lvbert_tf.pretraining.objective import PretrainingObjective, loss_weights, pretraining_loss

FOLDERS = ("tiny", "electra_order", "official_electra")
TOLERANCE = 2e-5


class Reference:
    """One folder of the reference's numbers, and the model that we load from it."""

    def __init__(self, directory):
        self.name = directory.name
        self.config = json.loads((directory / "config.json").read_text())
        self.arrays = dict(np.load(directory / "pretraining.npz"))
        self.model = load_reference_checkpoint(
            str(directory / "model.ckpt"), reference_hparams(self.config), self._keep_report
        )

    def _keep_report(self, report):
        self.report = report

    def inputs(self, ids):
        return {
            "token_ids": self.arrays[ids],
            "segment_ids": self.arrays["segment_ids"],
            "padding_mask": self.arrays["input_mask"],
        }

    @property
    def spec(self):
        return MaskingSpec(self.config["mask_prob"], self.config["max_predictions_per_seq"], 4, ())


def reference_hparams(config):
    hparams = {
        "generator_hidden_size": config["generator_hidden_size"],
        "model_hparam_overrides": {
            name: config[name]
            for name in ("hidden_size", "num_attention_heads", "intermediate_size")
        },
    }
    if isinstance(config["layers"], list):
        hparams["custom_layer_list"] = config["layers"]
    return hparams


@pytest.fixture(scope="module", params=FOLDERS)
def reference(request, fixtures):
    return Reference(fixtures / request.param)


@pytest.fixture(scope="module")
def tiny_hparams(fixtures):
    return reference_hparams(json.loads((fixtures / "tiny" / "config.json").read_text()))


def assert_close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)


# --- Parity


def test_everything_is_loaded_and_nothing_is_left(reference, fixtures):
    report = reference.report
    variables = (fixtures / reference.name / "variables.txt").read_text().splitlines()
    assert sorted(report.loaded) == sorted(line.split()[0] for line in variables)
    assert (report.missing, report.unused) == ((), ())


@pytest.mark.parametrize(
    ("network", "ids"),
    [("generator", "masked_input_ids"), ("discriminator", "corrupted_input_ids")],
)
def test_embeddings_and_every_layer(reference, network, ids):
    backbone, inputs = getattr(reference.model, network), reference.inputs(ids)
    x = backbone.embeddings(inputs["token_ids"], inputs["segment_ids"])
    if backbone.embeddings_projection is not None:
        x = backbone.embeddings_projection(x)
    assert_close(x, reference.arrays[f"{network}_embedding_output"])
    layers = [x := layer(x, inputs["padding_mask"]) for layer in backbone.encoder_layers]
    np.testing.assert_array_equal(layers[-1], backbone(inputs)["sequence_output"])
    if reference.name == "official_electra":  # which counts attention and feed-forward as one
        layers = layers[1::2]
    assert_close(np.stack(layers), reference.arrays[f"{network}_layers"])


cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits


def test_masked_lm(reference):
    logits = reference.model.masked_lm_logits(
        reference.inputs("masked_input_ids"), reference.arrays["masked_lm_positions"]
    )
    assert_close(logits, reference.arrays["mlm_logits"])
    np.testing.assert_array_equal(np.argmax(logits, -1), reference.arrays["mlm_preds"])


def test_replaced_token_detection(reference):
    logits = reference.model.replaced_token_logits(reference.inputs("corrupted_input_ids"))
    assert_close(tf.sigmoid(logits), reference.arrays["disc_probs"])
    np.testing.assert_array_equal(np.asarray(logits) > 0, reference.arrays["disc_preds"])


def test_losses(reference):
    arrays, model = reference.arrays, reference.model
    labels = tf.constant(arrays["masked_lm_ids"])
    mlm_losses = cross_entropy(labels, arrays["mlm_logits"])
    sums = metrics.masked_lm_sums(
        mlm_losses, arrays["mlm_preds"], labels, arrays["masked_lm_weights"], labels
    )
    logits = model.replaced_token_logits(reference.inputs("corrupted_input_ids"))
    sums |= metrics.replaced_token_sums(logits, arrays["is_fake"], arrays["input_mask"])
    summary = metrics.summarize(
        sums, reference.config["gen_weight"], reference.config["disc_weight"]
    )
    for ours, theirs in (("mlm_loss",) * 2, ("disc_loss",) * 2, ("loss", "total_loss")):
        assert summary[ours] == pytest.approx(arrays[theirs], rel=1e-5), ours


def noise_that_draws(sampled, logits):
    """Uniform numbers with which inverse transform sampling yields the given tokens."""
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float64)).numpy()
    ends = np.cumsum(probabilities, -1)
    middles = ends - probabilities / 2
    return np.take_along_axis(middles, sampled[..., None], -1)[..., 0].astype(np.float32)


def test_the_whole_objective(reference):
    arrays = reference.arrays
    if reference.name == "official_electra":
        # Here the reference drew one position twice and averaged the ids that go there.
        positions = arrays["masked_lm_positions"][0]
        assert positions[0] == positions[1]
        return
    masked = {
        "token_ids": arrays["input_ids"],
        "segment_ids": arrays["segment_ids"],
        "padding_mask": arrays["input_mask"],
        "masked_token_ids": arrays["masked_input_ids"],
        "mask_positions": arrays["masked_lm_positions"],
        "mask_labels": arrays["masked_lm_ids"],
        "mask_weights": arrays["masked_lm_weights"],
        "sampling_noise": noise_that_draws(arrays["sampled_token_ids"], arrays["mlm_logits"]),
    }
    masked = {name: tf.constant(value) for name, value in masked.items()}
    objective = PretrainingObjective(reference.spec)
    loss, sums = pretraining_loss(
        reference.model, objective, masked, loss_weights(masked, objective), training=False
    )
    summary = objective.summarize(sums)
    assert float(loss) == pytest.approx(arrays["total_loss"], rel=1e-5)
    assert summary["mlm_loss"] == pytest.approx(arrays["mlm_loss"], rel=1e-5)
    assert summary["disc_loss"] == pytest.approx(arrays["disc_loss"], rel=1e-5)
    assert sums["disc_fake"] == arrays["is_fake"].sum()


def test_training_goes_on_from_a_checkpoint(reference):
    arrays, model = reference.arrays, reference.model
    weights = model.trainable_variables
    before = [weight.numpy() for weight in weights]
    with tf.GradientTape() as tape:
        logits = model.masked_lm_logits(
            reference.inputs("masked_input_ids"), arrays["masked_lm_positions"]
        )
        replaced = model.replaced_token_logits(reference.inputs("corrupted_input_ids"))
        loss = tf.reduce_mean(cross_entropy(arrays["masked_lm_ids"], logits))
        loss += tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(
                tf.cast(arrays["is_fake"], tf.float32), replaced
            )
        )
    keras.optimizers.SGD(0.1).apply(tape.gradient(loss, weights), weights)
    moved = [np.any(old != new.numpy()) for old, new in zip(before, weights, strict=True)]
    for weight, old in zip(weights, before, strict=True):
        weight.assign(old)
    assert all(moved)


# --- Checkpoints that are not whole


def write_checkpoint(prefix, source, change):
    """Writes a TensorFlow 1 checkpoint: the variables of `source` after `change(variables)`."""
    reader = tf.train.load_checkpoint(source)
    variables = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    change(variables)
    names = sorted(variables)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(variables[name]) for name in names],
    )
    return str(prefix)


@pytest.fixture
def changed(fixtures, tmp_path):
    def write(change):
        return write_checkpoint(
            tmp_path / "model.ckpt-7", str(fixtures / "tiny" / "model.ckpt"), change
        )

    return write


def test_missing_and_unused_variables_are_listed(changed, tiny_hparams):
    def change(variables):
        del variables["discriminator_predictions/dense_1/kernel"]
        del variables["electra/encoder/layer_0/second_submodule/attention/self/key/bias"]
        variables["another/kernel"] = np.zeros(3, np.float32)
        variables["generator_predictions/output_bias/adam_m"] = np.zeros(120, np.float32)
        variables["global_step"] = np.int64(7)

    reports = []
    load_reference_checkpoint(changed(change), tiny_hparams, reports.append)
    assert reports[0].missing == (
        "electra/encoder/layer_0/second_submodule/attention/self/key/bias",
        "discriminator_predictions/dense_1/kernel",
    )
    assert reports[0].unused == (
        "another/kernel",
        # The parts of a weight of ours that stays fresh, as one of them is missing.
        "electra/encoder/layer_0/second_submodule/attention/self/query/bias",
        "electra/encoder/layer_0/second_submodule/attention/self/value/bias",
    )
    assert "missing 2: electra/encoder" in str(reports[0])
    assert "unused 3: another/kernel" in str(reports[0])


def test_a_directory_with_a_checkpoint_will_do(fixtures, tmp_path, tiny_hparams):
    for file in (fixtures / "tiny").glob("model.ckpt*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt"\n')
    model = load_reference_checkpoint(str(tmp_path), tiny_hparams)
    assert model.discriminator.hidden_dim == 32


def refusal(path, hparams):
    with pytest.raises(InputError) as caught:
        load_reference_checkpoint(str(path), hparams)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("folder", "layers"),
    [("tiny", "CAFFCA"), ("electra_order", "AFAF"), ("official_electra", "AF" * 3)],
)
def test_the_layers_can_be_read_off_the_names(fixtures, folder, layers):
    shapes = dict(tf.train.list_variables(str(fixtures / folder / "model.ckpt")))
    assert layers_in_checkpoint(shapes) == layers


def test_a_weight_of_another_shape_is_refused(fixtures, tiny_hparams):
    overrides = {**tiny_hparams["model_hparam_overrides"], "intermediate_size": 64}
    hparams = {**tiny_hparams, "model_hparam_overrides": overrides}
    message = refusal(fixtures / "tiny" / "model.ckpt", hparams)
    assert "layer_1/first_submodule/intermediate/dense/kernel" in message
    assert "has shape 32x128, the model wants 32x64" in message


def test_bad_hparams_are_refused(fixtures, tiny_hparams):
    path = fixtures / "tiny" / "model.ckpt"
    for name, value in (
        ("max_seq_length", "128"),
        ("max_seq_length", 65),
        ("model_hparam_overrides", "none"),
        ("model_hparam_overrides", {"max_position_embeddings": "64"}),
        ("no_such_hparam", 1),
    ):
        assert name in refusal(path, {**tiny_hparams, name: value})


def test_what_is_no_checkpoint_is_refused(tmp_path, tiny_hparams):
    assert "no such checkpoint" in refusal(tmp_path / "model.ckpt", tiny_hparams)
    assert "no checkpoint in this directory" in refusal(tmp_path, tiny_hparams)


def test_a_directory_does_not_lead_elsewhere(fixtures, tmp_path, tiny_hparams):
    elsewhere = fixtures / "tiny" / "model.ckpt"
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{elsewhere}"\n')
    said = refusal(tmp_path, tiny_hparams)
    assert said == f"{tmp_path}/checkpoint names {elsewhere}, which is elsewhere; give that path"
    (tmp_path / "text.index").write_text("not an index")
    (tmp_path / "text.data-00000-of-00001").write_text("not data")
    assert "unreadable" in refusal(tmp_path / "text", tiny_hparams)
    assert not is_reference_checkpoint(str(tmp_path / "text"))


def test_a_truncated_checkpoint_is_refused(fixtures, tmp_path, tiny_hparams):
    for file in (fixtures / "tiny").glob("model.ckpt*"):
        shutil.copy(file, tmp_path)
    data = tmp_path / "model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:5000])
    assert "unreadable" in refusal(tmp_path / "model.ckpt", tiny_hparams)


def test_a_checkpoint_of_something_else_is_refused(tmp_path, changed, tiny_hparams):
    def only(*names):
        def change(variables):
            for name in set(variables) - set(names):
                del variables[name]

        return change

    heads = changed(only("generator_predictions/output_bias"))
    assert "not a reference checkpoint" in refusal(heads, tiny_hparams)
    tables = [f"electra/embeddings/{name}_embeddings" for name in ("word", "position")]
    assert "not a reference checkpoint" in refusal(changed(only(*tables)), tiny_hparams)


def test_reference_checkpoints_are_recognised(fixtures):
    assert is_reference_checkpoint(str(fixtures / "tiny" / "model.ckpt"))
    assert not is_reference_checkpoint(str(fixtures / "tiny" / "absent.ckpt"))
