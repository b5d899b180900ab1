"""Times an exported classifier, loaded with tensorflow and tensorflow-text and nothing of this project.

    python -m benchmarks.own_serving --data DIR --layers AFAFAFAFAFAFAFAFAFAFAFAF --precision bfloat16

Takes the flags of benchmarks/baselines/huggingface_serving.py, where DIR is what serving_latency.py
makes with --keep, and, like it, ends with one line of JSON. `--texts` adds the texts of DIR/texts.json,
each as a string and as its token ids.
"""

import json
import os
from functools import partial

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  its operations are in the graph

from benchmarks.baselines import serving


def main() -> None:
    parser = serving.argument_parser(__doc__.splitlines()[0])
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--texts", action="store_true", help="also those of DIR/texts.json")
    flags = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(flags.threads)
    tf.config.threading.set_inter_op_parallelism_threads(flags.threads)
    model = tf.saved_model.load(str(flags.data / f"{flags.layers}_{flags.precision}" / "1"))

    def from_ids(ids: np.ndarray, segments: np.ndarray, mask: np.ndarray) -> np.ndarray:
        outputs = model.signatures["predict_ids"](
            token_ids=tf.constant(ids),
            segment_ids=tf.constant(segments),
            padding_mask=tf.constant(mask),
        )
        return outputs["probabilities"].numpy()

    def from_text(text: str) -> np.ndarray:
        outputs = model.signatures["serving_default"](text=tf.constant([text]))
        return outputs["probabilities"].numpy()

    answers = {
        name: partial(from_ids, *serving.token_ids(size)) for name, size in flags.requests.items()
    }
    if flags.texts:
        for name, text in json.loads((flags.data / "texts.json").read_text()).items():
            ids = np.array([text["token_ids"]], np.int32)
            arrays = ids, np.zeros_like(ids), np.ones_like(ids)
            np.testing.assert_allclose(from_text(text["text"]), from_ids(*arrays), atol=1e-5)
            answers[f"{name} text"] = partial(from_text, text["text"])
            answers[f"{name} ids"] = partial(from_ids, *arrays)
    serving.print_result(
        flags,
        {name: serving.time_answers(answer, flags.seconds) for name, answer in answers.items()},
        framework=f"tensorflow {tf.__version__}",
        precision=flags.precision,
    )


if __name__ == "__main__":
    main()
