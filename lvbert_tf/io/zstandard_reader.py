"""Decompressed zstd data as a stream."""

import io
from typing import BinaryIO

import zstandard

_PIECE_BYTES = 512  # zstd can make 16 MiB of them, so that hostile data takes no more memory


def open_zstandard(stream: BinaryIO) -> BinaryIO:
    """The text of a zstd stream of one or more frames.

    The `zstandard` package has a reader of its own, which takes the end of a truncated file for the
    end of the text.

    Raises:
      EOFError, zstandard.ZstdError: while it is read, if the data is truncated or corrupt.
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
