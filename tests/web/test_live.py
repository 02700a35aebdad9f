"""Live topics: snapshots, changes, one encoding for all readers, and readers that fall behind."""

import asyncio
import time
from typing import Any

import aiohttp
import msgspec
import pytest

from qilu.web import live
from qilu.web.live import FRESH, LiveHub, Reader, Topic
from tests.web.conftest import Serve


class Counter:
    """A topic whose number a test changes, and that counts how often it is computed."""

    def __init__(self, name: str = "overview") -> None:
        self.number = 0
        self.computed = 0
        self.topic = Topic(name, self.snapshot)

    def snapshot(self) -> dict[str, Any]:
        self.computed += 1
        return {"number": self.number, "same": "text"}


async def next_of(socket: aiohttp.ClientWebSocketResponse, topic: str) -> Any:
    """The next message of a topic; the time and the greeting are passed over."""
    async with asyncio.timeout(60):
        while True:
            message = await socket.receive_json()
            if message.get("topic") == topic:
                return message


async def test_a_page_gets_a_greeting_a_snapshot_and_then_changes(serve: Serve) -> None:
    counter = Counter()
    hello = {"role": "gateway", "boot": "b"}
    async with (
        serve(topics={"overview": counter.topic}, hello=hello) as server,
        aiohttp.ClientSession(server.url) as client,
        client.ws_connect("api/v1/live") as socket,
    ):
        greeting = await socket.receive_json()
        assert greeting["hello"]["role"] == "gateway"
        assert greeting["hello"]["now_ms"] > 0
        assert counter.computed == 0
        await socket.send_json({"subscribe": ["overview"]})
        first = await next_of(socket, "overview")
        assert first == {"topic": "overview", "seq": 1, "snapshot": {"number": 0, "same": "text"}}
        counter.number = 5
        assert await next_of(socket, "overview") == {"topic": "overview", "seq": 2, "changes": {"number": 5}}
        await socket.send_json({"resync": "overview"})
        assert (await next_of(socket, "overview"))["snapshot"]["number"] == 5


async def test_a_topic_that_nobody_follows_is_not_computed(serve: Serve) -> None:
    counter, other = Counter(), Counter("other")
    topics = {"overview": counter.topic, "other": other.topic}
    async with serve(topics=topics) as server, aiohttp.ClientSession(server.url) as client:
        async with client.ws_connect("api/v1/live") as socket:
            await socket.send_json({"subscribe": ["overview"]})
            await next_of(socket, "overview")
            await socket.send_json({"subscribe": ["other"]})
            await next_of(socket, "other")
            computed = counter.computed
            other.number = 1
            await next_of(socket, "other")
            assert counter.computed == computed


async def test_unknown_topics_and_too_many_are_refused(serve: Serve) -> None:
    async with (
        serve(topics={}) as server,
        aiohttp.ClientSession(server.url) as client,
        client.ws_connect("api/v1/live") as socket,
    ):
        await socket.send_json({"subscribe": ["x"]})
        assert (await next_of(socket, "x"))["error"]["code"] == "no_topic"
        await socket.send_json({"subscribe": ["a", "b", "c", "d"]})
        assert (await next_of(socket, ""))["error"]["code"] == "topics"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"subscribe": "overview"}', '{"subscribe": [1]}', "x" * 5000]
)
async def test_a_message_that_is_no_request_ends_the_socket(serve: Serve, text: str) -> None:
    async with (
        serve(topics={}) as server,
        aiohttp.ClientSession(server.url) as client,
        client.ws_connect("api/v1/live") as socket,
    ):
        await socket.receive_json()
        await socket.send_str(text)
        async with asyncio.timeout(60):
            while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


async def test_a_view_that_fails_sends_an_error_and_comes_back(serve: Serve) -> None:
    counter = Counter()
    broken = [True]

    def snapshot() -> dict[str, Any]:
        if broken:
            raise KeyError("a bug")
        return counter.snapshot()

    async with (
        serve(topics={"overview": Topic("overview", snapshot)}) as server,
        aiohttp.ClientSession(server.url) as client,
        client.ws_connect("api/v1/live") as socket,
    ):
        await socket.send_json({"subscribe": ["overview"]})
        assert (await next_of(socket, "overview"))["error"]["code"] == "failed"
        broken.clear()
        while "snapshot" not in (message := await next_of(socket, "overview")):
            pass
        assert message["snapshot"]["number"] == 0


async def test_all_readers_of_a_topic_share_one_encoding() -> None:
    counter = Counter()
    hub = LiveHub({"overview": counter.topic}.get, now_ms=lambda: 0, tick_s=0.01)
    readers = [Reader() for _ in range(5)]
    for reader in readers:
        hub.join(reader)
        hub.subscribe(reader, ["overview"])
    running = asyncio.create_task(hub.run())
    try:
        taken = [await taking(reader, "overview") for reader in readers]
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert len({id(message) for message in taken}) == 1


async def taking(reader: Reader, topic: str) -> bytes:
    while True:
        message = await reader.take()
        if msgspec.json.decode(message).get("topic") == topic:
            return message


async def test_a_reader_that_falls_behind_gets_the_latest_state_alone() -> None:
    counter = Counter()
    hub = LiveHub({"overview": counter.topic}.get, now_ms=lambda: 0, tick_s=0.01)
    slow, quick = Reader(), Reader()
    for reader in (slow, quick):
        hub.join(reader)
        hub.subscribe(reader, ["overview"])
    running = asyncio.create_task(hub.run())
    try:
        message = b""
        for number in range(1, 20):
            message = await taking(quick, "overview")
            counter.number = number
        behind = msgspec.json.decode(await taking(slow, "overview"))
        assert behind["snapshot"]["number"] == 18 or behind["snapshot"]["number"] == 19
        assert msgspec.json.decode(message)["changes"] == {"number": 18}
        assert slow.pending_bytes < 200
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_tick_that_takes_longer_than_its_interval_leaves_the_loop_to_others() -> None:
    counter = Counter()

    def slow() -> dict[str, Any]:
        time.sleep(0.005)  # a view that keeps the loop busy
        counter.number += 1
        return counter.snapshot()

    hub = LiveHub({"overview": Topic("overview", slow)}.get, now_ms=lambda: 0, tick_s=0.001)
    reader = Reader()
    hub.join(reader)
    hub.subscribe(reader, ["overview"])
    running = asyncio.create_task(hub.run())
    others = 0
    try:
        while counter.number < 5:
            await asyncio.sleep(0)
            others += 1
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert others > 5 * 3


async def test_changes_of_a_topic_may_be_a_fresh_snapshot(serve: Serve) -> None:
    counter = Counter()
    topic = Topic("overview", counter.snapshot, lambda before, now: FRESH if before != now else None)
    async with (
        serve(topics={"overview": topic}) as server,
        aiohttp.ClientSession(server.url) as client,
        client.ws_connect("api/v1/live") as socket,
    ):
        await socket.send_json({"subscribe": ["overview"]})
        await next_of(socket, "overview")
        counter.number = 1
        assert (await next_of(socket, "overview"))["snapshot"]["number"] == 1


async def test_more_readers_than_allowed_are_refused(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(topics={}) as server, aiohttp.ClientSession(server.url) as client:
        sockets = [await client.ws_connect("api/v1/live") for _ in range(live.MAX_READERS)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect("api/v1/live")
        assert refused.value.status == 503
        await sockets[0].close()
        async with asyncio.timeout(60):
            while True:
                try:
                    await (await client.ws_connect("api/v1/live")).close()
                    break
                except aiohttp.WSServerHandshakeError:
                    await asyncio.sleep(0.05)
