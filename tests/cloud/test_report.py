"""An ingester writes its own state and the edges that should report into the store that it fills."""

from __future__ import annotations

import asyncio

from cloud.ingester import Tally
from cloud.observation import IngesterView
from cloud.report import SelfReport
from qilu.contract.accounting import FLEET, INGESTER
from qilu.contract.cloud_reports import INGESTER_POINTS
from tests.cloud.memory import MemoryStore
from tests.support.virtual_time import virtual_time


def report(store: MemoryStore, tally: Tally) -> SelfReport:
    loop = asyncio.get_running_loop()
    view = IngesterView("ingester-1", "memory", {}, "", "", 7, 0, 3, tally)
    return SelfReport(
        store, "ingester-1", ("edge-1", "edge-2"), lambda: view, lambda: 12.3, clock=loop.time,
        wall=lambda: 1_800_000_000.0 + loop.time(),
    )  # fmt: skip


@virtual_time
async def test_it_reports_itself_and_each_expected_edge_every_ten_seconds() -> None:
    store = MemoryStore()
    running = asyncio.create_task(report(store, Tally(records=5, points=50, lost_values=2)).run())
    await asyncio.sleep(31)
    running.cancel()
    assert len(store.writes) == 3
    own, *edges = store.writes[-1]
    assert own.origin.profile == INGESTER
    (reading,) = own.readings
    values = dict(zip(INGESTER_POINTS, reading.values, strict=True))
    assert values == {
        "uptime_s": 30, "queue_records": 7, "lag_s": 12.3, "records": 5, "values": 50, "rejected_records": 0,
        "deferred_records": 0, "lost_values": 2, "dropped_messages": 0, "unconfirmed_records": 3,
    }  # fmt: skip
    assert [(poll.origin.edge, poll.origin.profile) for poll in edges] == [
        ("edge-1", FLEET), ("edge-2", FLEET)
    ]  # fmt: skip


@virtual_time
async def test_a_store_that_is_away_costs_reports_and_not_the_ingester() -> None:
    store = MemoryStore(down=True)
    running = asyncio.create_task(report(store, Tally()).run())
    await asyncio.sleep(31)
    store.down = False
    await asyncio.sleep(10)
    assert not running.done()
    assert len(store.writes) == 1
    running.cancel()
