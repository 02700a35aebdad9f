"""Each fault of a wire does what its name says, and ends when it is mended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.campaign.wire import Wire

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def echoing() -> AsyncIterator[Wire]:
    """A wire to a server that sends back what it hears."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(1000):
                writer.write(piece)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Wire(server.sockets[0].getsockname()[1]) as wire:
        yield wire


async def call(wire: Wire) -> Ends:
    return await asyncio.open_connection("127.0.0.1", wire.port)


async def output(ends: Ends, text: bytes) -> bytes:
    ends[1].write(text)
    return await ends[0].readexactly(len(text))


async def test_a_sound_wire_carries_everything_in_order_and_both_ends_close() -> None:
    async with echoing() as wire:
        ends = await call(wire)
        assert await output(ends, b"one") == b"one"
        assert await output(ends, bytes(500_000)) == bytes(500_000)
        ends[1].write_eof()
        assert await ends[0].read() == b""
        ends[1].close()


async def test_what_is_output_before_there_is_a_far_end_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer to make the second connection than the first one takes to speak."""
    async with echoing() as wire:
        loop = asyncio.get_running_loop()
        connect = loop.create_connection

        async def slowly(*to: Any, **more: Any) -> Any:
            await asyncio.sleep(0.1)
            return await connect(*to, **more)

        monkeypatch.setattr(loop, "create_connection", slowly)
        ends = await call(wire)
        assert await asyncio.wait_for(output(ends, b"one"), 10) == b"one"
        ends[1].close()


async def test_a_reset_ends_every_connection_and_the_next_one_is_sound() -> None:
    async with echoing() as wire:
        ends = await call(wire)
        assert await output(ends, b"one") == b"one"
        wire.reset()
        with pytest.raises(ConnectionResetError):
            await ends[0].read()
        again = await call(wire)
        assert await output(again, b"two") == b"two"
        again[1].close()


async def test_a_cut_wire_refuses_until_it_is_mended() -> None:
    async with echoing() as wire:
        wire.cut()
        with pytest.raises(ConnectionRefusedError):
            await call(wire)
        await wire.mend()
        ends = await call(wire)
        assert await output(ends, b"one") == b"one"
        ends[1].close()


async def test_a_half_open_connection_stays_dead_and_the_next_one_is_sound() -> None:
    async with echoing() as wire:
        before = await call(wire)
        assert await output(before, b"one") == b"one"
        wire.silence()
        during = await call(wire)
        await wire.mend()
        after = await call(wire)
        hearing = [asyncio.create_task(output(ends, b"two")) for ends in (before, during, after)]
        assert await hearing[2] == b"two"
        await asyncio.sleep(0.05)
        assert [task.done() for task in hearing] == [False, False, True]
        for task in hearing:
            task.cancel()
        for ends in (before, during, after):
            ends[1].close()


async def test_a_slow_wire_keeps_the_order_also_when_it_is_fast_again() -> None:
    async with echoing() as wire:
        ends = await call(wire)
        wire.delay = 0.05
        ends[1].write(b"one")
        await asyncio.sleep(0.01)
        wire.delay = 0.0
        assert await output(ends, b"two") == b"one"
        assert await ends[0].readexactly(3) == b"two"
        ends[1].close()


async def test_a_wire_to_nowhere_resets_who_calls() -> None:
    async with Wire(1) as wire:
        ends = await call(wire)
        with contextlib.suppress(ConnectionResetError):
            assert await ends[0].read() == b""
        ends[1].close()
