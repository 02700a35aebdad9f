"""Mutants for a running ingester of a SQLite store, which is a real process at a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from qilu.contract.errors import QiluError
from qilu.contract.messages import decode_ack
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from tests.fuzz.mutations import message, mutated
from tests.servers import Mosquitto
from tests.system.programs import WITHIN, Qilu

INGESTER = """\
ingester: one
mqtt: {{port: {broker}, keepalive: 60}}
store: {{type: sqlite, name: a-store, file: a.db}}
"""
_SPAN_MS = 3_600_000


class IngesterFuzz:
    """Sends mutants of messages as the edge `flood`, and sound messages as the edge `honest`."""

    def __init__(self, ingester: Qilu, link: BrokerConnection, seed: int) -> None:
        self.ingester = ingester
        self.mutants = 0
        self._link = link
        self._chance = Random(seed)
        self._begin_ms = time.time_ns() // 1_000_000 - _SPAN_MS
        self._honest = 0

    async def send(self, mutants: int) -> None:
        for _ in range(mutants):
            sound = message("flood", 7, self._chance.randint(0, 10**6), 3, self._begin_ms)
            lane = self._chance.choice(("live", "backlog"))
            with contextlib.suppress(QiluError):  # too long a message for the broker
                await self._link.publish(f"qilu/{lane}/flood", mutated(sound, self._chance), qos=0)
        self.mutants += mutants

    async def acknowledges(self) -> bool:
        """Whether a sound record of another edge becomes durable, behind all mutants sent so far."""
        offset, self._honest = self._honest, self._honest + 1
        payload = message("honest", 1, offset, 1, self._begin_ms)
        try:
            async with asyncio.timeout(WITHIN):
                await self._link.publish("qilu/live/honest", payload)
                async for reply in self._link.messages():
                    if offset in decode_ack(reply.payload).durable:
                        return True
        except TimeoutError:
            pass
        return False


@asynccontextmanager
async def fuzzed_ingester(folder: Path, seed: int) -> AsyncIterator[IngesterFuzz]:
    """An ingester at a broker without an access list."""
    with Mosquitto(folder) as broker:
        file = folder / "ingester.yaml"
        file.write_text(INGESTER.format(broker=broker.port))
        with Qilu(folder, "ingest", file, ready="connected") as ingester:
            async with BrokerConnection(MqttSettings(port=broker.port, keepalive=60), "fuzz") as link:
                await link.subscribe(["qilu/ack/honest"])
                yield IngesterFuzz(ingester, link, seed)
