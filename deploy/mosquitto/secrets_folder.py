"""The folder of secrets: made and changed without a moment in which others can read what is in it."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deploy.mosquitto.users import CONTROL, Users, client_id, decode, encode
from qilu.contract.ack_signature import derive_key

USERS = "users.json"
PLUGIN = "dynamic-security.json"
# More would guard weak passwords; these are random, and the broker has to compute it at every login.
ITERATIONS = 1000
SERVICES = (
    "influxdb-admin", "influxdb-token", "influxdb-reader", "victoriametrics-admin", "victoriametrics-reader",
    "grafana-admin",
)  # fmt: skip
"""What stores and Grafana of compose.yaml need; each in NAME.secret."""
_FOR_OWNER = {"ca.key", f"{CONTROL}.password", USERS}
"""Files that no container reads."""


class SecretsFolder:
    """Entering it makes the folder, closes it to all others, and waits for another run to end.

    OSError or ValueError: what is wrong with the folder or a file in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def __enter__(self) -> Self:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        if os.fstat(self._descriptor).st_uid != os.geteuid():
            raise ValueError(f"{self.path} belongs to another user: name a folder of your own")
        os.fchmod(self._descriptor, 0o700)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        for file in self.path.iterdir():
            if not stat.S_ISREG(file.lstat().st_mode):
                raise ValueError(f"{file} is no file (a link?): remove it")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self.path.iterdir():
            if stat.S_ISREG(file.lstat().st_mode):
                file.chmod(0o600 if file.name in _FOR_OWNER else 0o640)
        os.close(self._descriptor)

    def users(self) -> Users:
        """The list; the default one where there is none yet."""
        file = self.path / USERS
        if not file.exists():
            return Users()
        try:
            return decode(file.read_text())
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error

    def password(self, user: str) -> str | None:
        """The password in the user's file; None without one."""
        file = self.path / f"{user}.password"
        return file.read_text().strip() if file.exists() else None

    def write(self, users: Users, rotate: Collection[str]) -> dict[str, str]:
        """Everything that follows from the list; returns the passwords that are new to the broker."""
        known = self._hashes()
        if self.password(CONTROL) is None:
            known.pop(CONTROL, None)
        passwords = {}
        for user in users:
            password = self.password(user)
            if user in rotate or (password is None and user not in known):
                password = secrets.token_urlsafe(24)
                self._write_password(f"{user}.password", password + "\n")
            if user in rotate or user not in known:
                assert password is not None
                passwords[user] = password
                known[user] = _hashed(password)
        for user in known.keys() - set(users):
            (self.path / f"{user}.password").unlink(missing_ok=True)
        self._write_ack_keys(users)
        for name in SERVICES:
            if not (self.path / f"{name}.secret").exists():
                self._replace(f"{name}.secret", secrets.token_urlsafe(32))
        self._replace(USERS, encode(users))
        self._replace(PLUGIN, json.dumps(_plugin(users, known), indent=1) + "\n")
        return passwords

    def _write_ack_keys(self, users: Users) -> None:
        """STORE.key for the ingesters of a store, EDGE.STORE.key for each gateway that trusts it."""
        wanted = {}
        for store in users.stores:
            file = self.path / f"{store}.key"
            master = file.read_text().strip() if file.exists() else secrets.token_urlsafe(32)
            wanted[file.name] = master
            wanted |= {f"{edge}.{store}.key": derive_key(master, store, edge) for edge in users.edges}
        for name, key in wanted.items():
            if not (self.path / name).exists() or (self.path / name).read_text() != f"{key}\n":
                self._replace(name, f"{key}\n")
        for file in self.path.glob("*.*.key"):
            if file.name not in wanted:
                file.unlink()

    def _hashes(self) -> dict[str, dict[str, Any]]:
        file = self.path / PLUGIN
        clients = json.loads(file.read_text())["clients"] if file.exists() else []
        return {
            client["username"]: {key: client[key] for key in ("password", "salt", "iterations")}
            for client in clients
        }

    def _write_password(self, name: str, text: str) -> None:
        """In place where there is one: a container that has mounted the file reads the new one."""
        file = self.path / name
        if file.exists() and file.stat().st_size == len(text):
            with file.open("r+") as present:
                present.write(text)
        else:
            self._replace(name, text)

    def _replace(self, name: str, text: str) -> None:
        """Whole, or not at all."""
        new = self.path / f"{name}.new"
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        new.replace(self.path / name)


def _hashed(password: str) -> dict[str, Any]:
    """As the plugin stores it: PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, 64)
    encoded = {"password": base64.b64encode(key).decode(), "salt": base64.b64encode(salt).decode()}
    return {**encoded, "iterations": ITERATIONS}


def _plugin(users: Users, hashes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The file of the dynamic-security plugin: a role for each user, and nothing is allowed beside."""
    denied = ("publishClientSend", "publishClientReceive", "subscribe")
    return {
        "defaultACLAccess": {**dict.fromkeys(denied, False), "unsubscribe": True},
        "clients": [
            {"username": user, "clientid": client_id(user), "roles": [{"rolename": user}], **hashes[user]}
            for user in users
        ],
        "roles": [{"rolename": user, "acls": rights} for user, rights in users.rights().items()],
    }
