import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.records.example_encoder import MAX_VOCABULARY_SIZE, ExampleEncoder
from lvbert_tf.records.example_spans import ExampleSpans


def values(record: bytes) -> dict[str, list[int]]:
    features = tf.train.Example.FromString(record).features.feature
    return {name: list(feature.int64_list.value) for name, feature in features.items()}


@pytest.mark.parametrize("width", [5, 128, 512])
@pytest.mark.parametrize("cls_id, sep_id", [(2, 3), (101, 102), (130, 1 << 20)])
def test_records_are_the_reference_schema(width, cls_id, sep_id):
    generator = np.random.default_rng(width)
    # Ids of one, two and three bytes.
    tokens = generator.integers(0, MAX_VOCABULARY_SIZE, 4 * width) >> generator.integers(
        0, 15, 4 * width
    )
    start = np.arange(7) * (width // 2)
    split = start + generator.integers(1, width - 3, 7)
    end = np.minimum(split + generator.integers(0, width, 7), start + width - 3)
    encode = ExampleEncoder(MAX_VOCABULARY_SIZE, width, cls_id, sep_id)
    messages = encode(tokens.astype(np.int32), ExampleSpans(start, split, end))
    for row, message in enumerate(messages):
        first = [cls_id, *tokens[start[row] : split[row]], sep_id]
        second = [*tokens[split[row] : end[row]], sep_id] if split[row] < end[row] else []
        padding = [0] * (width - len(first) - len(second))
        assert values(message) == {
            "input_ids": first + second + padding,
            "input_mask": [1] * len(first + second) + padding,
            "segment_ids": [0] * len(first) + [1] * len(second) + padding,
        }
        # Not only readable: as compact as TensorFlow's own.
        assert len(message) == len(tf.train.Example.FromString(message).SerializeToString())
    assert len(messages) == 7
