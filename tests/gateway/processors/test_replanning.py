"""A new read plan spreads points over other blocks: processors neither grow with it nor begin again."""

import gc
from collections.abc import Iterable

import pytest

from gateway.interfaces import Processor
from gateway.processors.deadband import Deadband
from gateway.processors.select import PointSelector
from gateway.processors.stale import StaleDetector
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason, Value

ORIGIN = Origin("edge-1", "press-1", "press")
VALUES: dict[str, Value] = {"force": 1.0, "temperature": 20.0, "state": 3}


def poll(time_ms: int, *blocks: Iterable[str]) -> Poll:
    """One poll of blocks that were just planned: each has columns of its own."""
    readings = []
    for points in map(tuple, blocks):
        columns = BlockSchema(ORIGIN, "fast", points)
        readings.append(Reading(columns, time_ms, tuple(VALUES[point] for point in points)))
    return Poll(time_ms, tuple(readings))


def test_a_frozen_value_stays_stale_when_its_point_moves_to_another_block() -> None:
    stale = StaleDetector(["temperature"], 3)
    for second in range(3):
        stale.process(poll(second, ("force", "temperature", "state")))
    (after,) = stale.process(poll(3, ("force",), ("temperature", "state")))
    assert [dict(reading.reasons) for reading in after.readings] == [{}, {0: Reason.STALE}]


def test_an_unmoved_value_stays_suppressed_when_its_point_moves_to_another_block() -> None:
    deadband = Deadband({}, 60.0)
    assert deadband.process(poll(0, ("force", "temperature", "state")))
    assert not deadband.process(poll(1, ("force",), ("temperature", "state")))


@pytest.mark.parametrize(
    "processor",
    [PointSelector(["*"], ["force"]), Deadband({}, 60.0), StaleDetector(["*"], 3)],
    ids=["select", "deadband", "stale"],
)
def test_ten_thousand_new_plans_leave_nothing_behind(processor: Processor) -> None:
    def blocks_alive() -> int:
        gc.collect()
        return sum(isinstance(item, BlockSchema) for item in gc.get_objects())

    processor.process(poll(0, ("force", "temperature", "state")))
    before = blocks_alive()
    for time_ms in range(10_000):
        processor.process(poll(time_ms, ("force", "temperature"), ("state",)))
    assert blocks_alive() <= before + 2
