"""Mutants for a running gateway, and for the control port of a running simulator; both are real processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random

from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.errors import QiluError
from qilu.contract.messages import Ack, Announcement, Status, encode_ack, encode_notice
from qilu.contract.ranges import IntervalSet
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from tests.fuzz.mutations import mutated
from tests.servers import Mosquitto, free_port
from tests.system.programs import WITHIN, Qilu, now_ms

STORE = "a-store"
GATEWAY = """\
edge: edge-1
mqtt: {{port: {broker}, keepalive: 60}}
delivery: {{trusted_stores: [{store}], resend_timeout: 2s}}
spool: {{directory: spool, min_free_disk: 0}}
status_interval: 1s
sources:
  - type: modbus
    url: "tcp://127.0.0.1:{machine}"
    devices: [{{device: meter-1, profile: three-phase-energy-meter}}]
"""
PLANT = """\
plant: fuzzed
seed: 1
control: {control}
machines: [{{device: meter-1, machine: three-phase-energy-meter, port: {machine}, unit_id: 1}}]
"""
MAX_GROWTH_KB = 20_000
"""Of the memory of a process, from the first quarter of the mutants to the last one."""
_DUE = re.compile(rb'"due_ms":(\d+)')
_CLIENTS = 8
_LEAVES_EARLY = 0.2
"""Of the clients of a control port, those that do not wait for the reply."""


def resident_kb(program: Qilu) -> int:
    """Memory of the process."""
    text = Path(f"/proc/{program.pid}/status").read_text()
    (kilobytes,) = re.findall(r"^VmRSS:\s+(\d+) kB$", text, re.MULTILINE)
    return int(kilobytes)


class GatewayFuzz:
    """Sends mutants of acknowledgements, announcements and statuses to the topics of one edge."""

    def __init__(self, gateway: Qilu, link: BrokerConnection, seed: int) -> None:
        self.gateway = gateway
        self.mutants = 0
        self._link = link
        self._chance = Random(seed)
        refused = {3: Refusal(AckCode.BAD_VALUE, "point 'x'")}
        deferred = {AckCode.IN_FUTURE: IntervalSet([(5, 9)])}
        ack = Ack(STORE, "i", 7, IntervalSet([(0, 2)]), IntervalSet([(0, 1)]), refused, deferred)
        self._sound = (
            ("qilu/ack/edge-1", encode_ack(ack)),
            ("qilu/ingester/i", encode_notice(Announcement("i", STORE, 30.0))),
            ("qilu/status/edge-1", encode_notice(Status("edge-1", "online", "0f", 1))),
        )

    async def send(self, mutants: int) -> None:
        for _ in range(mutants):
            topic, payload = self._chance.choice(self._sound)
            with contextlib.suppress(QiluError):  # too long a message for the broker
                await self._link.publish(topic, mutated(payload, self._chance), qos=0)
        self.mutants += mutants

    async def publishes(self) -> bool:
        """Whether a record comes from the gateway that it makes from now on: its status of each second."""
        since_ms = now_ms()
        try:
            async with asyncio.timeout(WITHIN):
                async for message in self._link.messages():
                    if any(int(due_ms) > since_ms for due_ms in _DUE.findall(message.payload)):
                        return True
        except TimeoutError:
            pass
        return False


@asynccontextmanager
async def fuzzed_gateway(folder: Path, seed: int) -> AsyncIterator[GatewayFuzz]:
    """A gateway whose machine is away, at a broker without an access list."""
    with Mosquitto(folder) as broker:
        file = folder / "gateway.yaml"
        file.write_text(GATEWAY.format(broker=broker.port, machine=free_port(), store=STORE))
        with Qilu(folder, "gateway", file, ready="connected,") as gateway:
            async with BrokerConnection(MqttSettings(port=broker.port, keepalive=60), "fuzz") as link:
                await link.subscribe(["qilu/live/edge-1", "qilu/backlog/edge-1"])
                yield GatewayFuzz(gateway, link, seed)


class ControlFuzz:
    """Sends mutants of HTTP requests to the control port of a simulator, each over its own connection."""

    def __init__(self, simulator: Qilu, port: int, seed: int) -> None:
        self.simulator = simulator
        self.mutants = 0
        self._port = port
        self._chance = Random(seed)
        host = f"127.0.0.1:{port}"
        self._sound = tuple(
            request(method, path, host, body)
            for method, path, body in (
                ("GET", "/api/v1/factory/clock", None),
                ("POST", "/api/v1/factory/clock", {"paused": True}),
                ("POST", "/api/v1/factory/clock", {"steps": 3}),
                ("POST", "/api/v1/factory/faults", {"device": "meter-1", "fault": "silence", "seconds": 1}),
                ("DELETE", "/api/v1/factory/faults/1", None),
            )
        )

    def send(self, mutants: int) -> None:
        """So many requests, a few at a time."""
        chance = self._chance
        payloads = [mutated(chance.choice(self._sound), chance) for _ in range(mutants)]
        with ThreadPoolExecutor(_CLIENTS) as clients:
            list(clients.map(self._try, payloads, (chance.random() < _LEAVES_EARLY for _ in payloads)))
        self.mutants += mutants

    def _try(self, payload: bytes, leaves: bool) -> None:
        with contextlib.suppress(OSError):
            self.ask(payload, 0.0 if leaves else 0.1)

    def ask(self, sent: bytes, wait_s: float = 5.0) -> bytes:
        """What comes back, or nothing where nothing does within this time."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
            connection.sendall(sent)
            if not wait_s:
                return b""
            connection.settimeout(wait_s)
            with contextlib.suppress(TimeoutError):
                return connection.recv(65_536)
        return b""

    def answers(self) -> bool:
        """Whether a sound request is served as before."""
        return self.ask(self._sound[0]).startswith(b"HTTP/1.1 200")


def request(method: str, path: str, host: str, body: object) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    return f"{head}Connection: close\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


@contextmanager
def fuzzed_control(folder: Path, seed: int) -> Iterator[ControlFuzz]:
    port, file = free_port(), folder / "plant.yaml"
    file.write_text(PLANT.format(control=port, machine=free_port()))
    with Qilu(folder, "simulate", file, ready="devices are served") as simulator:
        yield ControlFuzz(simulator, port, seed)


def growth_kb(samples: Sequence[int]) -> int:
    """By how much memory grew since the first quarter of the samples, in which caches fill."""
    warm = len(samples) // 4
    return samples[-1] - max(samples[: warm + 1])
