"""What comes in is in the store before it is answered for, and nothing that comes in stops that."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from cloud.ingester import Ingester, Tally
from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.ranges import IntervalSet
from qilu.contract.record_codec import encode_message
from qilu.contract.topics import Lane
from qilu.mqtt.broker import EmbeddedBroker
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from qilu.stores.confirmation import Mark
from tests.cloud.conftest import Start
from tests.cloud.memory import Edge, MemoryStore, record
from tests.servers.mosquitto import Mosquitto


@pytest.fixture(params=["mosquitto 5", "embedded"])
async def mqtt(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MqttSettings]:
    if request.param == "embedded":
        async with EmbeddedBroker() as broker:
            yield broker.settings
    else:
        with Mosquitto(tmp_path) as server:
            yield MqttSettings(port=server.port)


def records(count: int, first: int = 0, device: str = "press-1") -> list[bytes]:
    return [record("edge-1", device, 1000 + number) for number in range(first, first + count)]


async def test_records_are_stored_and_answered_as_durable(mqtt: MqttSettings, ingesting: Start) -> None:
    store = MemoryStore()
    async with ingesting(mqtt, store) as running, Edge(mqtt) as edge:
        await edge.send(IntervalSet([(0, 9)]), records(10))
        await edge.until(durable=10)
        assert store.times("press-1") == list(range(1000, 1010))
        assert (running.tally.records, running.tally.points, running.tally.messages) == (10, 10, 1)
        assert edge.answers[0].store == "memory"


async def test_what_is_sent_again_is_kept_once_and_answered_again(
    mqtt: MqttSettings, ingesting: Start
) -> None:
    store = MemoryStore()
    async with ingesting(mqtt, store), Edge(mqtt) as edge:
        for lane in (Lane.LIVE, Lane.BACKLOG, Lane.BACKLOG):
            edge.durable = IntervalSet()
            await edge.send(IntervalSet([(0, 4)]), records(5), lane)
            await edge.until(durable=5)
        assert len(store.kept) == 5


async def test_answers_of_many_messages_are_joined(mqtt: MqttSettings, ingesting: Start) -> None:
    async with ingesting(mqtt, MemoryStore()), Edge(mqtt) as edge:
        async with asyncio.TaskGroup() as tasks:
            for offset in range(100):
                tasks.create_task(edge.send(IntervalSet.of([offset]), records(1, offset)))
        await edge.until(durable=100)
        assert len(edge.answers) < 50


async def test_garbage_on_the_topic_is_ignored_and_counted(mqtt: MqttSettings, ingesting: Start) -> None:
    store = MemoryStore()
    garbage = [
        b"",
        b"\x00\xff\xfe",
        b"{}",
        b'{"qilu":1}',
        b"[1,2,3]",
        b'{"temperature":21.5}',
        b'{"qilu":1,"stream":"00000000000000aa","offsets":"5-3","records":[]}',
        b'{"qilu":1,"stream":"00000000000000aa","offsets":"0-' + b"9" * 5000 + b'","records":[]}',
        b'{"qilu":1,"stream":"00000000000000aa","offsets":"0-99999999999999999999","records":[]}',
        b'{"qilu":x',
    ]
    async with ingesting(mqtt, store) as running, Edge(mqtt) as edge:
        for payload in garbage:
            await edge.raw(payload)
        async with BrokerConnection(mqtt, "stranger") as stranger:
            await stranger.publish(mqtt.topics.records_filter(Lane.LIVE).rstrip("/#"), b"no edge")
            sound = encode_message(1, IntervalSet.of([0]), records(1))
            await stranger.publish(mqtt.topics.records(Lane.LIVE, "e" * 65_500), sound)
        await edge.send(IntervalSet.of([0]), records(1))
        await edge.until(durable=1)
        assert running.tally.foreign == len(garbage) + 2
        assert not edge.rejected


async def test_an_unknown_version_is_never_answered(mqtt: MqttSettings, ingesting: Start) -> None:
    async with ingesting(mqtt, MemoryStore()) as running, Edge(mqtt) as edge:
        await edge.raw(b'{"qilu":2,"stream":"000000000000ed6e","offsets":"0","records":[{}]}')
        await edge.send(IntervalSet.of([1]), records(1))
        await edge.until(durable=1)
        assert running.tally.unknown_versions == 1
        assert str(edge.durable) == "1"
        assert not edge.rejected


async def test_one_undecodable_record_is_rejected_by_its_name_and_its_neighbours_are_kept(
    mqtt: MqttSettings, ingesting: Start
) -> None:
    good = records(2)
    async with ingesting(mqtt, MemoryStore()), Edge(mqtt) as edge:
        await edge.send(
            IntervalSet.parse("7-9,12"), [good[0], b'{"edge":1}', record("edge-2", "x", 1), good[1]]
        )
        await edge.until(durable=2, rejected=1, deferred=1)
        assert str(edge.durable) == "7,12"
        assert set(edge.rejected) == {8}
        assert edge.deferred == {AckCode.WRONG_EDGE: IntervalSet([(9, 9)])}


async def test_an_undecodable_body_is_deferred_with_all_its_offsets(
    mqtt: MqttSettings, ingesting: Start
) -> None:
    whole = encode_message(0xED6E, IntervalSet([(0, 2)]), records(3))
    async with ingesting(mqtt, MemoryStore()), Edge(mqtt) as edge:
        await edge.raw(whole[:-10])
        await edge.until(deferred=3)
        await edge.raw(encode_message(0xED6E, IntervalSet([(3, 9)]), records(3)))
        await edge.until(deferred=10)
        assert edge.deferred == {AckCode.BAD_MESSAGE: IntervalSet([(0, 9)])}
        assert not edge.durable


async def test_a_record_that_the_store_refuses_is_rejected_with_the_reason(
    mqtt: MqttSettings, ingesting: Start
) -> None:
    store = MemoryStore(refuses=frozenset({"odd-1"}))
    async with ingesting(mqtt, store), Edge(mqtt) as edge:
        mixed = [records(1)[0], record("edge-1", "odd-1", 1), records(1, 1)[0]]
        await edge.send(IntervalSet([(0, 2)]), mixed)
        await edge.until(durable=2, rejected=1)
        assert edge.rejected == {1: Refusal(AckCode.BAD_NAME, "device odd-1 is not wanted")}


async def test_a_store_that_is_away_is_tried_until_it_is_back(mqtt: MqttSettings, ingesting: Start) -> None:
    store = MemoryStore(down=True)
    async with ingesting(mqtt, store) as running, Edge(mqtt) as edge:
        await edge.send(IntervalSet([(0, 4)]), records(5))
        await asyncio.sleep(0.2)
        assert not edge.answers
        store.down = False
        await edge.until(durable=5)
        assert not edge.rejected
        assert running.tally.batches == 1


async def test_live_records_go_into_the_store_before_the_backlog(
    mqtt: MqttSettings, ingesting: Start
) -> None:
    store = MemoryStore(down=True)
    async with (
        ingesting(mqtt, store, max_records_per_write=5, max_backlog_bytes_per_write=1) as running,
        Edge(mqtt) as edge,
    ):
        await edge.send(IntervalSet([(0, 4)]), records(5), Lane.BACKLOG)  # taken at once: waits for the store
        await asyncio.sleep(0.1)
        for first in (5, 10):
            await edge.send(IntervalSet([(first, first + 4)]), records(5, first), Lane.BACKLOG)
        for first in (15, 20):
            await edge.send(IntervalSet([(first, first + 4)]), records(5, first))
        async with asyncio.timeout(60):
            while running.tally.messages < 5:
                await asyncio.sleep(0.01)
        store.down = False
        await edge.until(durable=25)
        order = [[poll.due_ms - 1000 for poll in batch[::5]] for batch in store.writes]
        assert order == [[0], [15, 5], [20, 10]]


async def test_what_finds_no_room_is_not_answered_and_comes_again(
    mqtt: MqttSettings, ingesting: Start, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore(down=True)
    all_records = dict(enumerate(records(200)))
    async with ingesting(mqtt, store, max_queue_bytes="40kB") as running, Edge(mqtt) as edge:
        delivering = asyncio.create_task(edge.deliver(all_records))
        async with asyncio.timeout(60):
            while not running.tally.overflow:
                await asyncio.sleep(0.01)
        store.down = False
        await delivering
        assert len(store.kept) == 200
        assert not edge.rejected
    assert any("are of edge edge-1: the store is too slow" in text for text in caplog.messages)


async def test_a_store_with_a_horizon_is_answered_twice(mqtt: MqttSettings, ingesting: Start) -> None:
    async with ingesting(mqtt, MemoryStore(durability_delay=0.3)), Edge(mqtt) as edge:
        await edge.send(IntervalSet([(0, 4)]), records(5))
        await edge.until(stored=5)
        assert not edge.durable
        await edge.until(durable=5)


async def test_what_a_store_lost_by_a_restart_within_its_horizon_is_never_called_durable(
    mqtt: MqttSettings, ingesting: Start
) -> None:
    store = MemoryStore(durability_delay=0.3)
    async with ingesting(mqtt, store), Edge(mqtt) as edge:
        await edge.send(IntervalSet([(0, 4)]), records(5))
        await edge.until(stored=5)
        store.run += 1
        await edge.send(IntervalSet([(5, 9)]), records(5, 5))
        await edge.until(durable=5)
        assert str(edge.durable) == "5-9"


async def test_an_ingester_is_announced_while_it_runs(mqtt: MqttSettings, ingesting: Start) -> None:
    async with Edge(mqtt) as edge:
        async with ingesting(mqtt, MemoryStore(durability_delay=30), ingester="one"):
            await edge.until_announced("one")
            known = edge.announcements["one"]
            assert known is not None
            assert (known.store, known.durability_delay_s) == ("memory", 30)
        await edge.until_announced()


async def test_a_bug_in_the_store_ends_the_ingester(mqtt: MqttSettings, ingesting: Start) -> None:
    class Broken(MemoryStore):
        async def mark(self) -> Mark:
            raise KeyError("a bug")

    async with ingesting(mqtt, Broken()) as running, Edge(mqtt) as edge:
        assert running.task is not None
        running.may_fail = True
        await edge.send(IntervalSet.of([0]), records(1))
        await asyncio.wait((running.task,), timeout=5)
        error = running.task.exception()
        assert isinstance(error, ExceptionGroup)
        assert error.subgroup(KeyError) is not None


async def test_two_edges_that_share_a_device_name_are_reported_and_both_stored(
    mqtt: MqttSettings, ingesting: Start, caplog: pytest.LogCaptureFixture
) -> None:
    async with ingesting(mqtt, MemoryStore()), Edge(mqtt) as edge, Edge(mqtt, "edge-2", 0xED6F) as other:
        await edge.send(IntervalSet.of([0]), [record("edge-1", "compressor-1", 1000)])
        await edge.until(durable=1)
        await other.send(IntervalSet.of([0]), [record("edge-2", "compressor-1", 1000)])
        await other.until(durable=1)
    assert "edge-1 and edge-2 both have devices of these names: compressor-1;" in caplog.text


async def test_messages_that_the_link_has_no_room_for_are_counted_and_reported(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    mqtt = MqttSettings(port=mosquitto.port)
    tally = Tally()
    ingester = Ingester(MemoryStore(), mqtt.topics, "a", tally=tally, random=Random(1))
    async with (
        BrokerConnection(mqtt, "stranger") as stranger,
        BrokerConnection(mqtt, "a", capacity=1) as link,
    ):
        for number in range(50):  # retained: they come together, with the subscription
            await stranger.publish(f"qilu/live/edge-{number}", b"garbage", retain=True)
        serving = asyncio.create_task(ingester.serve(link, ["qilu/live/#"], lambda: None))
        async with asyncio.timeout(60):
            while tally.messages + link.discarded < 50 or not tally.discarded:
                await asyncio.sleep(0.01)
        serving.cancel()
        await asyncio.wait((serving,))
        assert tally.discarded <= link.discarded
    assert caplog.text.count("messages found no room since the start") == 1
