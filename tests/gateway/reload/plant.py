"""A gateway over devices in memory, on virtual time, whose settings a test edits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from gateway.app import Gateway, build
from gateway.reload.settings_set import SettingsSet
from gateway.settings import GatewaySettings
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Poll
from qilu.modbus_client.connection import Connection
from qilu.modbus_client.connector import Dial
from qilu.modbus_client.options import ClientOptions
from tests.gateway.sources.peer import Behaviour, Peer, dial_in_memory, normal
from tests.servers import free_port


def profile(name: str, addresses: Sequence[int], **more: Any) -> DeviceProfile:
    """A point of 16 bits at each address."""
    rows = [{"name": f"p{a}", "table": "holding", "address": a, "type": "uint16"} for a in addresses]
    return DeviceProfile.model_validate({"profile": name, "points": rows, **more})


METER, PUMP = profile("meter", range(4)), profile("pump", [7, 90, 91])
PROFILES: Mapping[str, DeviceProfile] = {"meter": METER, "pump": PUMP}


class Seen(NamedTuple):
    """One poll that passed."""

    at: float
    device: str
    poll: Poll


@dataclass
class Plant:
    """The far side of every endpoint, and what the gateway made of it."""

    behave: Behaviour = normal
    peers: dict[str, Peer] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    def peer(self, host: str) -> Peer:
        return self.peers.setdefault(host, Peer(self.behave))

    @property
    def dial(self) -> Dial:
        async def dial(options: ClientOptions, made: Callable[[], Connection]) -> Connection:
            connection: Connection = await dial_in_memory(self.peer(options.endpoint.host))(options, made)
            return connection

        return dial

    def process(self, poll: Poll) -> Sequence[Poll]:
        self.seen.append(Seen(asyncio.get_running_loop().time(), poll.origin.device, poll))
        return (poll,)

    def connects(self) -> Counter[str]:
        return Counter({host: len(peer.connects) for host, peer in self.peers.items()})


def settings_of(folder: Path, sources: Sequence[Mapping[str, Any]], **more: Any) -> GatewaySettings:
    """Settings of a gateway whose broker is away."""
    return GatewaySettings.model_validate(
        {
            "edge": "edge-1",
            "spool": {"directory": str(folder / "spool"), "min_free_disk": 0},
            "mqtt": {"port": PORT},
            "delivery": {"free_on": "broker"},
            "sources": list(sources),
            **more,
        }
    )


PORT = free_port()


@asynccontextmanager
async def running(settings: SettingsSet, plant: Plant) -> AsyncIterator[Gateway]:
    """The gateway of these settings, over this plant, until the end of the block."""
    gateway = build(settings.settings, settings.profiles, first_processors=[plant], dial=plant.dial)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gateway.run(stop))
        try:
            yield gateway
        finally:
            stop.set()


async def take(gateway: Gateway, settings: SettingsSet) -> None:
    """What a reload does, without a file."""
    prepared = gateway.exchange.prepare(settings, asyncio.get_running_loop().time())
    await gateway.exchange.take(prepared)
