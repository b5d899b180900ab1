"""The framing of TFRecord files: each message with its length and two checksums.

Layout of a record: the length of the message (uint64, little-endian), the checksum of the length, the
message, the checksum of the message.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache

import google_crc32c

FRAME_BYTES = 16  # the length and both checksums
_CRC_MASK_DELTA = 0xA282EAD8


def frame(messages: Sequence[bytes]) -> list[bytes]:
    """Adds to each message the length and checksums of a TFRecord."""
    return [
        b"".join((_frame_start(len(message)), message, masked_crc32c(message)))
        for message in messages
    ]


def masked_crc32c(data: bytes) -> bytes:
    """TFRecord's checksum, 4 bytes little-endian."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _CRC_MASK_DELTA & 0xFFFFFFFF).to_bytes(4, "little")


@lru_cache(maxsize=1 << 14)
def _frame_start(size: int) -> bytes:
    length = struct.pack("<Q", size)
    return length + masked_crc32c(length)
