"""Two honest edges behind the delivered broker, and what of their readings is in the store in time."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from qilu.contract.reading import DeviceKey
from qilu.stores.sqlite.reader import SqliteReader
from tests.deploy.deployed import DeployedMosquitto, make_secrets
from tests.servers import free_port
from tests.system.programs import Qilu, qilu

EDGES = ("edge-1", "edge-2")
ATTACKER = "edge-3"
STORE = "influx-store"
MACHINE = "three-phase-energy-meter"
IN_TIME_S = 10
"""Seconds from a reading to its place in the store within which it counts as in time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the honest edges. `in_time`: share of their readings that were stored in time."""

    readings: int
    in_time: float
    audit_code: int
    missing: int
    unexplained: int
    attacker_named_after_s: float | None
    attacks: dict[str, int]


class Stage:
    """The delivered broker, an ingester that signs, and two gateways with a machine each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = make_secrets(folder / "secrets", "add", "edge-2", ATTACKER)
        self.broker = DeployedMosquitto(folder, self.secrets)
        self.ports = {edge: free_port() for edge in EDGES}
        self.store = folder / "store.db"
        self._ingester: Qilu
        self._mqtt = {
            "host": "127.0.0.1",
            "port": self.broker.port,
            "tls": {"ca": str(self.secrets / "ca.pem")},
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(self.broker)
            stack.enter_context(Qilu(self.folder, "simulate", self._plant(), ready="devices are served"))
            self._ingester = stack.enter_context(
                Qilu(self.folder, "ingest", self._ingest(), ready="connected to")
            )
            for edge in EDGES:
                stack.enter_context(Qilu(self.folder, "gateway", self._gateway(edge), ready="connected,"))
            yield

    def _write(self, name: str, settings: object) -> Path:
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(settings))
        return file

    def _user(self, name: str) -> dict[str, Any]:
        return {**self._mqtt, "username": name, "password_file": str(self.secrets / f"{name}.password")}

    def _plant(self) -> Path:
        machines = [
            {"device": f"meter-{edge}", "machine": MACHINE, "port": port, "unit_id": 1}
            for edge, port in self.ports.items()
        ]
        return self._write("plant", {"plant": "attacked", "seed": 1, "machines": machines})

    def _ingest(self) -> Path:
        store = {"type": "sqlite", "name": STORE, "file": str(self.store)}
        key = str(self.secrets / f"{STORE}.key")
        settings = {
            "ingester": "ingester",
            "mqtt": self._user("ingester"),
            "store": store,
            "ack_key_file": key,
        }
        return self._write("ingester", settings)

    def _gateway(self, edge: str) -> Path:
        device = {
            "device": f"meter-{edge}", "unit_id": 1, "profile": MACHINE,
            "poll_periods": {"fast": 0.25},
        }  # fmt: skip
        return self._write(
            edge,
            {
                "edge": edge,
                "mqtt": self._user(edge),
                "spool": {"directory": str(self.folder / f"spool-{edge}")},
                "delivery": {
                    "trusted_stores": [
                        {"name": STORE, "key_file": str(self.secrets / f"{edge}.{STORE}.key")}
                    ],
                    "resend_timeout": "5s",
                },
                "sources": [
                    {"type": "modbus", "url": f"tcp://127.0.0.1:{self.ports[edge]}", "devices": [device]}
                ],
                "accounting_interval": "2s",
            },
        )

    async def stored(self, start_ms: int, end_ms: int) -> int:
        """Readings of the machines of both honest edges between these times."""
        async with SqliteReader(self.store) as reader:
            counts = [
                await reader.count(DeviceKey(edge, f"meter-{edge}"), MACHINE, start_ms, end_ms)
                for edge in EDGES
            ]
        return sum(sum(count.values()) for count in counts)

    def attacker_named(self) -> bool:
        return ATTACKER in self._ingester.output()

    def audit(self) -> tuple[int, Sequence[Any]]:
        """The code of `qilu audit` about the honest edges, and what it found."""
        edges = [word for edge in EDGES for word in ("--edge", edge)]
        done = qilu(
            "audit", "--store", self.folder / "ingester.yaml", "--last", "1h", "--format", "json", *edges
        )
        return done.returncode, json.loads(done.stdout or "[]")


async def attacked(folder: Path, seconds: float, seed: int = 1, settle_s: float = 600.0) -> Outcome:
    """All attacks at once for so long; then at most `settle_s` until the audit finds nothing missing."""
    stage = Stage(folder)
    with stage.running():
        await asyncio.sleep(3)
        command = [
            *(sys.executable, "-m", "tests.attacks.attackers", "--port", str(stage.broker.port)),
            *("--secrets", str(stage.secrets), "--seconds", str(seconds), "--seed", str(seed)),
        ]
        attacking = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        begun_s, named_s = time.time(), None
        seen: list[tuple[int, int, int]] = []
        while time.time() < begun_s + seconds + IN_TIME_S:
            await asyncio.sleep(1)
            end_ms = int((time.time() - IN_TIME_S) * 1000)
            if end_ms > begun_s * 1000:
                seen.append((end_ms - 1000, end_ms, await stage.stored(end_ms - 1000, end_ms)))
            if named_s is None and stage.attacker_named():
                named_s = time.time() - begun_s
        output, _ = await attacking.communicate()
        code, findings = await asyncio.to_thread(stage.audit)
        deadline = time.time() + settle_s
        while code != 0 and time.time() < deadline:
            await asyncio.sleep(2)
            code, findings = await asyncio.to_thread(stage.audit)
        at_last = [await stage.stored(start, end) for start, end, _ in seen]
    readings = sum(at_last)
    in_time = sum(count for *_, count in seen)
    gaps = [gap for finding in findings for gap in finding["missing"]]
    missing = sum(gap["values"] for gap in gaps)
    unexplained = sum(gap["values"] for gap in gaps if not gap["explained"])
    return Outcome(
        readings, in_time / max(readings, 1), code, missing, unexplained, named_s, json.loads(output)
    )
