"""Times an exported classifier, loaded by the predictor that needs nothing else of this project.

    python -m benchmarks.own_serving --data DIR --format openvino --precision bfloat16

Takes the flags of benchmarks/baselines/huggingface_serving.py, where DIR is what serving_latency.py
makes with --keep, and, like it, ends with one line of JSON. `--texts` adds the texts of DIR/texts.json,
each as a string, from the tokenizer to the label, and as its token ids.
"""

import json
import os
from functools import partial

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from benchmarks.baselines import serving
from lvbert_tf.serving import load


def main() -> None:
    parser = serving.argument_parser(__doc__.splitlines()[0])
    parser.add_argument("--format", choices=("savedmodel", "onnx", "openvino"), default="openvino")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--texts", action="store_true", help="also those of DIR/texts.json")
    flags = parser.parse_args()
    if flags.format == "savedmodel":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(flags.threads)
        tf.config.threading.set_inter_op_parallelism_threads(flags.threads)
    directory = flags.data / f"{flags.layers}_{flags.precision}" / "1"
    model = load(directory, flags.format, flags.threads)
    compute = model.engine("predict_ids")

    def from_ids(ids: np.ndarray, segments: np.ndarray, mask: np.ndarray) -> np.ndarray:
        inputs = zip(model.config["inputs"], (ids, segments, mask), strict=True)
        return compute(dict(inputs))["probabilities"]

    def from_text(text: str) -> np.ndarray:
        return model([text])[0]["probabilities"]

    answers = {
        name: partial(from_ids, *serving.token_ids(size)) for name, size in flags.requests.items()
    }
    if flags.texts:
        for name, text in json.loads((flags.data / "texts.json").read_text()).items():
            ids = np.array([text["token_ids"]], np.int32)
            arrays = ids, np.zeros_like(ids), np.ones_like(ids)
            # The text is padded to one of few lengths, after which 16 and 8 bits round otherwise.
            tolerance = 1e-5 if flags.precision == "float32" else 0.02
            np.testing.assert_allclose(
                from_text(text["text"]), from_ids(*arrays)[0], atol=tolerance
            )
            answers[f"{name} text"] = partial(from_text, text["text"])
            answers[f"{name} ids"] = partial(from_ids, *arrays)
    serving.print_result(
        flags,
        {name: serving.time_answers(answer, flags.seconds) for name, answer in answers.items()},
        framework=flags.format,
        precision=flags.precision,
    )


if __name__ == "__main__":
    main()
