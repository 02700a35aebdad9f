"""Records of an adopted edge travel on its topics and are answered there; a refusal costs only them."""

from __future__ import annotations

import contextlib
from contextlib import aclosing
from pathlib import Path

import pytest

from gateway.interfaces import Record
from gateway.sinks.adopted_edges import ACK_TIMEOUT_S, MAX_LOST_LINKS, AdoptedEdges
from gateway.sinks.mqtt import MqttSink
from qilu.contract.errors import UnreachableError
from qilu.contract.messages import Ack, encode_ack
from qilu.contract.ranges import IntervalSet
from qilu.contract.topics import Lane
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from tests.servers.mosquitto import Mosquitto

OLD, OWN = 1, 2
BODY = b'{"edge":"old","device":"press-1"}'


class OneAdopted:
    """Stream OLD is of edge `old`, which is adopted; everything else is of `new`."""

    def __init__(self) -> None:
        self.refusals: list[str] = []

    def of(self, stream: int) -> str:
        return "old" if stream == OLD else "new"

    def refused(self, edge: str, reason: str) -> None:
        self.refusals.append(f"{edge}: {reason}")


@pytest.mark.parametrize("per_device", [False, True])
async def test_adopted_records_go_out_and_are_answered_on_the_old_topics(
    tmp_path: Path, per_device: bool
) -> None:
    with Mosquitto(tmp_path) as server:
        settings = MqttSettings(port=server.port)
        sink = MqttSink(settings, "new", "boot", lambda: 0, per_device=per_device, edges=OneAdopted())
        async with sink, BrokerConnection(settings, "ingester") as ingester, aclosing(sink.acks()) as answers:
            await ingester.subscribe(["qilu/backlog/#"])
            await sink.send(Lane.BACKLOG, [Record(OLD, 0, BODY)])
            await sink.send(Lane.BACKLOG, [Record(OWN, 0, BODY)])
            device = "/press-1" if per_device else ""
            topics = [(await anext(aiter(ingester.messages()))).topic for _ in range(2)]
            assert topics == [f"qilu/backlog/old{device}", f"qilu/backlog/new{device}"]
            answer = Ack("store", "ingester", OLD, durable=IntervalSet.of([0]))
            await ingester.publish("qilu/ack/old", encode_ack(answer))
            assert await anext(answers) == answer


ACCESS = """
topic readwrite qilu/+/new/#
topic readwrite qilu/+/new
topic read qilu/ingester/+
"""


async def test_a_broker_that_refuses_the_old_topics_costs_only_the_old_records(tmp_path: Path) -> None:
    edges = OneAdopted()
    with Mosquitto(tmp_path, acl=ACCESS) as server:
        settings = MqttSettings(port=server.port)
        sink = MqttSink(settings, "new", "boot", lambda: 0, edges=edges)
        async with sink:
            with pytest.raises(UnreachableError, match="qilu/backlog/old: refused"):
                await sink.send(Lane.BACKLOG, [Record(OLD, 0, BODY)])
        [refusal] = edges.refusals
        assert refusal.startswith("old: qilu/backlog/old: refused by the broker")
        async with sink:
            await sink.send(Lane.BACKLOG, [Record(OWN, 0, BODY)])


def test_what_nobody_answers_is_held_while_other_records_are_answered() -> None:
    edges = OneAdopted()
    adopted = AdoptedEdges("new", edges)
    adopted.sent("new", 0)
    adopted.sent("old", 1)
    adopted.acknowledged(OWN, ACK_TIMEOUT_S)
    assert edges.refusals == []
    adopted.acknowledged(OWN, ACK_TIMEOUT_S + 1)
    adopted.acknowledged(OWN, ACK_TIMEOUT_S + 2)
    assert [refusal.split(",")[0] for refusal in edges.refusals] == ["old: no store acknowledged for 60 s"]


def test_what_is_answered_or_waits_for_any_answer_is_not_held() -> None:
    edges = OneAdopted()
    adopted = AdoptedEdges("new", edges)
    adopted.sent("old", 0)
    adopted.acknowledged(OLD, 2 * ACK_TIMEOUT_S)
    adopted.sent("old", 2 * ACK_TIMEOUT_S)
    adopted.link_lost()
    adopted.sent("old", 9 * ACK_TIMEOUT_S)  # nobody was there in between
    adopted.acknowledged(OWN, 9 * ACK_TIMEOUT_S + 1)
    assert edges.refusals == []


def test_what_ends_one_link_after_the_other_is_held() -> None:
    edges = OneAdopted()
    adopted = AdoptedEdges("new", edges)
    for _ in range(MAX_LOST_LINKS):
        assert edges.refusals == []
        adopted.sent("old", 0)
        adopted.link_lost()
    assert edges.refusals == [f"old: the link was lost {MAX_LOST_LINKS} times before anybody answered"]


async def test_a_broker_that_ends_the_link_at_the_old_topics_costs_only_the_old_records(
    tmp_path: Path,
) -> None:
    """mosquitto acknowledges what it refuses where the protocol is 3.1.1, and then closes the link."""
    edges = OneAdopted()
    with Mosquitto(tmp_path, acl=ACCESS) as server:
        sink = MqttSink(
            MqttSettings(port=server.port, protocol="3.1.1"), "new", "boot", lambda: 0, edges=edges
        )
        for _ in range(MAX_LOST_LINKS):
            assert edges.refusals == []
            with contextlib.suppress(UnreachableError):
                async with sink, aclosing(sink.acks()) as answers:
                    await sink.send(Lane.BACKLOG, [Record(OLD, 0, BODY)])
                    await anext(answers)
        assert edges.refusals == [f"old: the link was lost {MAX_LOST_LINKS} times before anybody answered"]
        async with sink:
            assert await sink.send(Lane.BACKLOG, [Record(OWN, 0, BODY)]) == {}
