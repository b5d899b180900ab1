"""Servers that we did not write give the answers of the SavedModel that they load."""

import numpy as np
import pytest
import tensorflow as tf
from model_servers import MODEL, SERVERS
from servable_models import make_models

from examples.serving_client import ServingError, main, predict_grpc, predict_mlflow, predict_rest
from lvbert_tf.serving.servable_model import servable_task
from lvbert_tf.serving.versions import export

TEXTS = (
    *("a good film", "The film was bad.", "naïve café", "東京 🎬", "", " \t\n", "\0"),
    *('"quoted" \\ and {"b64": "eA=="}', "good " * 2000),
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models(randomize, tmp_path_factory):
    """A directory that holds tiny/1/, an exported classifier."""
    path = tmp_path_factory.mktemp("serving")
    model = servable_task(make_models(randomize)["classifier"])
    export({"savedmodel": model}, path / MODEL, "MIT")
    return path


@pytest.fixture(scope="module", params=SERVERS)
def server(request, models, tmp_path_factory):
    """Addresses by API of a server that is running."""
    with SERVERS[request.param](models, tmp_path_factory.mktemp(request.param)) as addresses:
        yield addresses


@pytest.fixture(scope="module")
def signature(models):
    """The SavedModel, loaded here."""
    return tf.saved_model.load(str(models / MODEL / "1")).signatures["serving_default"]


def ask(api, address, columns):
    if api == "mlflow":
        return predict_mlflow(address, columns)
    return (predict_rest if api == "rest" else predict_grpc)(address, MODEL, columns)


def test_answers_are_those_of_the_saved_model(server, signature):
    for api, address in server.items():
        for texts in ([TEXTS[0]], list(TEXTS), list(TEXTS) * 4):
            rows = ask(api, address, {"text": texts})
            expected = signature(text=tf.constant(texts))
            assert [row["label"].encode() for row in rows] == expected["label"].numpy().tolist()
            found = np.array([row["probabilities"] for row in rows])
            np.testing.assert_allclose(found, expected["probabilities"], rtol=0, atol=1e-5)
            assert len(texts) == 1 or np.ptp(found[:, 0]) > 0.01  # so that the texts' order shows


def test_a_wrong_input_is_refused_in_one_line(server):
    for api, address in server.items():
        with pytest.raises(ServingError, match="text") as raised:
            ask(api, address, {"txt": ["a good film"]})
        assert "\n" not in str(raised.value)


def test_program_prints_an_object_a_text(server, signature, capsys):
    for api, address in server.items():
        given = ["--api", api, "--address", address, "--model", MODEL]
        assert main([*given, "a good film", "naïve"]) == 0
        label, _ = signature(text=tf.constant(["a good film", "naïve"]))["label"].numpy()
        first, second = capsys.readouterr().out.splitlines()
        assert first.startswith(f'{{"label": "{label.decode()}", "probabilities": [')
        assert second.startswith('{"label": "')
