"""Lets happen what a script says, and remembers which Modbus requests that may have cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from tests.campaign.script import LEAD, Act
from tests.campaign.works import TIMEOUT, Works
from tests.system.programs import now_ms
from tests.system.verdict import SERVED_LATE_MS, Fault


class Conductor:
    """Performs one script on one works."""

    def __init__(self, works: Works, tell: Callable[[str], None]) -> None:
        self.faults: list[Fault] = []
        """Of links that carry Modbus; kills of the gateway are in its own list."""
        self._works = works
        self._tell = tell

    async def perform(self, script: Sequence[Act]) -> None:
        """Return when all of it has happened and is mended; AssertionError when a program ended by itself."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        async with asyncio.TaskGroup() as tasks:
            for act in script:
                await asyncio.sleep(start + act.at - loop.time())
                self._tell(str(act))
                tasks.create_task(self._act(act), name=str(act))
        for program in self._works.programs.values():
            assert program.runs, f"{program.name} ended by itself:\n{program.log_end()}"

    async def _act(self, act: Act) -> None:
        if act.what == "kill":
            await self._kill(act)
        elif act.what == "fill":
            await self._fill(act.lasts)
        elif act.what == "step":
            self._works.clock.set(act.size)
            self._works.road.clock_steps.append(now_ms())
        elif act.what == "join":
            self._works.ghost.launch()
            await asyncio.sleep(act.lasts)
            self._works.ghost.kill()
        else:
            await self._disturb(act)

    async def _kill(self, act: Act) -> None:
        program = self._works.programs[act.target]
        if act.size:
            await self._be_slow(list(self._works.urls), act.size)
        assert program.runs, f"{act.target} ended by itself:\n{program.log_end()}"
        program.kill()
        if act.size:
            self._be_fast(list(self._works.urls))
        await asyncio.sleep(act.lasts)
        program.launch()

    async def _be_slow(self, names: Sequence[str], delay: float) -> None:
        for name in names:
            self._works.wires[name].delay = delay
        await asyncio.sleep(LEAD)

    def _be_fast(self, names: Sequence[str]) -> None:
        for name in names:
            self._works.wires[name].delay = 0.0

    async def _fill(self, seconds: float) -> None:
        disk, loop = self._works.disk, asyncio.get_running_loop()
        end = loop.time() + seconds
        try:
            while loop.time() < end:
                disk.fill()
                await asyncio.sleep(0.1)
        finally:
            disk.release()

    async def _disturb(self, act: Act) -> None:
        wire = self._works.wires[act.target]
        url = self._works.urls.get(act.target)
        if act.size and act.what != "slow":
            await self._be_slow([act.target], act.size)
        if url is not None and act.what != "slow":
            name, now = f"open when {act.target} was {act.what}", now_ms()
            self.faults.append(Fault(name, url, now - int(TIMEOUT * 1000), now + SERVED_LATE_MS))
        if act.what == "cut":
            wire.cut()
        elif act.what == "silence":
            wire.silence()
        elif act.what == "slow":
            wire.delay = act.size
        else:
            wire.reset()
        await asyncio.sleep(act.lasts)
        await wire.mend()
