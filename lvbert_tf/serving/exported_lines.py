"""An exported model as what answers lines, without TensorFlow where another engine runs it."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from lvbert_tf.errors import InputError, reason
from lvbert_tf.finetuning.task_examples import TextExample
from lvbert_tf.finetuning.tasks.task import Example, Kind
from lvbert_tf.io.bucket_directories import local_copy
from lvbert_tf.io.paths import parse_path
from lvbert_tf.serving.predictor import Predictor, load

_KINDS: Mapping[str, Kind] = {"classifier": "classification", "regressor": "regression"}


def load_exported_model(directory: str) -> "ExportedModel":
    """Loads a version of an exported classifier or regressor.

    Args:
      directory: `SERVING/NAME/VERSION`.

    Raises:
      InputError: the directory is no such version, is damaged, has a model of another kind, or no
        package that runs it is installed.
    """
    path = parse_path(directory)
    with local_copy(path) as local:
        try:
            model = load(local)
            if model.config["kind"] not in _KINDS:
                raise InputError(
                    f"--exported {directory}: a {model.config['kind']} answers by"
                    " lvbert_tf.serving.load in Python; here only classifiers and regressors do"
                )
            exported = ExportedModel(model)
            model([("", "")] if exported.paired else [""])  # starts the engine
        except InputError:
            raise
        except Exception as error:  # each engine has errors of its own
            message = reason(error).replace(str(local), directory)
            raise InputError(f"--exported {directory}: {message}") from error
    return exported


class ExportedModel:
    """An exported model; its predictions are those of the model that was exported."""

    def __init__(self, model: Predictor):
        self.kind = _KINDS[model.config["kind"]]
        self.paired = bool(model.config["paired"])
        self._model = model

    def predict(self, examples: Sequence[Example]) -> Sequence[Mapping[str, Any]]:
        """The prediction for each example."""
        rows = cast(Sequence[TextExample], examples)
        texts = [(row.text, row.text_pair) if self.paired else row.text for row in rows]
        return [self._prediction(answer) for answer in self._model.stream(texts)]

    def _prediction(self, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.kind == "regression":
            return answer
        likely = answer["probabilities"].tolist()
        names = self._model.config["labels"] or map(str, range(len(likely)))
        return {**answer, "probabilities": dict(zip(names, likely, strict=True))}
