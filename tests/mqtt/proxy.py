"""A wire that a test can cut: a TCP proxy that stops carrying bytes without closing anything."""

import asyncio
from types import TracebackType
from typing import Self


class Proxy:
    """Listens on `port` and carries every connection to `target`, until `frozen` is set.

    What `target` says waits while `answering` is clear.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()
        self.frozen = False
        self.answering = asyncio.Event()
        self.answering.set()
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
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        always = asyncio.Event()
        always.set()
        for a, b, gate in ((reader, there_writer, always), (there_reader, writer, self.answering)):
            self._tasks.add(asyncio.create_task(self._pump(a, b, gate)))

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event
    ) -> None:
        try:
            while piece := await reader.read(65_536):
                await gate.wait()
                if not self.frozen:
                    writer.write(piece)
        except ConnectionError:
            pass
        finally:
            writer.close()
