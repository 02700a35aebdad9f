"""The attacks on the broker again, on another kind of broker (NATS): what it closes, and what it cannot.

The rights are those of the delivered list of users. deploy/README.md has the table; a row that becomes better
or worse with another version of NATS fails here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.mosquitto.users import Users
from qilu.contract.errors import UnreachableError
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from tests.cloud.conftest import Start, ingesting
from tests.cloud.memory import Edge, MemoryStore, record
from tests.deploy.deployed import DEPLOY
from tests.mqtt.taking import take
from tests.servers.nats import Nats, NatsUser

__all__ = ["ingesting"]

PASSWORD = "of-all-of-them"


class Deployed(Nats):
    """NATS with the delivered users and one edge more."""

    def __init__(self, folder: Path) -> None:
        rights = Users().with_edges(["edge-2"]).rights()
        super().__init__(folder, {user: nats_user(acls) for user, acls in rights.items()})
        self.password = folder / "password"
        self.password.write_text(PASSWORD)

    def settings(self, user: str) -> MqttSettings:
        return MqttSettings(
            port=self.port, protocol="3.1.1", username=user, password_file=self.password, keepalive=30
        )

    def connection(self, user: str, client_id: str = "") -> BrokerConnection:
        return BrokerConnection(self.settings(user), client_id or f"qilu-{user}")


def nats_user(acls: object) -> NatsUser:
    """The rights of the plugin of mosquitto, as NATS has them; it knows no share groups."""
    assert isinstance(acls, list)
    publish = {acl["topic"] for acl in acls if acl["acltype"] == "publishClientSend" and acl["allow"]}
    read = {acl["topic"] for acl in acls if acl["acltype"] == "publishClientReceive" and acl["allow"]}
    return NatsUser(PASSWORD, sorted(publish), sorted(read))


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[Deployed]:
    with Deployed(tmp_path) as server:
        yield server


async def test_records_and_acknowledgements_pass(nats: Deployed, ingesting: Start) -> None:
    store = MemoryStore()
    async with (
        ingesting(nats.settings("ingester"), store, ingester="ingester"),
        Edge(nats.settings("edge-1"), "edge-1") as edge,
    ):
        await edge.until_announced("ingester")
        await edge.deliver({offset: record("edge-1", "press-1", 1000 + offset) for offset in range(50)})
    assert len(store.times("press-1")) == 50


async def test_topics_are_closed_to_all_others_and_so_is_the_share_group(nats: Deployed) -> None:
    async with nats.connection("ingester") as ingester:
        await ingester.subscribe(["qilu/live/#"])
        async with nats.connection("edge-2") as thief, nats.connection("edge-1") as honest:
            await thief.publish("qilu/live/edge-1", b"forged")  # acknowledged, and dropped
            await thief.publish("qilu/ack/edge-1", b"forged")
            await honest.publish("qilu/live/edge-1", b"honest")
        assert [message.payload for message in await take(ingester, 1)] == [b"honest"]
    for number, topic in enumerate(
        ("qilu/live/#", "qilu/ack/edge-1", "$share/influx-store/qilu/live/#", "$MQTT/sub/#", "#")
    ):
        async with nats.connection("edge-2", f"thief-{number}") as thief:
            with pytest.raises(UnreachableError, match="refuses the subscription"):
                await thief.subscribe([topic])


async def test_a_client_id_is_not_bound_to_its_user(nats: Deployed) -> None:
    """NATS: whoever has a password takes over the session of any id; records wait, and are sent again."""
    async with nats.connection("edge-1") as honest:
        await honest.publish("qilu/live/edge-1", b"1")
        async with nats.connection("edge-2", "qilu-edge-1"):
            with pytest.raises(UnreachableError):
                async for _ in honest.messages():
                    pass


@pytest.mark.parametrize(
    ("page", "row", "answers"),
    [
        ("README.md", "binds a client id to its user", ("yes", "no")),
        ("README.zh-CN.md", "客户端 ID 与用户绑定", ("有", "无")),
    ],
)
def test_the_table_of_brokers_says_the_same(page: str, row: str, answers: tuple[str, str]) -> None:
    (line,) = [line for line in (DEPLOY / page).read_text().splitlines() if line.startswith(f"| {row} |")]
    _, *cells = line.strip("| ").split(" | ")
    assert [cell.startswith(answer) for cell, answer in zip(cells, answers, strict=True)] == [True, True]
