"""A factory of 50 machines where all can go wrong: real processes, every link through a wire of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from cloud.app import subscriptions
from qilu.contract.topics import Topics
from simulator.machines import MODELS
from tests.campaign.clock import WallClock
from tests.campaign.disk import SmallDisk
from tests.campaign.script import Stage
from tests.campaign.wire import Wire
from tests.servers import Mosquitto, Server, VictoriaMetrics, require
from tests.system.road import Machine, Road

StoreKind = Literal["victoriametrics", "sqlite"]

STORE = "works-store"
DEVICES = 50
HORIZON = 12.0
"""Seconds after which VictoriaMetrics has on disk what it was given; with 8 this campaign found losses."""
TIMEOUT = 8.0
"""Seconds from a Modbus request to its reply: on a busy machine, too, only a fault takes longer."""
LINE_DELAY = 0.4
"""Seconds that a Modbus link may take at most, in each direction."""


def machines() -> Sequence[Machine]:
    """Devices of all models, each with an endpoint of its own: of several units behind one endpoint those
    that were silent are asked with little patience, and lose requests to nothing but a busy machine."""
    models = sorted(MODELS)
    return [(f"machine-{number + 1}", models[number % len(models)], number, 1) for number in range(DEVICES)]


class Ghost(Server):
    """A client that is not ours: it joins the ingesters' group, takes what comes, and answers nobody."""

    name = "ghost"

    def __init__(self, directory: Path, broker: int) -> None:
        super().__init__(directory)
        self._broker = broker

    def command(self) -> Sequence[str | Path]:
        wanted = [word for one in subscriptions(Topics("qilu"), STORE) for word in ("-t", one)]
        where = ["-V", "5", "-h", "127.0.0.1", "-p", str(self._broker), "-q", "1"]
        return [require("mosquitto_sub"), *where, *wanted, "-F", "%t"]

    @property
    def swallowed(self) -> int:
        """Messages that it took from the ingesters."""
        return self.log.read_text().count("qilu/") if self.log.exists() else 0


class Works:
    """Everything there is, by the names that a script calls it; entering starts all of it but the ghost."""

    def __init__(self, folder: Path, kind: StoreKind, ingesters: int) -> None:
        self._folder = folder
        self.kind = kind
        self._ingesters = ingesters
        self._stack = AsyncExitStack()
        self.disk = SmallDisk(folder / "disk", 24_000_000)
        self.clock = WallClock(folder)
        self.wires: dict[str, Wire] = {}
        self.urls: dict[str, str] = {}
        """Wire -> URL of the endpoint behind it, for those that carry Modbus."""
        self.programs: dict[str, Server] = {}

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.enter_context(self.disk)
            broker = stack.enter_context(Mosquitto(self._folder))
            self.programs["broker"] = broker
            self.ghost = Ghost(self._folder, broker.port)
            stack.callback(self.ghost.kill)
            store = await self._store(stack)
            mqtt = {"keepalive": "4s"}
            to_broker = {name: await self._wire(stack, name, broker.port) for name in ("link", "uplink")}
            self.road = road = Road(
                self._folder,
                {"port": to_broker["uplink"].port, **mqtt},
                store,
                ingesters=self._ingesters,
                period=0.5,
                machines=machines(),
                gateway=self._gateway({"port": to_broker["link"].port, **mqtt}),
            )
            road.gateway.environment = self.clock.environment
            for number, url in enumerate(sorted(set(road.endpoints.values())), start=1):
                name = f"line-{number}"
                wire = await self._wire(stack, name, urlsplit(url).port or 0)
                self.urls[name] = f"tcp://127.0.0.1:{wire.port}"
                for device, polled in road.endpoints.items():
                    if polled == url:
                        road.endpoints[device] = self.urls[name]
            await stack.enter_async_context(road)
            self.programs["gateway"] = road.gateway
            self.programs |= {f"ingester-{number}": one for number, one in enumerate(road.ingesters, start=1)}
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def stage(self) -> Stage:
        """What can go wrong here."""
        longest = {"link": 0.8, "uplink": 0.8, "store-link": 2.0}
        ingesters = [name for name in self.programs if name.startswith("ingester-")]
        return Stage(
            [name for name in self.programs if name not in ingesters],
            ingesters,
            {name: delay for name, delay in longest.items() if name in self.wires},
            list(self.urls),
            LINE_DELAY,
            disk=self.disk.mounted,
            clock=self.clock.works,
            ghosts=self._ingesters > 1,
        )

    def logs(self) -> Mapping[str, str]:
        """Everything that our own programs said."""
        ours = [self.road.gateway, *self.road.ingesters, self.road.simulator]
        return {program.log.name: program.log.read_text(errors="replace") for program in ours}

    async def _store(self, stack: AsyncExitStack) -> Mapping[str, Any]:
        if self.kind == "sqlite":
            return {"type": "sqlite", "file": "store.db", "name": STORE}
        metrics = stack.enter_context(VictoriaMetrics(self._folder))
        self.programs["store"] = metrics
        wire = await self._wire(stack, "store-link", metrics.port)
        url = f"http://127.0.0.1:{wire.port}"
        return {
            "type": "influx",
            "server": self.kind,
            "url": url,
            "name": STORE,
            "durability_delay": f"{HORIZON:g}s",
        }

    async def _wire(self, stack: AsyncExitStack, name: str, target: int) -> Wire:
        self.wires[name] = wire = await stack.enter_async_context(Wire(target))
        return wire

    def _gateway(self, mqtt: Mapping[str, Any]) -> Mapping[str, Any]:
        spool = {
            "directory": str(self.disk.folder / "spool"),
            "sync_interval": "100ms",
            "when_full": "block",
            "min_free_disk": 0,
            # without a disk of its own the spool itself is what gets full
            "max_bytes": 20_000_000 if self.disk.mounted else 4_000_000,
        }
        return {"mqtt": mqtt, "spool": spool, "source": {"timeout": f"{TIMEOUT:g}s"}}
