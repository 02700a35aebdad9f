"""The deployed broker: nobody without a password, and everybody only what is theirs."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from qilu.contract.errors import UnreachableError
from qilu.mqtt.client import BrokerConnection, RefusedError
from qilu.mqtt.settings import MqttSettings
from tests.deploy.deployed import deployed_mosquitto, login, make_secrets
from tests.mqtt.taking import take
from tests.servers.authority import Authority
from tests.servers.mosquitto import Mosquitto

USERS = ("edge-1", "edge-2", "ingester", "viewer")
NOT_AUTHORISED = 0x87

MAY_PUBLISH = {
    "edge-1": {"qilu/live/edge-1", "qilu/live/edge-1/press-1", "qilu/backlog/edge-1", "qilu/status/edge-1"},
    "edge-2": {"qilu/live/edge-2", "qilu/backlog/edge-2/press-1", "qilu/status/edge-2"},
    "ingester": {"qilu/answer/edge-1", "qilu/answer/edge-2", "qilu/ingester/a"},
    "viewer": set[str](),
}
OF_NOBODY = {
    "qilu/live/ingester", "qilu/backlog/ingester/x", "qilu/status/ingester",
    "qilu/live/viewer", "qilu/live/viewer/x", "qilu/backlog/viewer", "qilu/status/viewer",
    "qilu/live", "qilu/other", "other/live/edge-1", "$SYS/broker/uptime",
}  # fmt: skip
TOPICS = sorted(set().union(*MAY_PUBLISH.values()) | OF_NOBODY)

MAY_READ = {
    "edge-1": {"qilu/answer/edge-1", "qilu/status/edge-1", "qilu/ingester/a"},
    "edge-2": {"qilu/answer/edge-2", "qilu/status/edge-2", "qilu/ingester/a"},
    "ingester": {topic for topic in TOPICS if topic.startswith(("qilu/live/edge", "qilu/backlog/edge"))}
    | {"qilu/status/edge-1", "qilu/status/edge-2", "qilu/ingester/a"},
    "viewer": set().union(*MAY_PUBLISH.values()),
}


class Deployed(NamedTuple):
    server: Mosquitto
    secrets: Path

    def login(self, user: str) -> MqttSettings:
        return login(self.server, self.secrets, user)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("broker")
    secrets = make_secrets(folder / "secrets", "edge-2")
    with deployed_mosquitto(folder, secrets) as server:
        yield Deployed(server, secrets)


@pytest.fixture
async def links(deployed: Deployed) -> AsyncIterator[dict[str, BrokerConnection]]:
    """One open link of each user."""
    async with AsyncExitStack() as stack:
        yield {
            user: await stack.enter_async_context(BrokerConnection(deployed.login(user), f"test-{user}"))
            for user in USERS
        }


async def refused(settings: MqttSettings) -> str:
    with pytest.raises(UnreachableError) as error:
        async with BrokerConnection(settings, "test"):
            pass
    return str(error.value)


async def test_nobody_gets_in_without_a_password(deployed: Deployed) -> None:
    known = deployed.login("edge-1")
    assert "not let in" in await refused(known.model_copy(update={"username": None, "password_file": None}))
    assert "not let in" in await refused(known.model_copy(update={"username": "edge-2"}))
    assert "not let in" in await refused(known.model_copy(update={"username": "stranger"}))


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
async def test_a_user_may_read_what_is_its_own_and_nothing_else(
    links: dict[str, BrokerConnection], user: str
) -> None:
    """Asking for everything is granted; what comes is only what may be read."""
    await links[user].subscribe(["qilu/#", "other/#"])
    for writer, topics in MAY_PUBLISH.items():
        for topic in sorted(topics):
            await links[writer].publish(topic, b"1")
    expected = MAY_READ[user]
    arrived = {message.topic for message in await take(links[user], len(expected))}
    # Something that it may read in any case comes last: all that was to come has come before it.
    await links["ingester"].publish("qilu/ingester/a", b"last")
    (last,) = await take(links[user], 1)
    assert arrived == expected
    assert (last.topic, last.payload) == ("qilu/ingester/a", b"last")


def test_secrets_are_for_their_owner_and_its_group_and_stay_as_they_are(tmp_path: Path) -> None:
    secrets = make_secrets(tmp_path / "secrets")
    before = {file.name: file.read_bytes() for file in secrets.iterdir()}
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o007 for file in secrets.iterdir()} == {0}
    assert (secrets / "ca.key").stat().st_mode & 0o777 == 0o600
    make_secrets(secrets, "edge-2")
    after = {file.name: file.read_bytes() for file in secrets.iterdir()}
    assert {name for name in after if after[name] != before.get(name)} == {"passwords", "edge-2.password"}
    assert after["passwords"].startswith(before["passwords"])
    assert len({before["edge-1.password"], before["viewer.password"], after["edge-2.password"]}) == 3


def test_a_certificate_for_another_host_is_made_when_the_old_one_is_removed(tmp_path: Path) -> None:
    secrets = make_secrets(tmp_path / "secrets")
    before = {file.name: file.read_bytes() for file in secrets.iterdir()}
    make_secrets(secrets, "--host", "broker.example")
    assert (secrets / "server.pem").read_bytes() == before["server.pem"]
    (secrets / "server.pem").unlink()
    make_secrets(secrets, "--host", "broker.example")
    after = {file.name: file.read_bytes() for file in secrets.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"server.pem", "server.key"}
    shown = ["openssl", "x509", "-in", str(secrets / "server.pem"), "-noout", "-text"]
    assert "DNS:broker.example" in subprocess.run(shown, capture_output=True, text=True, check=True).stdout
    trusted = ["openssl", "verify", "-CAfile", str(secrets / "ca.pem"), str(secrets / "server.pem")]
    subprocess.run(trusted, capture_output=True, check=True)


def test_no_password_and_no_key_is_shipped() -> None:
    ignored = (Path(__file__).parents[2] / "deploy" / ".gitignore").read_text().split()
    assert {"/secrets/", "/.env"} <= set(ignored)
