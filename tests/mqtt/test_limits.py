"""Every wait for a broker has a limit, and every limit a message; a slow line is no broken one."""

import asyncio

import pytest

from qilu.contract.errors import LinkEnd, LinkLostError
from qilu.mqtt.client import MAX_ACK_TIMEOUTS, BrokerConnection
from qilu.mqtt.keepalive import Keepalive
from qilu.mqtt.settings import MqttSettings
from tests.mqtt.scripted import (
    PINGREQ,
    PINGRESP,
    PUBLISH,
    SUBACK_GRANTED,
    SUBSCRIBE,
    ScriptedBroker,
    ThinLine,
)
from tests.servers.mosquitto import Mosquitto

SUBACK_FAILURE = bytes([0x90, 3]) + b"{id}" + bytes([0x80])


async def test_a_broker_that_pings_and_never_answers_a_subscription_is_given_up() -> None:
    async with (
        ScriptedBroker() as broker,
        BrokerConnection(broker.settings, "edge-1", ack_timeout=2.5) as link,
    ):
        with pytest.raises(LinkLostError, match=r"no acknowledgement of the subscription to a, b for 2.5 s"):
            await link.subscribe(["a", "b"])
        assert broker.received[PINGREQ], "the link stood all the time"


async def test_a_broker_that_acknowledges_others_and_never_one_message_is_given_up() -> None:
    async with ScriptedBroker({SUBSCRIBE: SUBACK_GRANTED}) as broker:
        async with BrokerConnection(broker.settings, "edge-1", ack_timeout=0.1) as link:
            waiting = asyncio.create_task(link.publish("x", b""))
            while not waiting.done():
                await link.subscribe(["x"])
                await asyncio.sleep(0.02)
            with pytest.raises(LinkLostError, match="no acknowledgement of the message on x"):
                await waiting
        assert broker.received[SUBSCRIBE] > MAX_ACK_TIMEOUTS, "others were acknowledged meanwhile"


async def test_a_flood_of_the_smallest_packets_leaves_other_tasks_their_turns() -> None:
    """A broker that sent them without an end stopped the polls of a gateway for half a minute."""
    flood = PINGRESP * 30_000
    turns = 0
    async with (
        ScriptedBroker({SUBSCRIBE: flood + SUBACK_GRANTED}) as broker,
        BrokerConnection(broker.settings, "edge-1") as link,
    ):
        subscribing = asyncio.create_task(link.subscribe(["x"]))
        while not subscribing.done():
            await asyncio.sleep(0)
            turns += 1
        await subscribing
    assert turns > 500


async def test_a_subscription_that_mqtt_311_refuses_is_laid_to_the_access_list() -> None:
    async with (
        ScriptedBroker({SUBSCRIBE: SUBACK_FAILURE}) as broker,
        BrokerConnection(broker.settings, "e") as link,
    ):
        reported = r"refuses the subscription to x \(failure, 0x80.*let clients without a user subscribe.*ACL"
        with pytest.raises(LinkLostError, match=reported) as caught:
            await link.subscribe(["x"])
    assert caught.value.end is LinkEnd.EXPLAINED


async def test_a_broker_that_closes_at_a_message_is_laid_to_its_length_or_to_the_access_list() -> None:
    async with (
        ScriptedBroker(close_after=PUBLISH) as broker,
        BrokerConnection(broker.settings, "edge-1") as link,
    ):
        with pytest.raises(LinkLostError, match="access list let clients without a user publish x") as caught:
            await link.publish("x", b"")
    assert caught.value.end is LinkEnd.CLOSED


async def test_a_message_that_does_not_fit_into_the_keepalive_of_a_thin_line_passes_after_some_links(
    mosquitto: Mosquitto,
) -> None:
    keepalive = Keepalive(2)
    lost = []
    async with ThinLine(mosquitto.port, 2000) as line:
        settings = MqttSettings(port=line.port, keepalive=2)
        while True:
            try:
                async with BrokerConnection(settings, "edge-1", keepalive=keepalive) as link:
                    await link.publish("x", b"x" * 14_000)  # 7 s
                    break
            except LinkLostError as error:
                lost.append(error)
    assert 1 <= len(lost) <= 3
    assert {error.end for error in lost} == {LinkEnd.TIMED_OUT}
    assert all("bytes was on its way; the next link waits for" in str(error) for error in lost)
