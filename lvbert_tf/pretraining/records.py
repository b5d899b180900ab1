"""Examples as TFRecord bytes, encoded many at a time.

Writes what `tf.train.Example` and `tf.io.TFRecordWriter` would, without a Python object for each
number: at 128 numbers a feature and three features an example, that is where a builder's time goes.
"""

import struct
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np

MAX_VOCABULARY_SIZE = 1 << 21  # ids are encoded in at most three bytes
FRAME_BYTES = 16  # length, its checksum, the data's checksum
_CRC32C_POLYNOMIAL = 0x82F63B78
_CRC_MASK_DELTA = 0xA282EAD8
_LENGTH_DELIMITED = 2
_CRC_BLOCK_BYTES = 1 << 20  # looked up at once; takes 12 times as much memory


def encode_examples(ids: np.ndarray, first_lengths: np.ndarray, lengths: np.ndarray) -> list[bytes]:
    """Serialises examples in the reference's schema.

    Args:
        ids: int32 `[examples, max_seq_length]`, each below `MAX_VOCABULARY_SIZE`.
        first_lengths: `[examples]`, tokens of the first segment with [CLS] and [SEP].
        lengths: `[examples]`, tokens that are not padding.

    Returns:
        A `tf.train.Example` message each, with int64 features `input_ids`, `input_mask` (1 where
        there is a token) and `segment_ids` (1 in the second segment), of `max_seq_length` values.
    """
    width = ids.shape[1]
    payload, ends = _varints(ids)
    starts = [0, *ends[:-1]]
    return [
        _header(end - start, width)
        + payload[start:end]
        + _mask_entry(length, width)
        + _segments_entry(first, length, width)
        for start, end, first, length in zip(
            starts, ends, first_lengths.tolist(), lengths.tolist(), strict=True
        )
    ]


def frame(messages: Sequence[bytes]) -> list[bytes]:
    """Adds to each message (of at least 4 bytes) the length and checksums of a TFRecord."""
    if not messages:
        return []
    headers = [struct.pack("<Q", len(message)) for message in messages]
    distinct = sorted(set(headers))
    header_checksums = dict(zip(distinct, masked_crc32c(distinct), strict=True))
    return [
        b"".join((header, header_checksums[header], message, checksum))
        for header, message, checksum in zip(
            headers, messages, masked_crc32c(messages), strict=True
        )
    ]


def masked_crc32c(messages: Sequence[bytes]) -> list[bytes]:
    """TFRecord's checksum of each message (of at least 4 bytes), 4 bytes little-endian.

    CRC is linear: the checksum is the exclusive or of what each byte contributes at its distance
    from the end, so all messages are looked up at once in a table of contributions.
    """
    longest = max(map(len, messages), default=0)
    rows = max(1, _CRC_BLOCK_BYTES // max(1, longest))
    checksums = []
    for first in range(0, len(messages), rows):
        checksums += _masked_crc32c(messages[first : first + rows], longest)
    return checksums


def _masked_crc32c(messages: Sequence[bytes], longest: int) -> list[bytes]:
    lengths = np.array([len(message) for message in messages])
    column = np.arange(longest)
    # Right-aligned, because leading zeros contribute nothing.
    aligned = np.zeros((len(messages), longest), np.uint8)
    aligned[column >= (longest - lengths)[:, None]] = np.frombuffer(b"".join(messages), np.uint8)
    # Starting from all ones is the same as inverting the first four bytes.
    first = (longest - lengths)[:, None] + np.arange(4)
    aligned[np.arange(len(messages))[:, None], first] ^= 0xFF
    contributions = _contributions(1 << (longest - 1).bit_length())[-longest:]
    crc = ~np.bitwise_xor.reduce(contributions[column, aligned], axis=1)
    masked = ((crc >> 15) | (crc << 17)) + np.uint32(_CRC_MASK_DELTA)
    data = masked.astype("<u4").tobytes()
    return [data[at : at + 4] for at in range(0, len(data), 4)]


@cache
def _contributions(length: int) -> np.ndarray:
    """uint32 `[length, 256]`: what a byte adds to the checksum; row `length - 1` is the last."""
    single = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        single = np.where(single & 1, (single >> 1) ^ np.uint32(_CRC32C_POLYNOMIAL), single >> 1)
    rows = [single]
    for _ in range(length - 1):
        rows.append((rows[-1] >> 8) ^ single[rows[-1] & 0xFF])
    return np.stack(rows[::-1])


def _varints(ids: np.ndarray) -> tuple[bytes, list[int]]:
    """All ids as varints, and where each row of them ends."""
    ids = ids.astype(np.uint32)
    two, three = ids >= 1 << 7, ids >= 1 << 14
    septets = np.stack([ids & 127 | two << 7, ids >> 7 & 127 | three << 7, ids >> 14], axis=-1)
    present = np.stack([np.ones_like(two), two, three], axis=-1)
    payload = septets.astype(np.uint8)[present].tobytes()
    return payload, np.cumsum(present.sum(axis=(1, 2))).tolist()


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
    rest = len(_mask_entry(0, width)) + len(_segments_entry(0, 0, width))
    return _start(1, len(ids_start) + size + rest) + ids_start


@lru_cache(maxsize=1 << 13)
def _mask_entry(length: int, width: int) -> bytes:
    return _entry_start(b"input_mask", width) + b"\1" * length + bytes(width - length)


@lru_cache(maxsize=1 << 14)
def _segments_entry(first: int, length: int, width: int) -> bytes:
    values = bytes(first) + b"\1" * (length - first) + bytes(width - length)
    return _entry_start(b"segment_ids", width) + values
