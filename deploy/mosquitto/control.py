"""Changes the users of a broker that runs, over the topic of its plugin; no session of another user ends."""

from __future__ import annotations

import json
import socket
import ssl
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deploy.mosquitto.users import CONTROL, CONTROL_RESPONSE, CONTROL_TOPIC, PREFIX, Users, client_id

TIMEOUT_S = 10.0
_COMMANDS = 20  # in one message: far below the broker's bound of a packet
_CONNACK, _PUBLISH, _SUBACK = 0x20, 0x30, 0x90

Command = dict[str, Any]


class ControlError(Exception):
    """The broker does not do what it is asked."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where it is, and how make-secrets gets in."""

    host: str
    port: int
    ca: Path
    password: str


class ControlLink:
    """One connection as the user of make-secrets: MQTT 3.1.1 over TLS.

    Entering it connects: ConnectionRefusedError where nothing listens, another OSError or a ControlError
    with the reason.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._socket: ssl.SSLSocket | None = None

    def __enter__(self) -> Self:
        broker = self._broker
        context = ssl.create_default_context(cafile=broker.ca)
        plain = socket.create_connection((broker.host, broker.port), timeout=TIMEOUT_S)
        try:
            self._socket = context.wrap_socket(plain, server_hostname=broker.host)
            session = _text("MQTT") + struct.pack("!BBH", 4, 0xC2, 60)
            login = _text(client_id(CONTROL)) + _text(CONTROL) + _text(broker.password)
            self._send(0x10, session + login)
            if (code := self._receive(_CONNACK)[1]) != 0:
                raise ControlError(f"it does not let in user {CONTROL!r} (code {code})")
            self._send(0x82, struct.pack("!H", 1) + _text(CONTROL_RESPONSE) + b"\0")
            if self._receive(_SUBACK)[2] >= 0x80:
                raise ControlError(f"it refuses user {CONTROL!r} its control topic")
        except BaseException:
            plain.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._socket.close()

    def run(self, commands: Sequence[Command]) -> list[Command]:
        """The responses, one for each command; ControlError at the first that fails."""
        responses: list[Command] = []
        for start in range(0, len(commands), _COMMANDS):
            wanted = {"commands": commands[start : start + _COMMANDS]}
            self._publish(CONTROL_TOPIC, json.dumps(wanted).encode())
            message = self._receive(_PUBLISH)
            topic_bytes = struct.unpack_from("!H", message)[0]
            for response in json.loads(message[2 + topic_bytes :])["responses"]:
                if "error" in response:
                    raise ControlError(f"{response['command']}: {response['error']}")
                responses.append(response)
        return responses

    def clear_status(self, edge: str) -> None:
        """Remove the retained status of an edge that is no more."""
        self._publish(f"{PREFIX}/status/{edge}", b"", retain=True)

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._send(_PUBLISH | retain, _text(topic) + payload)

    def _send(self, kind: int, body: bytes) -> None:
        length, rest = bytearray(), len(body)
        while True:
            rest, low = divmod(rest, 128)
            length.append(low | (0x80 if rest else 0))
            if not rest:
                break
        self._open().sendall(bytes([kind]) + length + body)

    def _receive(self, wanted: int) -> bytes:
        """The next packet of this kind."""
        while True:
            kind, length, shift = self._read(1)[0], 0, 0
            while True:
                byte = self._read(1)[0]
                length |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            body = self._read(length)
            if kind & 0xF0 == wanted:
                return body

    def _read(self, count: int) -> bytes:
        taken = b""
        while len(taken) < count:
            more = self._open().recv(count - len(taken))
            if not more:
                raise ControlError("it closed the connection")
            taken += more
        return taken

    def _open(self) -> ssl.SSLSocket:
        if self._socket is None:
            raise RuntimeError("a link is used inside `with`")
        return self._socket


def reconcile(link: ControlLink, users: Users, passwords: Mapping[str, str]) -> None:
    """Make the users of the broker those of the list; `passwords`: the new ones.

    Ends the sessions of users that are removed, that get a new password or other rights, and no other.
    """
    clients, roles = (
        response["data"]
        for response in link.run([{"command": "listClients"}, {"command": "listRoles", "verbose": True}])
    )
    present = {role["rolename"]: role.get("acls", []) for role in roles["roles"]}
    removed = set(clients["clients"]) - set(users)
    link.run(list(_commands(users, passwords, set(clients["clients"]), present)))
    for name in sorted(removed):
        link.clear_status(name)
    link.run([{"command": "listClients"}])  # answered after what was published before it


def _commands(
    users: Users, passwords: Mapping[str, str], clients: set[str], roles: Mapping[str, list[Any]]
) -> Iterator[Command]:
    wanted = users.rights()
    for name in sorted(clients - wanted.keys()):
        yield {"command": "deleteClient", "username": name}
    for name in sorted(roles.keys() - wanted.keys()):
        yield {"command": "deleteRole", "rolename": name}
    for name, rights in wanted.items():
        if name not in roles:
            yield {"command": "createRole", "rolename": name, "acls": rights}
        elif _sorted(roles[name]) != _sorted(rights):
            yield {"command": "modifyRole", "rolename": name, "acls": rights}
        if name not in clients and name not in passwords:
            raise ControlError(f"it does not know user {name!r}")
        if name not in clients:
            yield {
                "command": "createClient",
                "username": name,
                "clientid": client_id(name),
                "password": passwords[name],
                "roles": [{"rolename": name}],
            }
        elif name in passwords:
            yield {"command": "setClientPassword", "username": name, "password": passwords[name]}


def _sorted(rights: Sequence[Any]) -> list[str]:
    return sorted(json.dumps(right, sort_keys=True) for right in rights)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("!H", len(encoded)) + encoded
