"""Parts of the road are killed while machines are polled: nothing is lost, nothing is stored twice.

SIGKILL, as a power cut of the process: nobody says goodbye, nobody writes anything down.
"""

import asyncio
from collections import Counter
from pathlib import Path

from tests.servers import Mosquitto, VictoriaMetrics
from tests.system.ledger import Ledger
from tests.system.programs import Qilu, now_ms
from tests.system.road import Road
from tests.system.strangers import publish_garbage_for_records

BROKER_AWAY = 10.0
"""Seconds; the other outages last as long as a supervisor takes to start a process again."""

HORIZON = 12.0
"""Seconds after which VictoriaMetrics has on disk what it was given: ten, and some for a busy machine."""


async def test_killed_broker_gateway_and_ingester_cost_only_requests_that_were_open(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    store = {"type": "sqlite", "file": "store.db"}
    async with Road(tmp_path, {"port": mosquitto.port}, store) as road:
        await road.flows()
        await killed_and_started(road.gateway)
        await road.flows()
        mosquitto.kill()
        await killed_and_started(road.gateway)  # opens its spool, and collects on, without a broker
        await asyncio.to_thread(mosquitto.start)
        await road.flows()

        # Last what this gateway must get over itself: the next one would deliver all that it forgot.
        began = now_ms()
        mosquitto.kill()
        await asyncio.sleep(BROKER_AWAY)
        ended = now_ms()
        await asyncio.to_thread(mosquitto.start)
        await road.flows()
        await killed_and_started(road.ingesters[0])
        await road.flows()

        verdict = await road.settled()
        assert verdict.findings == [], road.logs()
        assert_polled_all_the_time(verdict.ledger, began, ended, road)
        await road.stop()


async def test_of_two_ingesters_one_dies_and_their_store_forgets(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    with VictoriaMetrics(tmp_path) as metrics:
        store = {
            "type": "influx",
            "server": "victoriametrics",
            "url": metrics.url,
            "durability_delay": f"{HORIZON:g}s",
        }
        async with Road(tmp_path, {"port": mosquitto.port}, store, ingesters=2) as road:
            first, second = road.ingesters
            await road.flows()

            publish_garbage_for_records(mosquitto)  # nobody can see to it that none comes just then
            first.kill()
            await road.flows()  # the other one does it alone
            await asyncio.to_thread(first.start)
            await road.flows()

            before = await road.ledger()
            metrics.kill()
            second.kill()  # and with it all that it knew of what was written
            await asyncio.to_thread(metrics.start)
            await asyncio.to_thread(second.start)
            after = await road.ledger()
            assert set(before.stored) - set(after.stored), "the store forgot nothing, so nothing is proven"

            verdict = await road.settled()
            assert verdict.findings == [], road.logs()
            assert set(before.stored) <= set(verdict.ledger.stored)
            assert "Traceback" not in road.logs()
            await road.stop()


async def killed_and_started(program: Qilu) -> None:
    """SIGKILL, and a new start at once."""
    program.kill()
    await asyncio.to_thread(program.start)


def assert_polled_all_the_time(ledger: Ledger, start_ms: int, end_ms: int, road: Road) -> None:
    """Every machine was asked in the outage as often as before it, but for the start of a gateway."""
    asked = Counter(one.device for one in ledger.served if start_ms < one.time_ms < end_ms)
    assert min(asked[device] for device in road.devices) > 0.5 * BROKER_AWAY / road.period, asked
