"""Writes requests that a server runs at its start, so that the first client does not have to wait."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

from lvbert_tf.serving.inputs import Signature

# https://www.tensorflow.org/tfx/serving/saved_model_warmup
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
_BATCH_SIZES = (1, 8)
_TEXT = "Words to warm up a model with, neither few nor many."
_LENGTH = 5  # tokens of a row of ids


def write_warmup_requests(directory: Path, name: str, signatures: Mapping[str, Signature]) -> None:
    """Writes requests for every signature of a SavedModel.

    Args:
      directory: the directory of the SavedModel.
      name: the name under which the server knows the model.
      signatures: the signatures of the SavedModel.
    """
    path = directory / WARMUP_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in _requests(name, signatures):
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString(deterministic=True))


def _requests(
    name: str, signatures: Mapping[str, Signature]
) -> Iterable[predict_pb2.PredictRequest]:
    for signature_name, signature in signatures.items():
        for batch_size in _BATCH_SIZES:
            request = predict_pb2.PredictRequest(
                model_spec=model_pb2.ModelSpec(name=name, signature_name=signature_name)
            )
            for spec in signature.input_signature:
                if spec.dtype == tf.string:
                    tensor = tf.fill([batch_size], _TEXT)
                else:  # 0 is the id of a token and of a segment, and means padding
                    tensor = tf.zeros([batch_size, _LENGTH], spec.dtype)
                request.inputs[spec.name].CopyFrom(tf.make_tensor_proto(tensor))
            yield request
