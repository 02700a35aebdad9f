"""A broker that takes part in MQTT only as far as a test wants, and a line of a few bytes a second."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from qilu.mqtt.settings import MqttSettings

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ = 1, 3, 8, 12
CONNACK_311 = bytes([0x20, 2, 0, 0])
SUBACK_GRANTED = bytes([0x90, 3]) + b"{id}" + bytes([1])
SUBACK_TWO = bytes([0x90, 4]) + b"{id}" + bytes([1, 1])
PUBACK = bytes([0x40, 2]) + b"{id}"
PINGRESP = bytes([0xD0, 0])


class ScriptedBroker:
    """Speaks MQTT 3.1.1: lets in, answers pings, and packets of the types in `answers`; {id} is the packet's.

    It closes a connection at a packet of the type `close_after`, or after some seconds. `received` counts
    packets by their type.
    """

    def __init__(
        self,
        answers: Mapping[int, bytes] | None = None,
        *,
        close_after: int | None = None,
        close_after_s: float | None = None,
    ) -> None:
        self._answers = dict(answers or {})
        self._close_after_s = close_after_s
        self._close_after = close_after
        self._tasks: set[asyncio.Task[None]] = set()
        self.received: Counter[int] = Counter()

    @property
    def settings(self) -> MqttSettings:
        """How to reach it."""
        port = self._server.sockets[0].getsockname()[1]
        return MqttSettings(port=port, protocol="3.1.1", keepalive=2)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        if self._close_after_s is not None:
            asyncio.get_running_loop().call_later(self._close_after_s, writer.close)
        try:
            while True:
                kind, body = await _packet(reader)
                self.received[kind] += 1
                if kind == self._close_after:
                    break
                writer.write(self._answer(kind, body))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    def _answer(self, kind: int, body: bytes) -> bytes:
        if kind == CONNECT:
            return CONNACK_311
        if kind == PINGREQ:
            return PINGRESP
        at = 2 + int.from_bytes(body[:2]) if kind == PUBLISH else 0
        return self._answers.get(kind, b"").replace(b"{id}", body[at : at + 2])


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Type and variable part of the next packet."""
    first = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return first >> 4, await reader.readexactly(length)


class ThinLine:
    """A TCP proxy to `target` that carries `rate` bytes a second towards it, and keeps those that wait."""

    def __init__(self, target: int, rate: float) -> None:
        self._target = target
        self.rate = rate
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        for one, other, slow in ((reader, there_writer, True), (there_reader, writer, False)):
            self._tasks.add(asyncio.create_task(self._pump(one, other, slow)))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, slow: bool) -> None:
        try:
            while piece := await reader.read(max(1, int(self.rate / 20)) if slow else 65_536):
                if writer.is_closing():
                    break
                writer.write(piece)
                await asyncio.sleep(len(piece) / self.rate if slow else 0)
        except ConnectionError:
            pass
        finally:
            writer.close()
