"""What deploy/ ships, started for tests: its mosquitto with its own files."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from qilu.config.tls import TlsSettings
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from tests.servers.mosquitto import Mosquitto
from tests.servers.process import HOST
from tests.servers.programs import require

PROJECT = Path(__file__).resolve().parents[2]
DEPLOY = PROJECT / "deploy"
CONFIGS = PROJECT / "configs"


def run_make_secrets(folder: Path, *arguments: str, broker: int = 9) -> subprocess.CompletedProcess[str]:
    """deploy/mosquitto/make-secrets on this folder; `broker`: the port of one that runs."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on this machine")
    script = DEPLOY / "mosquitto" / "make-secrets"
    where = ["--directory", str(folder), "--broker", f"{HOST}:{broker}"]
    return subprocess.run(
        [sys.executable, str(script), *where, *arguments], capture_output=True, text=True, check=False
    )


def make_secrets(folder: Path, *arguments: str, broker: int = 9) -> Path:
    """A folder of secrets as deploy/mosquitto/make-secrets makes it."""
    done = run_make_secrets(folder, *arguments, broker=broker)
    assert done.returncode == 0, done.stderr
    return folder


class DeployedMosquitto(Mosquitto):
    """mosquitto with deploy/mosquitto/start and mosquitto.conf; only paths, address and port are others."""

    def __init__(self, folder: Path, secrets: Path) -> None:
        super().__init__(folder)
        self.secrets = secrets

    def command(self) -> Sequence[str | Path]:
        shipped = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
        replacements = {
            "/run/secrets/": f"{self.secrets}/",
            "/mosquitto/data/": f"{self.directory}/",
            "listener 8883": f"listener {self.port} {HOST}",
        }
        for what, by in replacements.items():
            assert what in shipped
            shipped = shipped.replace(what, by)
        config = self.directory / "mosquitto.conf"
        config.write_text(("user root\n" if os.getuid() == 0 else "") + shipped)
        self.environment = {"PATH": f"{require('mosquitto').parent}:{os.environ['PATH']}"}
        users = self.secrets / "dynamic-security.json"
        return ["sh", DEPLOY / "mosquitto" / "start", users, self.directory, config]


def login(server: Mosquitto, secrets: Path, user: str) -> MqttSettings:
    """How `user` reaches the deployed broker."""
    return MqttSettings(
        port=server.port,
        username=user,
        password_file=secrets / f"{user}.password",
        tls=TlsSettings(ca=secrets / "ca.pem"),
    )


def connection(server: Mosquitto, secrets: Path, user: str) -> BrokerConnection:
    """A link of `user`, with its client id."""
    return BrokerConnection(login(server, secrets, user), f"qilu-{user}")
