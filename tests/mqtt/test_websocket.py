"""MQTT over WebSocket and TLS, through a real reverse proxy, and through an HTTP proxy."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qilu.contract.errors import UnreachableError
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from qilu.mqtt.transport import Transport
from tests.mqtt.taking import take
from tests.servers import Mosquitto, free_port
from tests.servers.authority import Authority
from tests.servers.haproxy import HAProxy, Tinyproxy

SIZES = (0, 1, 2, 3, 125, 126, 65_536)  # mosquitto sends about 40 kB/s over a WebSocket
PAYLOADS = [random.Random(size).randbytes(size) for size in SIZES]


class Behind:
    """A mosquitto behind an HAProxy that speaks TLS; WebSocket is the only way in."""

    def __init__(self, broker: Mosquitto, public: HAProxy, authority: Authority) -> None:
        self.broker = broker
        self.public = public
        self._authority = authority

    def settings(self, **more: object) -> MqttSettings:
        base: Mapping[str, object] = {
            "port": self.public.port,
            "websocket": "/mqtt",
            "tls": {"ca": self._authority.ca},
        }
        return MqttSettings.model_validate({**base, **more})


@pytest.fixture
def behind(tmp_path: Path, authority: Authority) -> Iterator[Behind]:
    websocket = free_port()
    lines = (f"listener {websocket} 127.0.0.1", "protocol websockets", "allow_anonymous true")
    with (
        Mosquitto(tmp_path, lines=lines) as broker,
        HAProxy(tmp_path, authority.issue(), websocket) as public,
    ):
        yield Behind(broker, public, authority)


async def carries_everything(settings: MqttSettings) -> None:
    """Messages of all lengths arrive there and back."""
    async with BrokerConnection(settings, "there") as there, BrokerConnection(settings, "here") as here:
        await here.subscribe(["a/topic"])
        for payload in PAYLOADS:
            await there.publish("a/topic", payload)
        assert [message.payload for message in await take(here, len(PAYLOADS))] == PAYLOADS


async def test_messages_of_all_lengths_pass_a_websocket_behind_tls(behind: Behind) -> None:
    await carries_everything(behind.settings())


async def test_a_link_through_an_http_proxy_carries_them_too(behind: Behind, tmp_path: Path) -> None:
    secret = tmp_path / "proxy.password"
    secret.write_text("open-sesame\n")
    with Tinyproxy(tmp_path, [behind.public.port], [("edge", "open-sesame")]) as proxy:
        who = {"host": "127.0.0.1", "port": proxy.port, "username": "edge", "password_file": secret}
        await carries_everything(behind.settings(proxy=who))
        with pytest.raises(UnreachableError, match="the proxy refuses the connection: .*40[17]"):
            async with BrokerConnection(behind.settings(proxy={**who, "username": "x"}), "stranger"):
                pass


async def test_plain_mqtt_passes_an_http_proxy(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Tinyproxy(tmp_path, [mosquitto.port]) as proxy:
        way = {"host": "127.0.0.1", "port": proxy.port}
        await carries_everything(MqttSettings.model_validate({"port": mosquitto.port, "proxy": way}))
        elsewhere = MqttSettings.model_validate({"port": free_port(), "proxy": way})
        with pytest.raises(UnreachableError, match="the proxy refuses the connection: .*403"):
            async with BrokerConnection(elsewhere, "stranger"):
                pass


async def test_a_server_that_takes_no_websocket_is_named_as_such(
    behind: Behind, mosquitto: Mosquitto
) -> None:
    with pytest.raises(UnreachableError, match=r"does it take WebSocket at /elsewhere"):
        async with BrokerConnection(behind.settings(websocket="/elsewhere"), "stranger"):
            pass
    with pytest.raises(UnreachableError):
        async with BrokerConnection(MqttSettings(port=mosquitto.port, websocket="/mqtt"), "stranger"):
            pass


def test_a_packet_of_which_the_socket_takes_a_part_is_asked_for_again_and_arrives_whole() -> None:
    """paho alone forgets it: a link over a thin line would lose messages, and its framing."""
    body = random.Random(1).randbytes(8_000_000)
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as thread:
        received = thread.submit(accept_one_frame, listener, len(body))
        link = Transport("127.0.0.1", listener.getsockname()[1], websocket="/mqtt").connect(10)
        link.setblocking(False)
        waited = taken = 0
        while not taken:
            try:
                taken = link.send(body)
            except BlockingIOError:
                waited += 1
                time.sleep(0.01)
        assert (taken, waited > 0, received.result(20)) == (len(body), True, body)
        link.close()


def accept_one_frame(listener: socket.socket, size: int) -> bytes:
    """What a server reads of a frame of this size, after the handshake."""
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as stream:
        head = b"".join(iter(stream.readline, b"\r\n"))
        (key,) = re.findall(rb"Sec-WebSocket-Key: (\S+)", head)
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        time.sleep(0.2)  # so that the sender has to wait
        assert stream.read(2) == b"\x82\xff"
        assert int.from_bytes(stream.read(8)) == size
        mask = stream.read(4)
        masked = int.from_bytes(stream.read(size)) ^ int.from_bytes(mask * (size // 4))
        return masked.to_bytes(size)


async def test_the_loss_of_a_websocket_is_noticed(behind: Behind) -> None:
    async with BrokerConnection(behind.settings(), "here") as link:
        await link.publish("a/topic", b"1")
        behind.public.kill()
        with pytest.raises(UnreachableError):
            async for _ in link.messages():
                pass
