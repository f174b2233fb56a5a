"""Reading what gzip has packed: as a stream, never more than a limit, damage told apart."""

import gzip
import io
import zlib
from typing import BinaryIO

GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 256 * 1024


class UnpackingError(Exception):
    """The packed bytes cannot be read to their end."""


class TruncatedGzipError(UnpackingError):
    """They end too early, or are damaged."""


class TooLargeUnpackedError(UnpackingError):
    """They are more than the limit."""


class Unpacked(io.RawIOBase):
    """The unpacked bytes of a gzip file; it can go back to the beginning and nowhere else."""

    def __init__(self, packed: BinaryIO, *, limit: int) -> None:
        self._packed = packed
        self._limit = limit
        self._begin()

    def _begin(self) -> None:
        self._packed.seek(0)
        self._gzip = gzip.GzipFile(fileobj=self._packed)
        self._read = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if offset or whence:
            raise io.UnsupportedOperation("only back to the beginning")
        self._begin()
        return 0

    def readinto(self, buffer: "memoryview", /) -> int:  # type: ignore[override]  # the buffer's type
        try:
            content = self._gzip.read(min(len(buffer), _CHUNK_BYTES))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TruncatedGzipError(str(error)) from error
        self._read += len(content)
        if self._read > self._limit:
            raise TooLargeUnpackedError(f"more than {self._limit} bytes")
        buffer[: len(content)] = content
        return len(content)


def unpacked(packed: BinaryIO, *, limit: int) -> BinaryIO:
    """Return the unpacked bytes as a file; reading it raises UnpackingError."""
    return io.BufferedReader(Unpacked(packed, limit=limit), buffer_size=_CHUNK_BYTES)
