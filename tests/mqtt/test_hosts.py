"""Several brokers: a link goes to one that lets it in, stays there, and moves on where it must."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest
from pydantic import ValidationError

from gateway.delivery.delivery import Delivery
from gateway.delivery.outbox import Outbox
from gateway.settings import GatewaySettings
from gateway.sinks.mqtt import MqttSink
from qilu.contract.errors import AccessRefusedError, UnreachableError
from qilu.contract.ranges import IntervalSet
from qilu.contract.topics import Lane
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.hosts import HostChoice
from qilu.mqtt.settings import MqttSettings
from qilu.runtime.backoff import Backoff
from tests.cloud.conftest import Start, ingesting
from tests.cloud.memory import Edge, MemoryStore, record
from tests.mqtt.taking import take
from tests.servers import Mosquitto, free_port
from tests.servers.authority import Authority
from tests.support.memory_spool import MemorySpool

__all__ = ["ingesting"]


class First(Random):
    """Takes the first of several."""

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        return 0


def choice(*ports: int, **more: object) -> HostChoice:
    hosts = [f"127.0.0.1:{port}" for port in ports]
    return HostChoice(MqttSettings.model_validate({"hosts": hosts, **more}), First())


async def port_of(hosts: HostChoice) -> int:
    """Which broker a link that is made now goes to."""
    async with hosts.link("a-client") as link:
        await link.publish("somewhere", b"")
        return hosts.current.port


async def test_a_host_that_refuses_is_left_at_once_and_the_next_one_is_kept(mosquitto: Mosquitto) -> None:
    hosts = choice(free_port(), mosquitto.port)
    assert [await port_of(hosts) for _ in range(3)] == [mosquitto.port] * 3


async def test_a_silent_host_is_left_while_another_one_lets_us_in(mosquitto: Mosquitto) -> None:
    connections = 0

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read()  # until the other side gives up
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with silent:
        hosts = choice(silent.sockets[0].getsockname()[1], mosquitto.port)
        assert [await port_of(hosts) for _ in range(2)] == [mosquitto.port] * 2
    assert connections == 1


async def test_a_host_of_which_tls_or_the_session_fails_is_left(
    tmp_path: Path, authority: Authority, mosquitto: Mosquitto
) -> None:
    tls, other = authority.issue(), Authority(tmp_path / "other", "another").issue()
    (tmp_path / "password").write_text("right")
    who = {"username": "edge", "password_file": tmp_path / "password", "tls": {"ca": authority.ca}}
    with (
        Mosquitto(tmp_path, tls=other) as distrusted,
        Mosquitto(tmp_path, tls=tls, users={"edge": "wrong"}) as refusing,
        Mosquitto(tmp_path, tls=tls, users={"edge": "right"}) as right,
    ):
        hosts = choice(distrusted.port, mosquitto.port, refusing.port, right.port, **who)
        assert await port_of(hosts) == right.port


async def test_credentials_that_every_host_refuses_are_reported_as_such(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("old")
    who = {"username": "edge", "password_file": tmp_path / "password"}
    with (
        Mosquitto(tmp_path, users={"edge": "new"}) as one,
        Mosquitto(tmp_path, users={"edge": "new"}) as two,
    ):
        with pytest.raises(AccessRefusedError, match=f"(?s)no broker lets.*:{one.port} .*:{two.port} "):
            await port_of(choice(one.port, two.port, **who))
        with pytest.raises(UnreachableError) as error:
            await port_of(choice(one.port, free_port(), **who))
        assert not isinstance(error.value, AccessRefusedError)


async def test_the_first_choice_is_random() -> None:
    settings = MqttSettings(hosts=("a", "b", "c"))
    firsts = {HostChoice(settings, Random(seed)).current.host for seed in range(30)}
    assert firsts == {"a", "b", "c"}


def test_addresses_have_the_port_of_the_transport() -> None:
    plain = MqttSettings.model_validate({"hosts": ["a", "b:99", "[::1]:7", "::1"]})
    found = [(one.host, one.port) for one in plain.brokers]
    assert found == [("a", 1883), ("b", 99), ("::1", 7), ("::1", 1883)]
    secret = MqttSettings.model_validate({"hosts": {"all": ["a", "b"]}, "tls": {}})
    assert [one.port for one in secret.brokers] == [8883, 8883]
    assert secret.links_to_all
    assert secret.address == "a:8883, b:8883"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"hosts": ["a"], "host": "b"}, "the broker is named twice"),
        ({"hosts": []}, "at least 1"),
        ({"hosts": ["mqtts://a"]}, "is a URL"),
        ({"hosts": ["a:99999"]}, "no port from 1 to 65535"),
        ({"websocket": "mqtt"}, "is no path"),
        ({"proxy": {"host": "p", "password_file": "x"}}, "a password without a user"),
    ],
)
def test_wrong_settings_are_refused(settings: object, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        MqttSettings.model_validate(settings)


def test_a_gateway_keeps_a_link_to_one_host_only() -> None:
    source = {"type": "modbus", "url": "tcp://10.0.0.1", "devices": [{"device": "a", "profile": "b"}]}
    settings = {
        "edge": "edge-1",
        "spool": {"directory": "spool"},
        "delivery": {"free_on": "broker"},
        "sources": [source],
        "mqtt": {"hosts": {"all": ["a", "b"]}},
    }
    with pytest.raises(ValidationError, match="a gateway has one link at a time"):
        GatewaySettings.model_validate(settings)


async def test_a_gateway_that_hears_no_ingester_goes_to_the_next_host(
    tmp_path: Path, ingesting: Start, caplog: pytest.LogCaptureFixture
) -> None:
    with Mosquitto(tmp_path) as lonely, Mosquitto(tmp_path) as served:
        store = MemoryStore()
        settings = MqttSettings(hosts=(f"127.0.0.1:{lonely.port}", f"127.0.0.1:{served.port}"))
        sink = MqttSink(settings, "edge-1", "boot", lambda: 0, random=First(), ingester_timeout_s=0.5)
        async with MemorySpool() as spool, ingesting(MqttSettings(port=served.port), store):
            loop, outbox = asyncio.get_running_loop(), Outbox([store.identity], Random(0))
            delivery = Delivery(
                spool,
                sink,
                outbox,
                linger=0.01,
                backoff=Backoff(Random(0), first=0.01),
                clock=loop.time,
                check_link=sink.check_ingesters,
            )
            async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
                delivering = tasks.create_task(delivery.run())
                appended = spool.append(record("edge-1", "press-1", 1000))
                assert appended is not None
                delivery.appended(appended)
                await delivery.wait_drained()
                await asyncio.sleep(2)  # an ingester that stands announced is heard: it stays there
                delivering.cancel()
    left = [text for text in caplog.messages if "is left for" in text]
    assert len(left) == 1
    assert "no ingester was heard" in left[0]


async def test_an_ingester_with_a_link_to_each_host_answers_where_the_message_came_from(
    tmp_path: Path, ingesting: Start
) -> None:
    with Mosquitto(tmp_path) as one, Mosquitto(tmp_path) as two:
        brokers = [MqttSettings(port=server.port) for server in (one, two)]
        both = MqttSettings.model_validate({"hosts": {"all": [broker.address for broker in brokers]}})
        store = MemoryStore()
        async with (
            ingesting(both, store, ingester="a"),
            Edge(brokers[0], "edge-1") as first,
            Edge(brokers[1], "edge-2", stream=0xED6F) as second,
        ):
            edges = (first, second)
            for edge in edges:
                await edge.until_announced("a")
                async with BrokerConnection(edge.settings, f"listens-{edge.name}") as link:
                    await link.subscribe(["qilu/ack/#"])
                    for offset in range(5):
                        await edge.send(IntervalSet.of([offset]), [record(edge.name, "press-1", offset)])
                    await edge.until(durable=5)
                    assert {message.topic for message in await take(link, 1)} == {f"qilu/ack/{edge.name}"}
            two.kill()
            await first.send(IntervalSet.of([9]), [record("edge-1", "press-1", 2000)], Lane.BACKLOG)
            await first.until(durable=6)
        assert [sorted(edge.durable) for edge in edges] == [[0, 1, 2, 3, 4, 9], [0, 1, 2, 3, 4]]
