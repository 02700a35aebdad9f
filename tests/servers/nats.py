"""NATS as a broker of MQTT 3.1.1: the second kind of broker, with rights of its own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import HOST, Server, free_port
from tests.servers.programs import require


@dataclass(frozen=True, slots=True)
class NatsUser:
    """A user with its rights; topics as MQTT writes them."""

    password: str
    publish: Sequence[str] = ()
    subscribe: Sequence[str] = ()

    def permissions(self) -> Mapping[str, object]:
        return {
            "publish": {"allow": [subject(topic) for topic in self.publish]},
            # Messages with QoS 1 are handed out on subjects with a random name for each subscription.
            "subscribe": {"allow": ["$MQTT.sub.>", *self._readable()]},
        }

    def _readable(self) -> list[str]:
        """`a/#` is two subjects: `a`, and everything below it."""
        parents = [subject(topic.removesuffix("/#")) for topic in self.subscribe if topic.endswith("/#")]
        return [*map(subject, self.subscribe), *parents]


def subject(topic: str) -> str:
    """NATS's word for a topic or a filter of MQTT."""
    return topic.replace("/", ".").replace("+", "*").replace("#", ">")


class Nats(Server):
    """Nobody gets in but these users."""

    name = "nats-server"

    def __init__(self, directory: Path, users: Mapping[str, NatsUser]) -> None:
        super().__init__(directory)
        self.users = users
        self._own_port = free_port()

    def command(self) -> Sequence[str | Path]:
        config = self.directory / "nats.conf"
        users = [
            {"user": name, "password": user.password, "permissions": user.permissions()}
            for name, user in self.users.items()
        ]
        settings = {
            "server_name": "test",
            "listen": f"{HOST}:{self._own_port}",
            "jetstream": {"store_dir": str(self.directory / "jetstream")},
            "mqtt": {"listen": f"{HOST}:{self.port}"},
            "authorization": {"users": users},
        }
        config.write_text(json.dumps(settings, indent=1))
        return [require("nats-server"), "-c", config]
