"""The deployed broker: nobody without a password, a session for each user, and everybody what is theirs."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from deploy.mosquitto import users
from qilu.contract.errors import UnreachableError
from qilu.contract.topics import Lane, Topics
from qilu.mqtt.client import BrokerConnection, RefusedError
from qilu.mqtt.settings import MqttSettings
from tests.deploy.deployed import DeployedMosquitto, connection, login, make_secrets
from tests.mqtt.taking import take
from tests.servers.authority import Authority

USERS = ("edge-1", "edge-2", "edge-3", "ingester", "viewer")
NOT_AUTHORISED = 0x87
LIST = users.Users(
    edges={
        "edge-1": users.Edge("edge-1"),
        "edge-2": users.Edge("edge-2", devices=("press-1",)),
        "edge-3": users.Edge("edge-3", adopts=("edge-0",)),
    },
    stores={"influx-store": ("ingester",), "other-store": ("other",)},
)

MAY_PUBLISH = {
    "edge-1": {"qilu/live/edge-1", "qilu/backlog/edge-1", "qilu/status/edge-1"},
    "edge-2": {
        "qilu/live/edge-2/press-1", "qilu/live/edge-2/edge-2", "qilu/backlog/edge-2/press-1",
        "qilu/backlog/edge-2/edge-2", "qilu/status/edge-2",
    },
    "edge-3": {
        "qilu/live/edge-3", "qilu/backlog/edge-3", "qilu/live/edge-0", "qilu/backlog/edge-0",
        "qilu/status/edge-3",
    },
    "ingester": {"qilu/ack/edge-0", "qilu/ack/edge-1", "qilu/ack/edge-2", "qilu/ingester/ingester"},
    "viewer": set[str](),
}  # fmt: skip
OF_NOBODY = {
    "qilu/live/ingester", "qilu/backlog/ingester/x", "qilu/status/ingester", "qilu/live/edge-1/press-1",
    "qilu/live/edge-2", "qilu/live/edge-2/press-2", "qilu/status/edge-0", "qilu/ingester/other",
    "qilu/live/viewer", "qilu/live/viewer/x", "qilu/backlog/viewer", "qilu/status/viewer",
    "qilu/live", "qilu/other", "other/live/edge-1", "$SYS/broker/uptime", "$CONTROL/dynamic-security/v1",
}  # fmt: skip
TOPICS = sorted(set().union(*MAY_PUBLISH.values()) | OF_NOBODY)

MAY_READ = {
    "edge-1": {"qilu/ack/edge-1", "qilu/status/edge-1", "qilu/ingester/+"},
    "edge-2": {"qilu/ack/edge-2", "qilu/status/edge-2", "qilu/ingester/+"},
    "edge-3": {"qilu/ack/edge-3", "qilu/ack/edge-0", "qilu/status/edge-3", "qilu/ingester/+"},
    "ingester": {
        "$share/influx-store/qilu/live/#", "$share/influx-store/qilu/backlog/#", "qilu/live/#",
        "qilu/backlog/#",
    },
    "viewer": {"qilu/#", "qilu/live/#", "qilu/live/+", "qilu/live/edge-1", "qilu/ack/edge-1", "$SYS/#"},
}  # fmt: skip
FILTERS = sorted(
    set().union(*MAY_READ.values())
    | {
        "#", "+/#", "qilu/ack/+", "qilu/status/+", "qilu/+/edge-1", "$CONTROL/#",
        "$CONTROL/dynamic-security/v1", "$share/x/qilu/live/#", "$share/other-store/qilu/live/#",
        "$share/influx-store/qilu/live/edge-1", "$share/influx-store/qilu/ack/edge-1",
        "$share/influx-store/#",
    }
)  # fmt: skip
"""Each user asks for all of them."""
OF_VIEWERS = {topic for topic in FILTERS if topic.startswith("qilu/")}


class Deployed(NamedTuple):
    server: DeployedMosquitto
    secrets: Path

    def login(self, user: str) -> MqttSettings:
        return login(self.server, self.secrets, user)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("broker")
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "users.json").write_text(users.encode(LIST))
    make_secrets(secrets)
    with DeployedMosquitto(folder, secrets) as server:
        yield Deployed(server, secrets)


@pytest.fixture
async def links(deployed: Deployed) -> AsyncIterator[dict[str, BrokerConnection]]:
    """One open link of each user."""
    async with AsyncExitStack() as stack:
        yield {
            user: await stack.enter_async_context(connection(deployed.server, deployed.secrets, user))
            for user in USERS
        }


def test_the_list_of_users_is_read_as_it_was_written() -> None:
    assert users.decode(users.encode(LIST)) == LIST
    assert users.decode(users.encode(users.Users())) == users.Users()


def test_rights_are_about_the_topics_of_our_programs() -> None:
    topics, edge = Topics(), LIST.edges["edge-2"]
    assert set(edge.record_topics()) == {
        topics.records(lane, "edge-2", device) for lane in Lane for device in ("press-1", "edge-2")
    }
    assert edge.status == topics.status("edge-2")
    rights = LIST.rights()
    readable = {acl["topic"] for acl in rights["edge-2"] if acl["acltype"] == "subscribeLiteral"}
    assert readable == {topics.ack("edge-2"), topics.status("edge-2"), topics.ingesters_filter()}
    writable = {acl["topic"] for acl in rights["ingester"] if acl["acltype"] == "publishClientSend"}
    assert writable == {topics.ack("+"), topics.ingester("ingester")}
    filters = {topics.records_filter(lane) for lane in Lane}
    filters |= {f"$share/influx-store/{topic_filter}" for topic_filter in filters}
    assert {acl["topic"] for acl in rights["ingester"] if acl["acltype"] == "subscribeLiteral"} == filters


async def refused(settings: MqttSettings, client_id: str = "qilu-edge-1") -> str:
    with pytest.raises(UnreachableError) as error:
        async with BrokerConnection(settings, client_id):
            pass
    return str(error.value)


async def test_nobody_gets_in_without_a_password(deployed: Deployed) -> None:
    known = deployed.login("edge-1")
    assert "not let in" in await refused(known.model_copy(update={"username": None, "password_file": None}))
    assert "not let in" in await refused(known.model_copy(update={"username": "control"}))
    assert "not let in" in await refused(known.model_copy(update={"username": "edge-2"}))
    assert "not let in" in await refused(known.model_copy(update={"username": "stranger"}))


@pytest.mark.parametrize("user", USERS)
async def test_a_user_has_one_client_id_and_takes_the_session_of_nobody_else(
    deployed: Deployed, user: str
) -> None:
    others = [f"qilu-{name}" for name in (*USERS, "control") if name != user]
    for taken in (*others, user, f"qilu-{user}2"):
        assert "not let in" in await refused(deployed.login(user), taken)


async def test_without_tls_there_is_no_answer(deployed: Deployed) -> None:
    await refused(deployed.login("edge-1").model_copy(update={"tls": None}))


async def test_a_broker_of_another_authority_is_not_trusted(deployed: Deployed, authority: Authority) -> None:
    known = deployed.login("edge-1")
    assert known.tls is not None
    strange = known.tls.model_copy(update={"ca": authority.ca})
    assert "its certificate is not trusted" in await refused(known.model_copy(update={"tls": strange}))


@pytest.mark.parametrize("user", USERS)
async def test_a_user_may_publish_what_is_its_own_and_nothing_else(
    links: dict[str, BrokerConnection], user: str
) -> None:
    allowed, reasons = set(), set()
    for topic in TOPICS:
        try:
            await links[user].publish(topic, b"1")
            allowed.add(topic)
        except RefusedError as error:
            reasons.add(error.reason)
    assert allowed == MAY_PUBLISH[user]
    assert reasons == {NOT_AUTHORISED}


@pytest.mark.parametrize("user", USERS)
async def test_a_user_may_subscribe_to_what_is_its_own_and_to_nothing_else(
    links: dict[str, BrokerConnection], user: str
) -> None:
    allowed, reasons = set(), set()
    for topic_filter in FILTERS:
        try:
            await links[user].subscribe([topic_filter])
            allowed.add(topic_filter)
        except UnreachableError as error:
            reasons.add("not authorised" in str(error))
    assert reasons == {True}
    assert allowed == (MAY_READ[user] | OF_VIEWERS if user == "viewer" else MAY_READ[user])


@pytest.mark.parametrize("user", USERS)
async def test_what_is_published_reaches_those_who_may_read_it(
    links: dict[str, BrokerConnection], user: str
) -> None:
    own = {"viewer": {"qilu/#"}, "ingester": {"qilu/live/#", "qilu/backlog/#"}}.get(user, MAY_READ[user])
    await links[user].subscribe(sorted(own))
    published = [topic for writer in MAY_PUBLISH for topic in sorted(MAY_PUBLISH[writer])]
    for writer, topics in MAY_PUBLISH.items():
        for topic in sorted(topics):
            await links[writer].publish(topic, b"1")
    if user == "ingester":
        expected = {topic for topic in published if topic.split("/")[1] in ("live", "backlog")}
    elif user == "viewer":
        expected = set(published)
    else:
        expected = {topic for topic in MAY_READ[user] if "+" not in topic} | {"qilu/ingester/ingester"}
        expected &= set(published)
    arrived = {message.topic for message in await take(links[user], len(expected))}
    assert arrived == expected
