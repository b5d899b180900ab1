"""Reads data that is compressed by zstd as a stream."""

import io
from typing import BinaryIO

import zstandard

_PIECE_BYTES = 512  # hostile data of this size decompresses to 16 MiB at most


def open_zstandard(stream: BinaryIO) -> BinaryIO:
    """Opens a zstd stream of one or more frames.

    The reader of the `zstandard` package does not notice that a file is truncated.

    Raises:
      EOFError, zstandard.ZstdError: the data is truncated or corrupt; raised while it is read.
    """
    return io.BufferedReader(_ZstandardReader(stream))


class _ZstandardReader(io.RawIOBase):
    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._text = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._text:
            data = self._frame.unused_data or self._stream.read(_PIECE_BYTES)
            if not data and self._frame.eof:
                return 0
            if not data:
                raise EOFError("the last frame of zstd has no end")
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._text = memoryview(self._frame.decompress(data))
        count = min(len(buffer), len(self._text))
        buffer[:count], self._text = self._text[:count], self._text[count:]
        return count
