"""Everything that one edge with a password can do to a broker and to others, at once.

python -m tests.attacks.attackers: a process of its own, which takes half a core at most and prints how
often each attack was tried.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any

from qilu.config.tls import TlsSettings
from qilu.contract.errors import QiluError
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from tests.fuzz.mutations import message, mutated

CPU_SHARE = 0.5
CONNECTIONS = 300
USER = "edge-3"
"""Whose password was stolen."""
_RECORDS = 100  # in one message of the flood
_PAUSE_S = 0.02


class Attackers:
    """All attacks of one user, each in a task."""

    def __init__(self, port: int, secrets: Path, random: Random) -> None:
        self.tried: Counter[str] = Counter()
        self._port = port
        self._settings = MqttSettings(
            port=port,
            username=USER,
            password_file=secrets / f"{USER}.password",
            tls=TlsSettings(ca=secrets / "ca.pem"),
        )
        self._random = random
        self._link: BrokerConnection | None = None

    async def run(self) -> None:
        attacks: list[Callable[[], Coroutine[Any, Any, None]]] = [
            self.flood, self.poison, self.store_retained, self.publish_for_others, self.join_the_share,
            self.take_ids, self.hold_connections,
        ]  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.keep_a_link())
            for attack in attacks:
                tasks.create_task(self.repeat(attack))

    async def keep_a_link(self) -> None:
        """The session that its user has; each attack uses it."""
        while True:
            with contextlib.suppress(QiluError):
                async with BrokerConnection(self._settings, f"qilu-{USER}") as link:
                    self._link = link
                    async for _ in link.messages():
                        pass
            self._link = None
            await asyncio.sleep(0.5)

    async def repeat(self, attack: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            self.tried[attack.__name__] += 1
            with contextlib.suppress(QiluError, OSError):
                await attack()
            await asyncio.sleep(_PAUSE_S)

    async def flood(self) -> None:
        await self._publish("qilu/live", message(USER, 7, 0, _RECORDS, time.time_ns() // 10**6))

    async def poison(self) -> None:
        sound = message(USER, 8, self._random.randint(0, 10**6), 3, time.time_ns() // 10**6)
        await self._publish("qilu/live", mutated(sound, self._random))

    async def store_retained(self) -> None:
        below = self._random.choice(["", f"/{self._random.randint(0, 10**6)}"])
        await self._publish("qilu/backlog", bytes(100_000), below=below, retain=True)

    async def publish_for_others(self) -> None:
        victim = self._random.choice(["edge-1", "edge-2"])
        topic = self._random.choice(["qilu/ack", "qilu/live", "qilu/status"])
        await self._publish(topic, b'{"qilu":1,"store":"influx-store","durable":"0-999999"}', edge=victim)

    async def join_the_share(self) -> None:
        if self._link is not None:
            await self._link.subscribe(["$share/influx-store/qilu/live/#"])

    async def take_ids(self) -> None:
        name = self._random.choice(["edge-1", "edge-2", "ingester", "viewer"])
        async with BrokerConnection(self._settings, f"qilu-{name}"):
            await asyncio.sleep(1)

    async def hold_connections(self) -> None:
        """So many connections that never log in."""
        opened = []
        try:
            for _ in range(CONNECTIONS):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                opened.append(writer)
            await asyncio.sleep(20)
        finally:
            for writer in opened:
                writer.close()

    async def _publish(
        self, prefix: str, payload: bytes, *, edge: str = USER, below: str = "", retain: bool = False
    ) -> None:
        if self._link is not None:
            await self._link.publish(f"{prefix}/{edge}{below}", payload, retain=retain)


async def bounded(attackers: Attackers, seconds: float) -> None:
    """Run for so long, on half a core: stopped for a moment whenever it has used more."""
    running = asyncio.create_task(attackers.run())
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < seconds and not running.done():
        if (over := time.process_time() - CPU_SHARE * passed) > 0:
            time.sleep(min(over / CPU_SHARE, 0.5))  # noqa: ASYNC251 - all of it has to stop
        await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.wait([running])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--secrets", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    os.nice(5)
    attackers = Attackers(args.port, args.secrets, Random(args.seed))
    asyncio.run(bounded(attackers, args.seconds))
    json.dump(attackers.tried, sys.stdout)


if __name__ == "__main__":
    main()
