"""make-secrets: one list gives users and rights; it runs again, rotates, removes, and leaves nothing open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.signer import Signer
from qilu.contract.ack_signature import verify
from qilu.contract.errors import UnreachableError
from qilu.mqtt.client import BrokerConnection
from tests.deploy.deployed import DEPLOY, DeployedMosquitto, connection, login, make_secrets, run_make_secrets
from tests.mqtt.taking import take

SCRIPT = DEPLOY / "mosquitto" / "make-secrets"
WATCH = """
import os, runpy, sys
folder = sys.argv[sys.argv.index("--directory") + 1]

def watch(event, arguments):
    if os.path.isdir(folder) and os.stat(folder).st_mode & 0o077 and event != "os.chmod":
        os.write(2, f"open to others at {event} {arguments}".encode())
        os._exit(9)

os.umask(0)
sys.argv = sys.argv[1:]
sys.addaudithook(watch)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that no test changes."""
    return make_secrets(tmp_path_factory.mktemp("made") / "secrets")


@pytest.fixture
def secrets(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    copy = tmp_path / "secrets"
    copy.mkdir(mode=0o700)
    for file in made.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


@pytest.fixture
def server(secrets: Path, tmp_path: Path) -> Iterator[DeployedMosquitto]:
    with DeployedMosquitto(tmp_path, secrets) as running:
        yield running


def test_secrets_are_for_their_owner_and_its_group(made: Path) -> None:
    assert made.stat().st_mode & 0o777 == 0o700
    modes = {file.name: file.stat().st_mode & 0o777 for file in made.iterdir()}
    owned = {name for name, mode in modes.items() if mode == 0o600}
    assert owned == {"ca.key", "control.password", "users.json"}
    assert {mode for name, mode in modes.items() if name not in owned} == {0o640}


def test_there_is_no_moment_in_which_the_folder_is_open(tmp_path: Path) -> None:
    for folder in (tmp_path / "new", tmp_path / "old"):
        if folder.name == "old":
            folder.mkdir(mode=0o700)
        command = [sys.executable, "-c", WATCH, str(SCRIPT), "--directory", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_second_run_changes_nothing(secrets: Path) -> None:
    before = contents(secrets)
    make_secrets(secrets)
    assert changed(before, contents(secrets)) == set()


def test_an_edge_is_added_rotated_and_removed_and_others_stay_as_they_are(secrets: Path) -> None:
    steps = [contents(secrets)]
    for action in ("add", "rotate", "remove"):
        run_make_secrets(secrets, action, "box-17")
        steps.append(contents(secrets))
    start, added, rotated, removed = steps
    users = {"users.json", "dynamic-security.json"}
    keys = {"box-17.influx-store.key", "box-17.victoria-store.key"}
    assert changed(start, added) == {"box-17.password", *keys, *users}
    assert changed(added, rotated) == {"box-17.password", "dynamic-security.json"}
    assert changed(start, removed) == set()
    hashes = [
        {client["username"]: client for client in json.loads(step["dynamic-security.json"])["clients"]}
        for step in steps
    ]
    assert [name for name in hashes[1] if hashes[1][name] != hashes[2][name]] == ["box-17"]
    assert len({start["edge-1.password"], start["viewer.password"], added["box-17.password"]}) == 3


def test_an_edge_has_a_key_for_each_store_that_verifies_what_its_ingesters_sign(secrets: Path) -> None:
    make_secrets(secrets, "add", "edge-2")
    masters = {
        store: (secrets / f"{store}.key").read_text().strip() for store in ("influx-store", "victoria-store")
    }
    keys = {
        (edge, store): (secrets / f"{edge}.{store}.key").read_text().strip()
        for edge in ("edge-1", "edge-2")
        for store in masters
    }
    assert len({*masters.values(), *keys.values()}) == 6
    for (edge, store), key in keys.items():
        assert verify(Signer(masters[store], store)(b'{"qilu":1}', edge), [key], edge)


def test_a_password_that_was_taken_away_is_not_made_anew(secrets: Path) -> None:
    (secrets / "edge-1.password").unlink()
    before = contents(secrets)
    make_secrets(secrets)
    assert changed(before, contents(secrets)) == set()


def test_a_password_of_an_earlier_version_stays(secrets: Path) -> None:
    """Before the list there was a file of passwords with other hashes."""
    password = (secrets / "edge-1.password").read_bytes()
    for name in ("users.json", "dynamic-security.json", "control.password"):
        (secrets / name).unlink()
    make_secrets(secrets)
    assert (secrets / "edge-1.password").read_bytes() == password


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "users.json"),
        ('{"edge": {}}', "expected an object with the keys"),
        ('{"edges": {"a/b": {}}}', "'a/b' is no name"),
        ('{"edges": {"a": {"device": []}}}', "edge 'a'"),
        ('{"edges": {"a": {}}, "viewers": ["a"]}', "two users"),
        ('{"edges": {"control": {}}}', "two users"),
        ('{"viewers": "viewer"}', "no list of names"),
        ('{"edges": []}', "users.json"),
        ('{"stores": {"a": {}}}', "no list of names"),
        ('{"stores": {"ca": []}}', "'ca' cannot be a store"),
        ('{"stores": {"a.b": []}}', "'a.b' is no name"),
    ],
)
def test_a_wrong_list_is_refused_and_nothing_changes(secrets: Path, text: str, problem: str) -> None:
    (secrets / "users.json").write_text(text)
    before = contents(secrets)
    done = run_make_secrets(secrets)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert problem in done.stderr
    assert changed(before, contents(secrets)) == set()


@pytest.mark.parametrize("name", ["../x", "+", "#", "%u", "a b", "edge-1/x", ""])
def test_a_name_that_is_none_is_refused(secrets: Path, name: str) -> None:
    before = contents(secrets)
    assert run_make_secrets(secrets, "add", name).returncode == 2
    assert run_make_secrets(secrets, "remove", name).returncode == 2
    assert changed(before, contents(secrets)) == set()


def test_control_has_a_new_password_when_its_file_is_removed(secrets: Path) -> None:
    for action in ("remove", "rotate"):
        assert run_make_secrets(secrets, action, "control").returncode == 2
    before = contents(secrets)
    (secrets / "control.password").unlink()
    make_secrets(secrets)
    assert changed(before, contents(secrets)) == {"control.password", "dynamic-security.json"}


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_links_and_pipes_in_the_folder_are_refused(secrets: Path, tmp_path: Path, kind: str) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep")
    (secrets / "edge-1.password").unlink()
    if kind == "link":
        (secrets / "edge-1.password").symlink_to(precious)
    else:
        os.mkfifo(secrets / "edge-1.password")
    done = run_make_secrets(secrets, "rotate", "edge-1")
    assert done.returncode == 2
    assert "remove it" in done.stderr
    assert precious.read_text() == "keep"


def test_a_certificate_for_another_host_is_made_when_the_old_one_is_removed(secrets: Path) -> None:
    before = contents(secrets)
    make_secrets(secrets, "--host", "broker.example")
    assert changed(before, contents(secrets)) == set()
    (secrets / "server.pem").unlink()
    make_secrets(secrets, "--host", "broker.example")
    assert changed(before, contents(secrets)) == {"server.pem", "server.key"}
    shown = ["openssl", "x509", "-in", str(secrets / "server.pem"), "-noout", "-text"]
    assert "DNS:broker.example" in subprocess.run(shown, capture_output=True, text=True, check=True).stdout
    trusted = ["openssl", "verify", "-CAfile", str(secrets / "ca.pem"), str(secrets / "server.pem")]
    subprocess.run(trusted, capture_output=True, check=True)


async def test_one_edge_is_rotated_while_all_others_stay_connected(
    secrets: Path, server: DeployedMosquitto
) -> None:
    make_secrets(secrets, "add", "edge-2", broker=server.port)
    old = (secrets / "edge-2.password").read_text()
    async with connection(server, secrets, "edge-1") as other, connection(server, secrets, "ingester"):
        async with connection(server, secrets, "edge-2") as rotated:
            make_secrets(secrets, "rotate", "edge-2", broker=server.port)
            with pytest.raises(UnreachableError):
                await take(rotated, 1)
        async with connection(server, secrets, "edge-2"):
            pass
        (secrets / "edge-2.password").write_text(old)
        with pytest.raises(UnreachableError, match="not let in"):
            async with connection(server, secrets, "edge-2"):
                pass
        await other.publish("qilu/live/edge-1", b"1")


async def test_rights_follow_the_list_while_the_broker_runs(secrets: Path, server: DeployedMosquitto) -> None:
    async with connection(server, secrets, "viewer") as viewer:
        await viewer.subscribe(["qilu/#"])
        listed = json.loads((secrets / "users.json").read_text())
        listed["edges"]["edge-1"] = {"devices": ["press-1"]}
        listed["stores"]["other-store"] = ["other"]
        (secrets / "users.json").write_text(json.dumps(listed))
        make_secrets(secrets, broker=server.port)
        async with (
            connection(server, secrets, "edge-1") as edge,
            connection(server, secrets, "other") as other,
        ):
            await other.subscribe(["$share/other-store/qilu/live/#"])
            await edge.publish("qilu/live/edge-1/press-1", b"1")
            assert len(await take(other, 1)) == len(await take(viewer, 1)) == 1


async def test_a_change_that_the_broker_did_not_take_is_reported_and_taken_at_its_start(
    secrets: Path, server: DeployedMosquitto
) -> None:
    server.kill()
    done = run_make_secrets(secrets, "remove", "edge-1", broker=server.port)
    assert done.returncode == 1
    assert "when it starts the next time" in done.stderr
    server.start()
    known = login(server, secrets, "viewer").model_copy(update={"username": "edge-1"})
    with pytest.raises(UnreachableError, match="not let in"):
        async with BrokerConnection(known, "qilu-edge-1"):
            pass
