"""Requests byte by byte, as no library would send them."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def reply(port: int, request: bytes) -> bytes:
    """All that comes back until the server closes or nothing comes for a while."""
    async with connected(port) as (reader, writer):
        writer.write(request)
        content = b""
        try:
            async with asyncio.timeout(10):
                while not content.endswith(b"}") and (chunk := await reader.read(65_536)):
                    content += chunk
        except (TimeoutError, ConnectionError):
            pass
        return content


def request(path: str, *headers: str, method: str = "GET", host: str = "localhost") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1", "surrogateescape")


def status(content: bytes) -> int:
    """The status of a reply; 0: there is none."""
    return int(content.split(b" ", 2)[1]) if content.startswith(b"HTTP/1.1 ") else 0


def upgrade(path: str = "/api/v1/live", *headers: str, host: str = "localhost") -> bytes:
    """The request that begins a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    return request(
        path, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}", *headers, host=host,
    )  # fmt: skip


def frame(text: bytes) -> bytes:
    """A masked text frame of less than 126 bytes."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(text))
    return bytes([0x81, 0x80 | len(text)]) + mask + masked
