"""What every processor promises: pure, no value invented, bounded state, the same through new read plans."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import get_args

import pytest

from gateway.interfaces import DeviceMemory, Processor
from gateway.processors import ProcessorSettings
from gateway.processors.deadband import Deadband
from gateway.processors.select import PointSelector
from gateway.processors.stale import StaleDetector
from gateway.processors.unwrap import CounterUnwrapper
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import ALL_GOOD, BlockSchema, Origin, Poll, Reading, Reason, Value

POINTS = ("force", "energy", "state", "text")
ENERGY = {
    "name": "energy", "table": "input", "address": 0, "type": "uint16", "kind": "counter", "accumulate": True,
}  # fmt: skip
PROFILE = DeviceProfile.model_validate({"profile": "press", "points": [ENERGY]})
DEVICES = ("press-1", "press-2")
Make = Callable[[], Processor]
PROCESSORS: Mapping[str, Make] = {
    "select": lambda: PointSelector(["*"], ["force"]),
    "deadband": lambda: Deadband({"force": 0.5}, 60.0),
    "stale": lambda: StaleDetector(["*"], 3),
}
"""The `type:` of the settings -> one of its processors."""


@pytest.fixture(
    params=[*PROCESSORS.values(), lambda: CounterUnwrapper(dict.fromkeys(DEVICES, (PROFILE, {})))],
    ids=[*PROCESSORS, "counters"],
)
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


def test_every_processor_of_the_settings_is_tested_here_and_explained() -> None:
    models = get_args(get_args(ProcessorSettings)[0])
    types = {get_args(model.model_fields["type"].annotation)[0] for model in models}
    assert types == set(PROCESSORS), "add the new processor to this file"
    page = (Path(__file__).parents[2] / "docs/collecting.md").read_text(encoding="utf-8")
    missing = [kind for kind in types if f"`{{type: {kind}" not in page]
    assert missing == [], "docs/collecting.md needs a row that begins with `{type: NAME"


class Plan:
    """The blocks of one read plan of one device: its columns are made once, as a source does it."""

    def __init__(self, device: str, *blocks: Sequence[str]) -> None:
        origin = Origin("edge-1", device, "press")
        self.columns = [BlockSchema(origin, "fast", tuple(block)) for block in blocks]

    def poll(self, turn: int, values: Mapping[str, Value], reasons: Mapping[str, Reason]) -> Poll:
        return Poll(turn * 1000, tuple(self._reading(one, turn, values, reasons) for one in self.columns))

    def _reading(
        self, columns: BlockSchema, turn: int, values: Mapping[str, Value], reasons: Mapping[str, Reason]
    ) -> Reading:
        bad = {index: reasons[point] for index, point in enumerate(columns.points) if point in reasons}
        return Reading(
            columns, turn * 1000, tuple(values[point] for point in columns.points), bad or ALL_GOOD
        )


def turns() -> list[tuple[dict[str, Value], dict[str, Reason]]]:
    """Values that move, freeze, wrap around and are bad for some turns, with the reasons."""
    found: list[tuple[dict[str, Value], dict[str, Reason]]] = []
    for turn in range(40):
        values: dict[str, Value] = {
            "force": 0.2 * turn if turn < 20 else 4.0,
            "energy": (65_000 + 100 * turn) % 65_536,
            "state": turn // 10,
            "text": "run" if turn % 7 else "stop",
        }
        reasons: dict[str, Reason] = {}
        if turn % 11 == 5:
            values["force"], reasons["force"] = None, Reason.TIMEOUT
        if turn % 13 == 6:
            reasons["energy"] = Reason.CLOCK_UNCERTAIN
        found.append((values, reasons))
    return found


def polls(*blocks: Sequence[str], device: str = "press-1") -> list[Poll]:
    plan = Plan(device, *blocks)
    return [plan.poll(turn, values, reasons) for turn, (values, reasons) in enumerate(turns())]


Kept = tuple[int, str, str, Value, Reason | None]
"""Time, device, point, value and reason: a value as it goes on."""


def values_of(polls_out: Sequence[Poll]) -> list[Kept]:
    return [
        (reading.time_ms, reading.columns.origin.device, point, value, reading.reasons.get(index))
        for one in polls_out
        for reading in one.readings
        for index, (point, value) in enumerate(zip(reading.columns.points, reading.values, strict=True))
    ]


def run(processor: Processor, polls_in: Sequence[Poll]) -> list[list[Kept]]:
    return [values_of(processor.process(one)) for one in polls_in]


def test_the_same_polls_always_give_the_same_and_are_not_changed(make: Make) -> None:
    given = polls(POINTS)
    before = values_of(given)
    assert run(make(), given) == run(make(), given)
    assert values_of(given) == before


def test_what_goes_on_has_the_time_of_its_poll_and_is_whole(make: Make) -> None:
    processor = make()
    for one in polls(POINTS):
        for after in processor.process(one):
            assert (after.due_ms, after.skipped, after.epoch) == (one.due_ms, one.skipped, one.epoch)
            assert after.readings
            for reading in after.readings:
                assert len(reading.values) == len(reading.columns.points)
                assert all(0 <= index < len(reading.values) for index in reading.reasons)


def test_no_point_is_invented_or_repeated_so_that_what_is_left_out_can_be_counted(make: Make) -> None:
    processor = make()
    for one in polls(POINTS[:2], POINTS[2:]):
        before = Counter(kept[:3] for kept in values_of([one]))
        after = Counter(kept[:3] for kept in values_of(processor.process(one)))
        assert after <= before


def test_a_bad_value_stays_bad_with_its_reason(make: Make) -> None:
    processor = make()
    for one in polls(POINTS):
        given = {kept[:3]: kept for kept in values_of([one])}
        for kept in values_of(processor.process(one)):
            reason = given[kept[:3]][4]
            if reason is not None:
                assert kept[4] is reason
            if reason is not None and reason.quality == "bad":
                assert kept[3] is None


def test_a_value_that_goes_on_has_the_type_that_it_had(make: Make) -> None:
    processor = make()
    for one in polls(POINTS):
        given = {kept[:3]: kept[3] for kept in values_of([one])}
        for kept in values_of(processor.process(one)):
            assert kept[3] is None or type(kept[3]) is type(given[kept[:3]])


@pytest.mark.parametrize("kind", PROCESSORS)
def test_a_processor_of_the_settings_changes_no_value(kind: str) -> None:
    processor = PROCESSORS[kind]()
    for one in polls(POINTS):
        given = {kept[:3]: kept[3] for kept in values_of([one])}
        assert all(kept[3] == given[kept[:3]] for kept in values_of(processor.process(one)))


def test_a_device_that_was_removed_begins_anew_and_no_other_one_does(make: Make) -> None:
    first, second = (polls(*([point] for point in POINTS), device=device) for device in DEVICES)
    processor, kept_on = make(), make()
    assert run(processor, [*first, *second]) == run(kept_on, [*first, *second])
    if not isinstance(processor, DeviceMemory):
        return
    processor.forget({DEVICES[0]})
    assert run(processor, first[-3:]) == run(make(), first[-3:])
    assert run(processor, second[-3:]) == run(kept_on, second[-3:])


def test_two_devices_do_not_affect_each_other(make: Make) -> None:
    first, second = (polls(POINTS, device=device) for device in DEVICES)
    together = make()
    mixed = [values_of(together.process(one)) for pair in zip(first, second, strict=True) for one in pair]
    assert mixed[0::2] == run(make(), first)
    assert mixed[1::2] == run(make(), second)


def test_a_new_read_plan_begins_nothing_again(make: Make) -> None:
    """The columns are made anew at every turn, as after a change of the plan."""
    processor, fixed = make(), make()
    for one, (values, reasons) in zip(polls(POINTS), turns(), strict=True):
        replanned = Plan("press-1", POINTS).poll(one.due_ms // 1000, values, reasons)
        assert values_of(processor.process(replanned)) == values_of(fixed.process(one))


def test_a_thousand_read_plans_leave_no_state_behind(make: Make) -> None:
    def blocks_alive() -> int:
        gc.collect()
        return sum(isinstance(item, BlockSchema) for item in gc.get_objects())

    processor = make()
    values, reasons = turns()[0]
    processor.process(Plan("press-1", POINTS).poll(0, values, reasons))
    before = blocks_alive()
    for turn in range(1, 1000):
        processor.process(Plan("press-1", POINTS[:1], POINTS[1:]).poll(turn, values, reasons))
    assert blocks_alive() <= before + 4
