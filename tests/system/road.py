"""The whole road as a user builds it: settings files in a folder, and a process for each part of it."""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from cloud.settings import IngesterSettings
from qilu.config.settings_file import load
from qilu.stores.settings import InfluxSettings, SqliteSettings
from tests.servers import free_port
from tests.system.ledger import Ledger, read_served, read_stored
from tests.system.programs import WITHIN, Qilu, now_ms
from tests.system.verdict import Fault, Verdict, judge, kill_faults

CLOCK_ERROR_MS = 3_600_000
"""A clock that a test sets is wrong by less: so far from the truth a sample may be stored."""

Machine = tuple[str, str, int, int]

MACHINES: Sequence[Machine] = (
    ("cnc-1", "cnc-machining-centre", 0, 1),
    ("cnc-2", "cnc-machining-centre", 0, 2),
    ("moulding-1", "injection-moulding-machine", 1, 1),
    ("press-1", "tyre-curing-press", 1, 2),
    ("compressor-1", "screw-air-compressor", 2, 1),
    ("chiller-1", "chiller", 2, 2),
    ("meter-1", "three-phase-energy-meter", 3, 1),
    ("spinning-1", "ring-spinning-frame", 3, 2),
)
"""Device, model, place of its port among those of the plant, unit id."""


class Road:
    """Simulator, gateway and ingesters; `mqtt` and `store` are what their settings say of broker and store.

    `gateway`: what its settings say otherwise than here, key by key of the top level; `source` is about each
    of its sources. Entering the road starts all of them, leaving it ends whatever still runs.
    """

    def __init__(
        self,
        folder: Path,
        mqtt: Mapping[str, Any],
        store: Mapping[str, Any],
        *,
        ingesters: int = 1,
        resend_timeout: str = "2s",
        period: float = 0.25,
        machines: Sequence[Machine] = MACHINES,
        gateway: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder / "road"
        self.folder.mkdir()
        self.truth = self.folder / "truth"
        self.devices = [device for device, *_ in machines]
        """Those that the ledger is about; a test may take some out."""
        self.endpoints: dict[str, str] = {}
        """Device -> the URL at which the gateway polls it; a test may lead it elsewhere before entering."""
        self._machines = machines
        self._gateway = gateway or {}
        self._mqtt = mqtt
        self._resend_after = resend_timeout
        self.period = period
        self._plant = self._write_plant()
        self.began_ms = now_ms()
        self.clock_steps: list[int] = []
        """When a test set the clock of the gateway, true time in ms."""
        self.simulator = Qilu(
            self.folder, "simulate", self._plant, "--truth", self.truth, ready="devices are served"
        )
        self.ingesters = [
            Qilu(self.folder, "ingest", file, ready="fills store")
            for file in self._write_ingesters(store, ingesters)
        ]
        self.gateway = Qilu(self.folder, "gateway", self.folder / "gateway.yaml", ready="collects from")

    @property
    def ingester_file(self) -> Path:
        """Settings that name the store, for `qilu query`."""
        return self.folder / "ingester-1.yaml"

    @property
    def store(self) -> SqliteSettings | InfluxSettings:
        """The store as the ingesters know it."""
        return load(self.ingester_file, IngesterSettings).store

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.TaskGroup() as starting:
                for program in (self.simulator, *self.ingesters):
                    starting.create_task(asyncio.to_thread(program.start))
            found = re.search(r"fills store (\S+)", self.ingesters[0].output())
            assert found
            self._write_gateway(found[1])
            await asyncio.to_thread(self.gateway.start)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for program in (self.gateway, *self.ingesters, self.simulator):
            await asyncio.to_thread(program.kill)

    async def stop(self) -> None:
        """End every process as a user does; each must go with code 0."""
        for program in (self.gateway, *self.ingesters, self.simulator):
            await asyncio.to_thread(program.stop)

    async def ledger(self) -> Ledger:
        """Both sides as they are now; the store is read first, so that it cannot be ahead of the truth."""
        stored = await read_stored(self.store, self.devices, self.began_ms - CLOCK_ERROR_MS)
        await asyncio.sleep(0.25)  # the simulator writes down what it served every 0.1 s
        served = [one for one in read_served(self.truth) if one.device in self.devices]
        ends = [moment for killed in self.gateway.killed for moment in killed if moment]
        epochs = sorted([*self.clock_steps, *ends]) if self.clock_steps else []
        return Ledger(served, stored, epochs)

    async def flows(self, count: int = 4, after_ms: int | None = None, within: float = WITHIN) -> None:
        """Return when every device has so many counters in the store that were stamped after this moment."""
        after = now_ms() if after_ms is None else after_ms
        deadline = time.monotonic() + within
        while True:
            stored = await read_stored(self.store, self.devices, after)
            have = {device: sum(one.device == device for one in stored) for device in self.devices}
            if min(have.values()) >= count:
                return
            assert time.monotonic() < deadline, f"too few new counters in the store: {have}\n{self.logs()}"
            await asyncio.sleep(0.2)

    async def settled(self, faults: Sequence[Fault] = (), within: float = WITHIN) -> Verdict:
        """The verdict, once all that was served until now is stored or explained, or after `within` seconds.

        Kills of the gateway explain what was open then, and `faults` are what happened besides.
        """
        until = now_ms()
        deadline = time.monotonic() + within
        while True:
            ledger = await self.ledger()
            kills = kill_faults(ledger.served, self.endpoints, self.gateway.killed)
            verdict = judge(ledger, until, self.endpoints, [*faults, *kills])
            if not verdict.unexplained or time.monotonic() > deadline:
                return verdict
            await asyncio.sleep(0.3)

    def logs(self) -> str:
        """The end of every process' log."""
        programs = (self.gateway, *self.ingesters, self.simulator)
        return "\n".join(f"--- {program.log.name}\n{program.log_end()}" for program in programs)

    def _write_plant(self) -> Path:
        ports = [free_port() for _ in range(1 + max(place for _, _, place, _ in self._machines))]
        machines = []
        for device, model, place, unit in self._machines:
            machines.append({"device": device, "machine": model, "port": ports[place], "unit_id": unit})
            self.endpoints[device] = f"tcp://127.0.0.1:{ports[place]}"
        return self._write("plant.yaml", {"plant": "works", "seed": 7, "machines": machines})

    def _write_ingesters(self, store: Mapping[str, Any], count: int) -> list[Path]:
        common = {"mqtt": dict(self._mqtt), "store": dict(store)}
        names = [f"ingester-{number}" for number in range(1, count + 1)]
        return [self._write(f"{name}.yaml", {"ingester": name, **common}) for name in names]

    def _write_gateway(self, store: str) -> Path:
        groups = {"fast": f"{self.period:g}s"}
        devices: dict[str, list[dict[str, Any]]] = {}
        for device, model, _, unit in self._machines:
            entry = {"device": device, "profile": model, "unit_id": unit, "poll_periods": groups}
            devices.setdefault(self.endpoints[device], []).append(entry)
        sources = [{"type": "modbus", "url": url, "devices": entries} for url, entries in devices.items()]
        settings = {
            "edge": "edge-1",
            "site": "jinan",
            "spool": {"directory": "spool", "sync_interval": "100ms"},
            "mqtt": dict(self._mqtt),
            "delivery": {"trusted_stores": [store], "resend_timeout": self._resend_after},
            "status_interval": "1s",
            "sources": [{**source, **self._gateway.get("source", {})} for source in sources],
        }
        changes = {key: value for key, value in self._gateway.items() if key != "source"}
        return self._write("gateway.yaml", settings | changes)

    def _write(self, name: str, settings: Mapping[str, Any]) -> Path:
        path = self.folder / name
        path.write_text(yaml.safe_dump(settings, sort_keys=False))
        return path
