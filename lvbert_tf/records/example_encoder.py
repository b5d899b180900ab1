"""Serializes examples as `tf.train.Example` messages, many at a time.

The bytes are those that `tf.train.Example` would give, but no Python object is made for each number:
at 128 numbers a feature and three features an example, a builder would spend most of its time on that.
"""

from functools import lru_cache

import numpy as np

from lvbert_tf.records.example_spans import ExampleSpans

MAX_VOCABULARY_SIZE = 1 << 21  # ids are encoded in at most three bytes
_LENGTH_DELIMITED = 2


class ExampleEncoder:
    """Adds special tokens to examples and serializes them in the reference's schema.

    Args:
        vocabulary_size: all ids are below it; at most `MAX_VOCABULARY_SIZE`.
        max_seq_length: the number of values of each feature.
        cls_id: the id of [CLS].
        sep_id: the id of [SEP].
    """

    def __init__(self, vocabulary_size: int, max_seq_length: int, cls_id: int, sep_id: int):
        self._width = max_seq_length
        self._cls, self._sep = _varint(cls_id), _varint(sep_id)
        ids = np.arange(vocabulary_size, dtype=np.uint32)
        two, three = ids >= 1 << 7, ids >= 1 << 14
        # Four bytes for each id, of which the first one, two or three are its varint.
        self._varints = (
            (ids & 127 | two << 7) | (ids >> 7 & 127 | three << 7) << 8 | ids >> 14 << 16
        ).astype("<u4")
        self._sizes = 1 + two.astype(np.int64) + three
        self._used = (np.arange(4) < self._sizes[:, None]).view(np.uint32)[:, 0]

    def __call__(self, tokens: np.ndarray, spans: ExampleSpans) -> list[bytes]:
        """Encodes examples.

        Args:
            tokens: int32 `[n]`, the token ids of several documents.
            spans: which tokens belong to each example.

        Returns:
            One `tf.train.Example` message for each example. Its int64 features are `input_ids`
            ([CLS] a [SEP], or [CLS] a [SEP] b [SEP]), `input_mask` (1 where there is a token) and
            `segment_ids` (1 in the second segment). All are 0 after the end of the example.
        """
        # All tokens are encoded once; the ids of an example are then a slice of the bytes.
        payload = np.compress(
            self._used.take(tokens).view(bool), self._varints.take(tokens).view(np.uint8)
        ).tobytes()
        positions = np.zeros(len(tokens) + 1, np.int64)
        np.cumsum(self._sizes.take(tokens), out=positions[1:])
        cls, sep, width = self._cls, self._sep, self._width
        messages = []
        for start, split, end, first, length in zip(
            positions[spans.start].tolist(),
            positions[spans.split].tolist(),
            positions[spans.end].tolist(),
            spans.first_lengths.tolist(),
            spans.lengths.tolist(),
            strict=True,
        ):
            second = payload[split:end] + sep if first < length else b""
            size = len(cls) + split - start + len(sep) + len(second) + width - length
            messages.append(
                b"".join(
                    (
                        _header(size, width),
                        cls,
                        payload[start:split],
                        sep,
                        second,
                        _padding_and_mask_entry(length, width),
                        _segments_entry(first, length, width),
                    )
                )
            )
        return messages


def _varint(value: int) -> bytes:
    septets = []
    while value >= 1 << 7:
        septets.append(value & 127 | 128)
        value >>= 7
    return bytes([*septets, value])


def _start(number: int, size: int) -> bytes:
    """The tag and size that precede a length-delimited protobuf field."""
    return bytes([number << 3 | _LENGTH_DELIMITED]) + _varint(size)


def _entry_start(name: bytes, size: int) -> bytes:
    """What precedes `size` bytes of packed varints in an entry of Features' map.

    Example.features(1).feature(1) is {key(1): name, value(2): Feature.int64_list(3).value(1)}.
    """
    start = _start(1, size)
    start = _start(3, len(start) + size) + start
    start = _start(2, len(start) + size) + start
    start = _start(1, len(name)) + name + start
    return _start(1, len(start) + size) + start


@lru_cache(maxsize=1 << 14)
def _header(size: int, width: int) -> bytes:
    ids_start = _entry_start(b"input_ids", size)
    rest = len(_padding_and_mask_entry(width, width)) + len(_segments_entry(0, 0, width))
    return _start(1, len(ids_start) + size + rest) + ids_start


@lru_cache(maxsize=1 << 13)
def _padding_and_mask_entry(length: int, width: int) -> bytes:
    padding = bytes(width - length)
    return padding + _entry_start(b"input_mask", width) + b"\1" * length + padding


@lru_cache(maxsize=1 << 14)
def _segments_entry(first: int, length: int, width: int) -> bytes:
    values = bytes(first) + b"\1" * (length - first) + bytes(width - length)
    return _entry_start(b"segment_ids", width) + values
