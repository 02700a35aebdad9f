"""Attacks on the deployed broker with the password of one user: they cost that user only."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from deploy.mosquitto.users import MAX_PACKET, Edge
from qilu.contract.errors import UnreachableError
from qilu.mqtt.client import BrokerConnection, RefusedError
from tests.deploy.deployed import DEPLOY, DeployedMosquitto, connection, login, make_secrets
from tests.mqtt.taking import take
from tests.servers.process import HOST
from tests.servers.programs import require

SHARE = "$share/influx-store/qilu/live/#"
RECORDS = [b"%d" % number for number in range(100)]


class Deployed(NamedTuple):
    server: DeployedMosquitto
    secrets: Path

    def connection(self, user: str) -> BrokerConnection:
        return connection(self.server, self.secrets, user)


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    secrets = make_secrets(tmp_path / "secrets", "add", "edge-2")
    with DeployedMosquitto(tmp_path, secrets) as server:
        yield Deployed(server, secrets)


async def publish_all(edge: BrokerConnection) -> None:
    for record in RECORDS:
        await edge.publish("qilu/live/edge-1", record)


async def test_what_one_edge_can_retain_is_bounded_and_the_broker_starts_again(deployed: Deployed) -> None:
    """F1 of the review: retained messages on topics without end, saved, kept the broker from starting."""
    edge = Edge("edge-2")
    kept = 0
    async with deployed.connection("edge-2") as thief:
        payload = bytes(MAX_PACKET - 100)
        for topic in ("qilu/live/edge-2", "qilu/backlog/edge-2", "qilu/status/edge-2"):
            for below in ("", "/1", "/2", "/3/4"):
                with suppress(RefusedError):
                    await thief.publish(topic + below, payload, retain=True)
                    kept += 1
    assert kept == len(edge.record_topics()) + 1 == 3
    assert f"{kept} x {MAX_PACKET} bytes" in (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
    async with deployed.connection("viewer") as viewer:
        await viewer.subscribe(["qilu/#"])
        assert sum(message.size_bytes for message in await take(viewer, kept)) <= edge.max_retained_bytes
    deployed.server.stop()  # in good order: it would save what it keeps
    deployed.server.start()
    async with deployed.connection("edge-1") as honest, deployed.connection("viewer") as viewer:
        await viewer.subscribe(["qilu/#"])
        await honest.publish("qilu/live/edge-1", b"1")
        (message,) = await take(viewer, 1)
        assert (message.topic, message.retain) == ("qilu/live/edge-1", False)


async def test_neither_client_ids_nor_the_share_group_can_be_taken(deployed: Deployed) -> None:
    """F4 and F5: any password silenced gateways and ingesters by their ids, and swallowed records."""
    async with deployed.connection("edge-1") as honest, deployed.connection("ingester") as ingester:
        await ingester.subscribe([SHARE])
        sending = asyncio.create_task(publish_all(honest))
        for user in ("edge-2", "viewer"):
            for client_id in ("qilu-edge-1", "qilu-ingester"):
                with pytest.raises(UnreachableError, match="not let in"):
                    async with BrokerConnection(login(*deployed, user), client_id):
                        pass
            async with deployed.connection(user) as thief:
                with pytest.raises(UnreachableError, match="not authorised"):
                    await thief.subscribe([SHARE])
        await sending
        assert [message.payload for message in await take(ingester, len(RECORDS))] == RECORDS


async def test_a_packet_beyond_the_bound_costs_its_sender_the_link(
    deployed: Deployed, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(2 * MAX_PACKET))
    async with deployed.connection("edge-1") as honest:
        password = (deployed.secrets / "edge-2.password").read_text().strip()
        where: list[str | Path] = [
            "-h",
            HOST,
            "-p",
            str(deployed.server.port),
            "--cafile",
            deployed.secrets / "ca.pem",
        ]
        who = ["-i", "qilu-edge-2", "-u", "edge-2", "-P", password, "-V", "mqttv311"]
        what: list[str | Path] = ["-t", "qilu/status/edge-2", "-r", "-q", "1", "-f", large]
        done = subprocess.run(
            [require("mosquitto_pub"), *where, *who, *what], capture_output=True, text=True, check=False
        )
        ends = ("The connection was lost", "Protocol error")  # between two packets, or inside one of TLS
        assert (done.returncode != 0, any(end in done.stderr for end in ends)) == (True, True), done.stderr
        await honest.publish("qilu/live/edge-1", b"1")
    async with deployed.connection("edge-2") as thief:
        await thief.subscribe(["qilu/status/edge-2"])
        await thief.publish("qilu/status/edge-2", b"first")
        assert [message.payload for message in await take(thief, 1)] == [b"first"]


async def test_connections_of_strangers_leave_the_links_of_users_and_their_logins(deployed: Deployed) -> None:
    """Without the firewall of the README: they hold memory of the broker until it closes them."""
    strangers = [socket.create_connection((HOST, deployed.server.port)) for _ in range(500)]
    try:
        async with deployed.connection("edge-1") as honest, deployed.connection("ingester") as ingester:
            await ingester.subscribe([SHARE])
            await publish_all(honest)
            assert len(await take(ingester, len(RECORDS))) == len(RECORDS)
    finally:
        for stranger in strangers:
            stranger.close()


def test_weak_ciphers_are_refused(deployed: Deployed) -> None:
    context = ssl.create_default_context(cafile=deployed.secrets / "ca.pem")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA")
    with (
        socket.create_connection((HOST, deployed.server.port), timeout=10) as plain,
        pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"),
    ):
        context.wrap_socket(plain, server_hostname=HOST)


@pytest.mark.parametrize("page", ["box-stolen.md", "box-stolen.zh-CN.md"])
async def test_a_stolen_box_is_locked_out_as_the_page_says(deployed: Deployed, page: str) -> None:
    server, secrets = deployed
    make_secrets(secrets, "add", "box-17", broker=server.port)
    commands = re.findall(r"^    mosquitto/make-secrets (.+)$", (DEPLOY / page).read_text(), re.MULTILINE)
    box = login(server, secrets, "box-17")
    async with deployed.connection("edge-1") as honest, deployed.connection("ingester") as ingester:
        await ingester.subscribe([SHARE])
        async with BrokerConnection(box, "qilu-box-17") as stolen:
            password = secrets / "taken.password"
            password.write_text((secrets / "box-17.password").read_text())
            await stolen.publish("qilu/status/box-17", b"online", retain=True)
            sending = asyncio.create_task(publish_all(honest))
            for command in commands:
                await asyncio.to_thread(make_secrets, secrets, *command.split(), broker=server.port)
            with pytest.raises(UnreachableError):
                await take(stolen, 1)
        with pytest.raises(UnreachableError, match="not let in"):
            async with BrokerConnection(box.model_copy(update={"password_file": password}), "qilu-box-17"):
                pass
        await sending
        assert [message.payload for message in await take(ingester, len(RECORDS))] == RECORDS
    async with deployed.connection("box-18") as new, deployed.connection("viewer") as viewer:
        await new.publish("qilu/live/box-18", b"1")
        await viewer.subscribe(["qilu/#"])
        await new.publish("qilu/status/box-18", b"online", retain=True)
        assert [message.topic for message in await take(viewer, 1)] == ["qilu/status/box-18"]


def test_a_user_that_does_not_read_holds_what_the_file_says_and_no_more(deployed: Deployed) -> None:
    """Messages to itself, half a gigabyte of them, at QoS 0: the only queue that a user can fill."""
    shipped = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
    (most,) = re.findall(r"^max_queued_messages (\d+)$", shipped, re.MULTILINE)
    assert f"{most} x {MAX_PACKET} bytes" in shipped
    before = resident_bytes(deployed.server.pid)
    password = (deployed.secrets / "edge-2.password").read_text().strip()
    context = ssl.create_default_context(cafile=deployed.secrets / "ca.pem")
    with (
        socket.create_connection((HOST, deployed.server.port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as thief,
    ):
        login_fields = text("qilu-edge-2"), text("edge-2"), text(password)
        thief.sendall(packet(0x10, text("MQTT"), b"\x04\xc2\x00\x00", *login_fields))
        assert thief.recv(4) == b"\x20\x02\x00\x00"
        thief.sendall(packet(0x82, b"\x00\x01", text("qilu/status/edge-2"), b"\x00"))
        assert thief.recv(5) == b"\x90\x03\x00\x01\x00"
        message = packet(0x30, text("qilu/status/edge-2"), bytes(MAX_PACKET - 100))
        for _ in range(4 * int(most)):
            thief.sendall(message)
        assert resident_bytes(deployed.server.pid) - before < 1.2 * int(most) * MAX_PACKET


def packet(kind: int, *fields: bytes) -> bytes:
    """One packet of MQTT 3.1.1."""
    rest, length = len(b"".join(fields)), bytearray()
    while True:
        rest, low = divmod(rest, 128)
        length.append(low | (0x80 if rest else 0))
        if not rest:
            return bytes([kind]) + length + b"".join(fields)


def text(value: str) -> bytes:
    return len(value).to_bytes(2, "big") + value.encode()


def resident_bytes(pid: int) -> int:
    (size,) = re.findall(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return 1024 * int(size)
