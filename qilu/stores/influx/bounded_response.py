"""Reads the replies of a server within bounds, also those that are compressed."""

from __future__ import annotations

import zlib

import aiohttp

MAX_RESPONSE_BYTES = 16_000_000
"""For the metrics of a server: VictoriaMetrics' page has about 1 MB."""
MAX_DATA_BYTES = 32_000_000
"""Of samples: a reader asks for a shorter time where there are more."""
MAX_ERROR_BYTES = 64_000
"""Of an error; the rest is not read."""
ACCEPTED = {"Accept-Encoding": "gzip"}
"""Headers of a request."""

_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class TooLongError(aiohttp.ClientPayloadError):
    """An answer that was longer than it may be."""


class BoundedResponse(aiohttp.ClientResponse):
    """A response whose body is read up to `max_bytes`; for a session that does not decompress by itself.

    Of an error the beginning is returned. TooLongError where an answer is longer.
    """

    max_bytes = MAX_RESPONSE_BYTES

    async def read(self) -> bytes:
        """The body, decompressed."""
        if self._body is None:
            succeeded = 200 <= self.status < 300
            limit = self.max_bytes if succeeded else MAX_ERROR_BYTES
            try:
                self._body, ended = await self._read_limited(limit)
            except BaseException:
                self.close()
                raise
            if not ended:
                self.close()
                if succeeded:
                    raise TooLongError(f"a response of more than {limit / 1e6:g} MB")
        return self._body

    async def _read_limited(self, limit: int) -> tuple[bytes, bool]:
        """So many bytes of the body, and whether these are all."""
        coding = self.headers.get("Content-Encoding", "identity").strip().lower()
        inflater = zlib.decompressobj(_GZIP_OR_ZLIB) if coding in ("gzip", "x-gzip", "deflate") else None
        body = bytearray()
        async for chunk in self.content.iter_any():
            body += chunk if inflater is None else _inflated(inflater, chunk, limit + 1 - len(body))
            if len(body) > limit:
                return bytes(body[:limit]), False
        return bytes(body), True


class DataResponse(BoundedResponse):
    """Of a question for samples."""

    max_bytes = MAX_DATA_BYTES


class WriteResponse(BoundedResponse):
    """Of a write, which is answered with nothing or with an error."""

    max_bytes = MAX_ERROR_BYTES


def _inflated(inflater: zlib._Decompress, chunk: bytes, limit: int) -> bytes:
    try:
        return inflater.decompress(chunk, limit)
    except zlib.error as error:
        raise aiohttp.ClientPayloadError(f"the response cannot be decompressed: {error}") from error
