"""Real time for a plant: ticks at their due times without drift, faster or slower, or held."""

import asyncio

from simulator.plant import Plant

# real seconds; what is further behind is given up, so that a stalled plant does not race afterwards
MAX_LAG = 1.0


class Clock:
    """Advances a plant in real time. `speed` and `paused` may be changed while it runs, from the same
    loop.
    """

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.speed = plant.settings.speed
        self.paused = False
        self.ticks_given_up = 0

    async def run(self) -> None:
        """Until cancelled. At a speed that the machine cannot hold the plant runs as fast as it can."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            period = self.plant.settings.step / self.speed
            due += period
            await asyncio.sleep(max(due - loop.time(), 0.0))
            if not self.paused:
                self.plant.advance()
            late = loop.time() - due
            if late > MAX_LAG:
                self.ticks_given_up += int(late / period)
                due += int(late / period) * period
