"""What every broker of ours does for a link, and what a link promises over all of them."""

import asyncio

import pytest

from qilu.contract.errors import UnreachableError
from qilu.mqtt.client import BrokerConnection, Message
from qilu.mqtt.settings import MqttSettings
from tests.mqtt.taking import take


async def test_what_is_published_arrives_in_order(broker: MqttSettings) -> None:
    async with BrokerConnection(broker, "receiver") as receiver, BrokerConnection(broker, "sender") as sender:
        await receiver.subscribe(["qilu/live/#"])
        for number in range(50):
            assert await sender.publish("qilu/live/edge-1", b"%d" % number)
        arrived = await take(receiver, 50)
    assert arrived == [Message("qilu/live/edge-1", b"%d" % number) for number in range(50)]


async def test_many_publishes_may_be_under_way_at_once(broker: MqttSettings) -> None:
    async with BrokerConnection(broker, "receiver") as receiver, BrokerConnection(broker, "sender") as sender:
        await receiver.subscribe(["qilu/#"])
        payloads = [b"%d" % number * 100 for number in range(300)]
        async with asyncio.TaskGroup() as group:
            for payload in payloads:
                group.create_task(sender.publish("qilu/live/edge-1", payload))
        arrived = await take(receiver, 300)
    assert [message.payload for message in arrived] == payloads


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_000])
async def test_a_message_of_any_size_arrives_whole(broker: MqttSettings, size: int) -> None:
    payload = bytes(index * 7 % 251 for index in range(size))
    async with BrokerConnection(broker, "both") as link:
        await link.subscribe(["qilu/live/+"])
        async with asyncio.TaskGroup() as group:
            group.create_task(link.publish("qilu/live/edge-1", payload))
            received = group.create_task(take(link, 1))
    assert received.result() == [Message("qilu/live/edge-1", payload)]


async def test_a_plus_takes_one_level_and_a_hash_all_that_follow(broker: MqttSettings) -> None:
    async with BrokerConnection(broker, "receiver") as receiver, BrokerConnection(broker, "sender") as sender:
        await receiver.subscribe(["a/+", "b/#"])
        for topic in ("a/1", "a/1/2", "b/1", "b/1/2", "c", "a/end"):
            await sender.publish(topic, b"x")
        arrived = await take(receiver, 4)
    assert [message.topic for message in arrived] == ["a/1", "b/1", "b/1/2", "a/end"]


async def test_a_retained_message_meets_who_comes_later_until_an_empty_one_removes_it(
    broker: MqttSettings,
) -> None:
    async with BrokerConnection(broker, "sender") as sender:
        await sender.publish("qilu/status/edge-1", b"old", retain=True)
        await sender.publish("qilu/status/edge-1", b"online", retain=True)
        async with BrokerConnection(broker, "first") as first:
            await first.subscribe(["qilu/status/+"])
            assert await take(first, 1) == [Message("qilu/status/edge-1", b"online", retain=True)]
        await sender.publish("qilu/status/edge-1", b"", retain=True)
        async with BrokerConnection(broker, "second") as second:
            await second.subscribe(["qilu/status/+", "end"])
            await sender.publish("end", b"")
            assert await take(second, 1) == [Message("end", b"")]


async def test_a_will_speaks_for_a_client_that_is_gone_without_a_word(broker: MqttSettings) -> None:
    will = Message("qilu/status/edge-1", b"offline", retain=True)
    async with BrokerConnection(broker, "watcher") as watcher:
        await watcher.subscribe(["qilu/status/+"])
        async with BrokerConnection(broker, "edge-1", will=will) as edge:
            await edge.publish("qilu/status/edge-1", b"online")
            assert edge._client is not None
            edge._client._client._sock_close()  # no DISCONNECT: what a crash does
            arrived = await take(watcher, 2)
        assert [message.payload for message in arrived] == [b"online", b"offline"]
        async with BrokerConnection(broker, "late") as late:
            await late.subscribe(["qilu/status/+"])
            assert await take(late, 1) == [will]


async def test_a_will_is_silent_when_its_client_says_goodbye(broker: MqttSettings) -> None:
    async with BrokerConnection(broker, "watcher") as watcher:
        await watcher.subscribe(["#"])
        async with BrokerConnection(broker, "edge-1", will=Message("will", b"offline")):
            pass
        await watcher.publish("end", b"")
        assert [message.topic for message in await take(watcher, 1)] == ["end"]


async def test_messages_that_find_no_room_are_counted_and_the_others_stay_in_order(
    broker: MqttSettings,
) -> None:
    async with (
        BrokerConnection(broker, "slow", capacity=5) as slow,
        BrokerConnection(broker, "sender") as sender,
    ):
        await slow.subscribe(["#"])
        for number in range(20):
            await sender.publish("x", b"%d" % number)
        async with asyncio.timeout(60):
            while slow.discarded < 15:  # a plain count, nobody announces its change
                await asyncio.sleep(0.01)
        assert [message.payload for message in await take(slow, 5)] == [b"0", b"1", b"2", b"3", b"4"]
        assert slow.discarded == 15


async def test_few_long_messages_are_bounded_by_their_bytes_and_room_comes_back(broker: MqttSettings) -> None:
    async with (
        BrokerConnection(broker, "slow", capacity_bytes=1000) as slow,
        BrokerConnection(broker, "sender") as sender,
    ):
        await slow.subscribe(["#"])
        for letter in (b"a", b"b", b"c"):
            await sender.publish("x", 400 * letter)
        async with asyncio.timeout(60):
            while slow.discarded < 1:  # a plain count, nobody announces its change
                await asyncio.sleep(0.01)
        assert [message.payload[:1] for message in await take(slow, 2)] == [b"a", b"b"]
        await sender.publish("x", 900 * b"d")
        assert [message.payload[:1] for message in await take(slow, 1)] == [b"d"]
        assert slow.discarded == 1


async def test_a_link_used_after_its_end_says_so(broker: MqttSettings) -> None:
    async with BrokerConnection(broker, "once") as link:
        pass
    with pytest.raises(UnreachableError, match=f"127.0.0.1:{broker.port}"):
        await link.publish("x", b"")
    with pytest.raises(UnreachableError):
        await link.subscribe(["x"])
    with pytest.raises(UnreachableError):
        await take(link, 1)


async def test_a_publish_given_up_by_its_caller_leaves_the_link_whole(broker: MqttSettings) -> None:
    async with BrokerConnection(broker, "sender") as link:
        await link.subscribe(["x"])
        task = asyncio.create_task(link.publish("x", b"given up"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
        await link.publish("x", b"kept")
        assert [message.payload for message in await take(link, 2)] == [b"given up", b"kept"]
