"""What deploy/ ships, started for tests: its mosquitto with its own files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qilu.mqtt.settings import MqttSettings, TlsSettings
from tests.servers.mosquitto import Mosquitto
from tests.servers.process import HOST

PROJECT = Path(__file__).resolve().parents[2]
DEPLOY = PROJECT / "deploy"
CONFIGS = PROJECT / "configs"


def make_secrets(folder: Path, *arguments: str) -> Path:
    """A folder of secrets as deploy/mosquitto/make-secrets makes it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on this machine")
    script = DEPLOY / "mosquitto" / "make-secrets"
    command = [sys.executable, str(script), "--directory", str(folder), *arguments]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def deployed_mosquitto(folder: Path, secrets: Path) -> Mosquitto:
    """mosquitto with deploy/mosquitto/mosquitto.conf and acl; only paths, address and port are others."""

    def config(server: Mosquitto) -> str:
        acl = server.directory / "acl"
        acl.write_bytes((DEPLOY / "mosquitto" / "acl").read_bytes())
        acl.chmod(0o600)
        shipped = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
        replacements = {
            "/run/secrets/": f"{secrets}/",
            "/mosquitto/config/acl": str(acl),
            "/mosquitto/data/": f"{server.directory}/",
            "listener 8883": f"listener {server.port} {HOST}",
        }
        for what, by in replacements.items():
            assert what in shipped
            shipped = shipped.replace(what, by)
        return ("user root\n" if os.getuid() == 0 else "") + shipped

    return Mosquitto(folder, config=config)


def login(server: Mosquitto, secrets: Path, user: str) -> MqttSettings:
    """How `user` reaches the deployed broker."""
    return MqttSettings(
        port=server.port,
        username=user,
        password_file=secrets / f"{user}.password",
        tls=TlsSettings(ca=secrets / "ca.pem"),
    )
