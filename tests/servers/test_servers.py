"""The real servers come up, keep their port and files over kill -9, and are missed aloud."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers import (
    Authority,
    Influxdb1,
    LibmodbusServer,
    Mosquitto,
    VictoriaMetrics,
    free_port,
    require,
)
from tests.servers.http import ask
from tests.servers.libmodbus import Tables

PROJECT = Path(__file__).parents[2]
NOON = 1_700_000_000_000


def publish(broker: Mosquitto, *more: str | Path, topic: str = "t") -> "subprocess.CompletedProcess[bytes]":
    """Publish one retained message with mosquitto's own client."""
    where = ["-h", "127.0.0.1", "-p", str(broker.port), "-t", topic, "-m", "hello", "-q", "1", "-r"]
    return subprocess.run(
        [require("mosquitto_pub"), *where, *more], check=False, capture_output=True, timeout=30
    )


def retained(broker: Mosquitto) -> bytes:
    """The retained message of the topic, or nothing."""
    where = ["-h", "127.0.0.1", "-p", str(broker.port), "-t", "t", "-C", "1", "-W", "2", "-N"]
    return subprocess.run(
        [require("mosquitto_sub"), *where], check=False, capture_output=True, timeout=30
    ).stdout


def test_mosquitto_keeps_its_port_and_its_messages_over_a_restart(mosquitto: Mosquitto) -> None:
    assert publish(mosquitto).returncode == 0
    port, first = mosquitto.port, mosquitto.pid
    mosquitto.restart()
    assert (mosquitto.port, mosquitto.pid == first) == (port, False)
    assert retained(mosquitto) == b"hello"


def test_a_killed_mosquitto_is_gone_at_once_and_comes_back_on_its_port(mosquitto: Mosquitto) -> None:
    mosquitto.kill()
    assert publish(mosquitto).returncode != 0
    mosquitto.start()
    assert publish(mosquitto).returncode == 0


def test_a_mosquitto_with_users_admits_only_them_and_only_where_its_acl_says(tmp_path: Path) -> None:
    acl = "user edge-1\ntopic readwrite t\n"
    with Mosquitto(tmp_path, users={"edge-1": "secret"}, acl=acl) as broker:
        assert publish(broker).returncode != 0
        assert publish(broker, "-u", "edge-1", "-P", "wrong").returncode != 0
        assert publish(broker, "-u", "edge-1", "-P", "secret", "-V", "5").returncode == 0
        elsewhere = publish(broker, "-u", "edge-1", "-P", "secret", "-V", "5", topic="other")
        assert b"Not authorized" in elsewhere.stderr


def test_a_mosquitto_with_tls_shows_the_certificate_of_its_authority(
    tmp_path: Path, authority: Authority
) -> None:
    with Mosquitto(tmp_path, tls=authority.issue("127.0.0.1")) as broker:
        assert publish(broker, "--cafile", authority.ca).returncode == 0
        assert publish(broker).returncode != 0


def test_a_mosquitto_can_ask_its_clients_for_certificates(tmp_path: Path, authority: Authority) -> None:
    client = authority.issue("edge-1.example", common_name="edge-1")
    with Mosquitto(tmp_path, tls=authority.issue(clients_must_show=True)) as broker:
        mine = ("--cert", client.certificate, "--key", client.key)
        assert publish(broker, "--cafile", authority.ca, *mine).returncode == 0
        assert publish(broker, "--cafile", authority.ca).returncode != 0


def test_an_expired_certificate_is_expired(tmp_path: Path, authority: Authority) -> None:
    trusting = ssl.create_default_context(cafile=str(authority.ca))
    with (
        Mosquitto(tmp_path, tls=authority.issue(expired=True)) as broker,
        socket.create_connection(("127.0.0.1", broker.port)) as plain,
        pytest.raises(ssl.SSLCertVerificationError, match="expired"),
    ):
        trusting.wrap_socket(plain, server_hostname="127.0.0.1")


def test_victoria_metrics_returns_what_was_written_once_and_keeps_it(
    victoria_metrics: VictoriaMetrics,
) -> None:
    for _ in range(3):
        victoria_metrics.write(f"press,device=press-1 force=1.5 {NOON}")
    victoria_metrics.restart()
    (series,) = victoria_metrics.export('{__name__="press_force"}')
    assert (series["values"], series["timestamps"]) == ([1.5], [NOON])
    (result,) = victoria_metrics.query(
        "press_force", start=str(NOON // 1000), end=str(NOON // 1000), step="1s"
    )
    assert result["values"] == [[NOON // 1000, "1.5"]]


def test_influxdb_returns_what_was_written_once_and_keeps_it_over_kill(influxdb1: Influxdb1) -> None:
    for _ in range(3):
        assert influxdb1.write(f"press,device=press-1 force=1.5 {NOON}").status == 204
    influxdb1.kill()
    influxdb1.start()
    (series,) = influxdb1.query("SELECT force FROM press")
    assert series["values"] == [[NOON, 1.5]]


def test_influxdb_names_what_it_refuses(influxdb1: Influxdb1) -> None:
    reply = influxdb1.write("no fields here")
    assert (reply.status, b"unable to parse" in reply.body) == (400, True)


def mbpoll(server: LibmodbusServer, kind: int, first: int, count: int) -> list[int]:
    """What mbpoll reads: kind 0 coils, 1 discrete inputs, 3 input registers, 4 holding registers."""
    what = ["-0", "-r", str(first), "-c", str(count), "-t", str(kind), "-1"]
    command = [str(require("mbpoll")), "-m", "tcp", "-p", str(server.port), *what, server.host]
    output = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout.decode()
    return [int(line.split("\t")[1].split()[0]) for line in output.splitlines() if line.startswith("[")]


def test_libmodbus_serves_its_tables_to_mbpoll(tmp_path: Path) -> None:
    tables: Tables = {"holding": {0: 7, 1: 65535}, "input": {9: 3}, "coil": {2: 1}, "discrete": {0: 1}}
    with LibmodbusServer(tmp_path, tables) as server:
        assert mbpoll(server, 4, 0, 3) == [7, 65535, 0]
        assert mbpoll(server, 3, 8, 3) == [0, 3, 0]
        assert mbpoll(server, 0, 0, 3) == [0, 0, 1]
        assert mbpoll(server, 1, 0, 3) == [1, 0, 0]


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, lines=["no_such_setting true"])
    with pytest.raises(RuntimeError, match="no_such_setting"):
        broker.start()


def test_nothing_listens_after_a_stop_and_a_free_port_is_below_those_of_clients(tmp_path: Path) -> None:
    with VictoriaMetrics(tmp_path) as server:
        assert ask(server.port, "GET", "/health").status == 200
    assert ask(server.port, "GET", "/health").status == 0
    assert free_port() < 32768


KILLED = """
import os, pathlib, signal, sys
from tests.servers import VictoriaMetrics
server = VictoriaMetrics(pathlib.Path(sys.argv[1]))
server.start()
print(server.port, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="only Linux ends children with their parent")
def test_no_server_outlives_a_run_that_is_killed(tmp_path: Path) -> None:
    require("victoria-metrics")
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    run = subprocess.run(command, check=False, capture_output=True, timeout=60, cwd=PROJECT)
    assert run.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while ask(int(run.stdout), "GET", "/health", timeout=1).status:
        assert time.monotonic() < deadline, "it still answers"


LACKING = """
from tests.servers import require

def test_that_needs_a_server_which_no_machine_has():
    require("no-such-server")
"""


@pytest.mark.parametrize(("ci", "outcome"), [("true", "1 failed"), ("", "1 skipped")])
def test_a_missing_server_is_named_at_the_end_and_fails_where_it_must_be_there(
    tmp_path: Path, ci: str, outcome: str
) -> None:
    (tmp_path / "test_lacking.py").write_text(LACKING)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    environment = os.environ | {"CI": ci}
    run = subprocess.run(command, check=False, capture_output=True, timeout=60, cwd=PROJECT, env=environment)
    assert outcome in run.stdout.decode()
    assert "servers missing in this run: no-such-server" in run.stdout.decode()
