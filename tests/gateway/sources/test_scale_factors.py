"""Values and scale factors that a device changes together: never one of before with one of after."""

from __future__ import annotations

import pytest

from gateway.sources.modbus.planning.plan import plan
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin
from qilu.modbus.read_functions import read_response
from tests.gateway.sources.peer import Asked, Line, Peer, World
from tests.support.virtual_time import run

FACTOR = 40257
TRACKERS = [40274 + 20 * tracker for tracker in range(12)]


def inverter(*, last: int = 12, factor_table: str = "holding") -> DeviceProfile:
    """SunSpec model 160: the factor stands at its start, the trackers follow, 248 registers in all."""
    values = [
        {
            "name": f"p{address}",
            "table": "holding",
            "address": address,
            "type": "uint16",
            "scale": {"point": "sf"},
        }
        for address in TRACKERS[:last]
    ]
    factor = {"name": "sf", "table": factor_table, "address": FACTOR, "type": "int16"}
    return DeviceProfile.model_validate({"profile": "mppt", "points": [factor, *values]})


def changing(period: float) -> Peer:
    """Every tracker has 500 W: 5000 with the factor -1 or 500 with 0, in turns. A request takes 60 ms."""

    def reply(line: Line, asked: Asked) -> None:
        scaled = int(line.loop.time() / period) % 2
        registers = {FACTOR: 0xFFFF if scaled else 0} | dict.fromkeys(TRACKERS, 5000 if scaled else 500)
        function, first, count = asked.read
        data = b"".join(registers.get(at, 0).to_bytes(2) for at in range(first, first + count))
        line.say(line.frame(asked, read_response(function, data)))

    def behave(line: Line, asked: Asked) -> None:
        line.loop.call_later(0.06, reply, line, asked)

    return Peer(behave)


@pytest.mark.parametrize("factor_table", ["holding", "input"])
@pytest.mark.parametrize("last", [1, 12])
@pytest.mark.parametrize(("period", "share"), [(0.31, 0.0), (0.71, 0.6), (3.7, 0.95)])
def test_no_value_is_scaled_by_a_factor_of_another_moment(
    period: float, share: float, last: int, factor_table: str
) -> None:
    meter = inverter(last=last, factor_table=factor_table)
    polls, _ = run(World("memory").polls(changing(period), 300, meter=meter))
    good = [
        value
        for poll in polls
        for reading in poll.readings
        for point, value in zip(reading.columns.points, reading.values, strict=True)
        if point != "sf" and value is not None
    ]
    assert set(good) <= {500.0}
    assert len(good) >= share * 300 * last


def spans(meter: DeviceProfile) -> list[list[str]]:
    read = plan(meter, "default", Origin("edge-1", "inverter-1", "mppt"))
    return [list(block.columns.points) for block in read.blocks]


def test_the_plan_keeps_a_value_and_its_factor_in_one_request_where_it_can() -> None:
    """The gap of 100 registers costs more than a request; the factor is worth it."""
    rows = [
        {"name": "sf", "table": "holding", "address": 0, "type": "int16"},
        {"name": "power", "table": "holding", "address": 100, "type": "int16", "scale": {"point": "sf"}},
        {"name": "far", "table": "holding", "address": 300, "type": "int16"},
    ]
    meter = DeviceProfile.model_validate({"profile": "mppt", "points": rows})
    assert spans(meter) == [["sf", "power"], ["far"]]
    read = plan(inverter(), "default", Origin("edge-1", "inverter-1", "mppt"))
    assert "sf" in read.blocks[0].columns.points
    assert [(block.span.first, block.span.count) for block in read.factors] == [(FACTOR, 1)]
    assert plan(meter, "default", Origin("edge-1", "inverter-1", "mppt")).factors == ()
