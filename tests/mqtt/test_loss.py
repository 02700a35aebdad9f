"""A link that ends, is refused or half dead says so at once, with the place, the reason and a remedy."""

import asyncio
import socket
from pathlib import Path

import pytest

from qilu.contract.errors import LinkLostError, UnreachableError
from qilu.mqtt.client import BrokerConnection, RefusedError
from qilu.mqtt.settings import MqttSettings
from tests.mqtt.proxy import Proxy
from tests.mqtt.taking import take
from tests.servers.mosquitto import Mosquitto

CONNACK_5 = bytes([0x20, 3, 0, 0, 0])
# With `max_queued_messages 0` mosquitto 2.0.11 hangs up on whoever it refuses a message.
BOUNDED = "max_queued_messages 1000000"
TAKEN_OVER = bytes([0xE0, 2, 0x8E, 0])


async def test_publishes_under_way_fail_at_once_when_the_broker_dies(mosquitto: Mosquitto) -> None:
    async with Proxy(mosquitto.port) as proxy:
        async with BrokerConnection(MqttSettings(port=proxy.port), "edge-1") as link:
            proxy.frozen = True  # no acknowledgement will come
            publishing = [asyncio.create_task(link.publish("x", b"%d" % number)) for number in range(100)]
            reading = asyncio.create_task(take(link, 1))
            await asyncio.sleep(0.05)
            assert not any(task.done() for task in publishing)
            mosquitto.kill()
            ended = await asyncio.wait_for(asyncio.gather(*publishing, reading, return_exceptions=True), 1)
    assert {type(error) for error in ended} == {LinkLostError}
    assert f"127.0.0.1:{proxy.port}" in str(ended[0])


async def test_a_half_open_link_is_noticed_by_silence(mosquitto: Mosquitto) -> None:
    async with Proxy(mosquitto.port) as proxy:
        async with BrokerConnection(MqttSettings(port=proxy.port, keepalive=2), "edge-1") as link:
            proxy.frozen = True
            with pytest.raises(UnreachableError, match="nothing came for 2 s"):
                await take(link, 1)


async def test_a_quiet_link_stays(mosquitto: Mosquitto) -> None:
    async with BrokerConnection(MqttSettings(port=mosquitto.port, keepalive=2), "edge-1") as link:
        await asyncio.sleep(2.5)  # the broker would have closed it without pings
        await link.publish("x", b"")


async def test_a_refused_publish_is_an_error_with_its_reason(tmp_path: Path) -> None:
    users = {"edge-1": "secret"}
    acl = "user edge-1\ntopic readwrite allowed/#\n"
    with Mosquitto(tmp_path, users=users, acl=acl, lines=[BOUNDED]) as server:
        (tmp_path / "password").write_text("secret\n")
        settings = MqttSettings(port=server.port, username="edge-1", password_file=tmp_path / "password")
        async with BrokerConnection(settings, "edge-1") as link:
            await link.subscribe(["allowed/#"])
            with pytest.raises(RefusedError, match="not authorised") as caught:
                await link.publish("denied/x", b"")
            assert caught.value.reason == 0x87
            assert await link.publish("allowed/x", b"still alive")


async def test_a_publish_that_nobody_subscribes_to_is_reported(mosquitto: Mosquitto) -> None:
    async with BrokerConnection(MqttSettings(port=mosquitto.port), "edge-1") as link:
        assert not await link.publish("x", b"")
        await link.subscribe(["x"])
        assert await link.publish("x", b"")


async def test_a_message_larger_than_the_broker_takes_is_refused_and_nothing_else_stops(
    tmp_path: Path,
) -> None:
    with Mosquitto(tmp_path, lines=["max_packet_size 1000"]) as server:
        async with BrokerConnection(MqttSettings(port=server.port), "edge-1") as link:
            await link.subscribe(["x"])
            with pytest.raises(RefusedError) as caught:
                await link.publish("x", b"x" * 1000)
            assert caught.value.reason == 0x95
            assert await link.publish("x", b"x" * 960)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_who_may_not_come_in_is_reported_what_to_look_at(tmp_path: Path, protocol: str) -> None:
    with Mosquitto(tmp_path, users={"edge-1": "secret"}) as server:
        (tmp_path / "password").write_text("wrong")
        base = {"port": server.port, "protocol": protocol}
        user = MqttSettings.model_validate(
            {**base, "username": "edge-1", "password_file": tmp_path / "password"}
        )
        for settings, who in ((user, "user 'edge-1'"), (MqttSettings.model_validate(base), "without a user")):
            with pytest.raises(UnreachableError, match="not authorised") as caught:
                async with BrokerConnection(settings, "edge-1"):
                    pass
            assert who in str(caught.value)
            assert "password" in str(caught.value)


async def test_a_broker_that_is_not_there_is_named_with_its_remedy() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but nobody listens
        port = unused.getsockname()[1]
        remedy = "nothing listens there; start the broker, or correct mqtt.host and mqtt.port"
        with pytest.raises(UnreachableError, match=f"127.0.0.1:{port}: {remedy}"):
            async with BrokerConnection(MqttSettings(port=port), "edge-1"):
                pass
    with pytest.raises(UnreachableError, match="no-such-host.invalid:1883: no address .*correct mqtt.host"):
        async with BrokerConnection(MqttSettings(host="no-such-host.invalid"), "edge-1"):
            pass


class Scripted:
    """A broker that answers whatever it is sent first with some bytes, and then keeps quiet."""

    def __init__(self, answer: bytes | None, *, close: bool = False) -> None:
        self.answer, self.close = answer, close
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        if self.answer:
            writer.write(self.answer)
        if not self.close:
            await reader.read()
        writer.close()
        self.ended.set()


async def scripted(
    answer: bytes | None, *, close: bool = False
) -> tuple[asyncio.Server, MqttSettings, Scripted]:
    script = Scripted(answer, close=close)
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    return server, MqttSettings(port=server.sockets[0].getsockname()[1]), script


async def test_a_take_over_is_named_with_its_remedy() -> None:
    server, settings, _ = await scripted(CONNACK_5 + TAKEN_OVER)
    async with server:
        reported = r"another client uses the id 'edge-1'.*0x8E.*its own id"
        with pytest.raises(UnreachableError, match=reported) as caught:
            async with BrokerConnection(settings, "edge-1") as link:
                await take(link, 1)
    assert caught.value.retry_after, "or both would push each other off several times a second"


async def test_a_broker_that_hangs_up_at_the_door_is_not_waited_for() -> None:
    server, settings, _ = await scripted(None, close=True)
    async with server:
        with pytest.raises(UnreachableError, match="does it speak MQTT 5"):
            async with BrokerConnection(settings, "edge-1"):
                pass


async def test_a_broker_that_says_nothing_is_given_up_and_nothing_stays_open() -> None:
    server, settings, script = await scripted(None)
    async with server:
        with pytest.raises(UnreachableError, match=r"no reply within 0.2 s"):
            async with BrokerConnection(settings, "edge-1", connect_timeout=0.2):
                pass
        await asyncio.wait_for(script.ended.wait(), 5)


async def test_a_broker_that_lives_and_acknowledges_nothing_is_given_up() -> None:
    server, settings, _ = await scripted(CONNACK_5)
    async with server, BrokerConnection(settings, "edge-1", ack_timeout=0.2) as link:
        with pytest.raises(UnreachableError, match="no acknowledgement of the message on x for 0.2 s"):
            await link.publish("x", b"")


async def test_connecting_can_be_cancelled_and_leaves_nothing_open() -> None:
    server, settings, script = await scripted(None)
    async with server:
        entering = asyncio.create_task(BrokerConnection(settings, "edge-1", connect_timeout=0.5).__aenter__())
        await asyncio.sleep(0.05)
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        await asyncio.wait_for(script.ended.wait(), 5)


@pytest.mark.parametrize(
    "garbage",
    [b"\xff" * 100, b"\x00" * 50, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x30\x05\x00\x02\xff\xfe\x00" * 3],
)
async def test_bytes_that_are_not_mqtt_end_the_link_with_a_reason(garbage: bytes) -> None:
    server, settings, _ = await scripted(CONNACK_5 + garbage, close=True)
    async with server:
        with pytest.raises(UnreachableError, match="127.0.0.1"):
            async with BrokerConnection(settings, "edge-1") as link:
                await take(link, 100)
