"""Alarms have causes that can be measured; a stop by chance has a code of its own and no cause."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.machines import MODELS
from simulator.physics.alarms import FIRST_BY_CHANCE, Alarm, AlarmLimits
from simulator.physics.machine import State, fleet, nominal_surroundings
from simulator.sensors.layer import SensedModel, Sensors
from simulator.sensors.settings import sensors_of
from tests.simulator.simulated import day, profile

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
CAUSED = [
    (model, alarm) for model in sorted(MODELS) for alarm in MODELS[model](fleet("a")).alarms if alarm.faults
]
DT, AHEAD = 5.0, 600.0  # s
N = 10


def severity_of(values: np.ndarray, alarm: Alarm) -> np.ndarray:
    """How far a quantity is on the way to its limit, so that more is worse."""
    return -values if alarm.is_low else values


WHEN: Mapping[tuple[str, int], Callable[[Mapping[str, Any]], Any]] = {
    ("robot-cell", 10): lambda shown: np.asarray(shown["phase"]) == 4,
    ("tyre-curing-press", 10): lambda shown: (
        (np.asarray(shown["step"]) == 3) & (np.asarray(shown["step_time"]) > 30.0)
    ),
}
"""Of alarms that look at their quantity only now and then: when."""


def own_quantity(model: str, alarm: Alarm, shown: dict[str, np.ndarray]) -> np.ndarray:
    """What the alarm compares, out of what a client reads."""
    value = np.asarray(shown[alarm.point], dtype=float)
    value = value - shown[alarm.below] if alarm.below else value
    when = WHEN.get((model, alarm.code))
    return value if when is None else np.where(when(shown), value, np.nan)


def measured(model: str, alarm: Alarm) -> tuple[np.ndarray, np.ndarray]:
    """What a client reads of the quantity, and the alarm, of N machines in which the fault grows."""
    never = [{"hours_between_stops": 1e9}] * N
    names = [f"m{number}" for number in range(N)]
    machines = MODELS[model](fleet(*names, seed=21, parameters=never))
    kinds = sensors_of(profile(model), "real", physics=True)
    own = {alarm.point: kinds[alarm.point]}
    sensors = Sensors([SensedModel(profile(model), names, [own] * N)], 21)
    start = np.linspace(1200.0, 3600.0, N)
    shown, codes = [], []
    for step in range(int(4.5 * 3600 / DT)):
        machines.severity[alarm.faults[0]][:] = np.clip((step * DT - start) / 10_800.0, 0.0, 1.0)
        machines.step(DT, nominal_surroundings(N, ambient=30.0, outside=32.0))
        values = machines.values()
        sensors.follow([values], step * DT)
        read = {**values, **sensors.read([values], step * DT)[0]}
        shown.append(own_quantity(model, alarm, read))
        codes.append(np.array(values["alarm"]))
    return np.array(shown), np.array(codes)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "alarm"), CAUSED, ids=[f"{m} {a.code}" for m, a in CAUSED])
def test_a_threshold_on_the_own_quantity_of_an_alarm_sees_its_trip_ten_minutes_ahead(
    model: str, alarm: Alarm
) -> None:
    week = day(model).values
    running = np.asarray(week["state"]) == State.RUNNING
    if model == "ring-spinning-frame":  # the fan runs up again after a stop
        running[12:] &= running[:-12]
    calm = severity_of(own_quantity(model, alarm, dict(week)), alarm)
    limit = float(severity_of(np.array(alarm.limit), alarm))
    worst = float(np.nanmax(calm[:, :4][running[:, :4]]))  # of the machines that the threshold is set on
    threshold = worst + 0.25 * (limit - worst)
    assert worst < limit

    alarms = np.count_nonzero((calm > threshold) & running, axis=0)
    assert np.count_nonzero(alarms) <= 1  # machine-days with a false alarm in a machine-week

    quantity, codes = measured(model, alarm)
    bad = severity_of(quantity, alarm) > threshold
    seen, ahead = [], round(AHEAD / DT)
    for number in range(N):
        trips = np.flatnonzero(codes[:, number] == alarm.code)
        assert len(trips), "the fault does not lead to the alarm"
        before = bad[max(trips[0] - 720, 0) : max(trips[0] - ahead, 0), number]
        seen.append(bool(before.any()))
    assert np.mean(seen) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("model", ["centrifugal-pump", "screw-air-compressor"])
def test_nothing_tells_of_a_stop_by_chance_before_it_comes(model: str) -> None:
    names = [f"m{number}" for number in range(80)]
    often = [{"hours_between_stops": 1.5, "repair_minutes": 5.0}] * len(names)
    machines = MODELS[model](fleet(*names, seed=4, parameters=often))
    points = [alarm.point for alarm in machines.alarms]
    record: dict[str, list[np.ndarray]] = {name: [] for name in ("state", "alarm", *points)}
    for _ in range(2400):
        machines.step(10.0, nominal_surroundings(len(names)))
        values = machines.values()
        for name, seen in record.items():
            seen.append(np.array(values[name], dtype=float))
    state, code = np.array(record["state"]), np.array(record["alarm"])
    assert set(np.unique(code)) <= {0.0, *range(FIRST_BY_CHANCE, FIRST_BY_CHANCE + 4)}
    stops = (code[1:] >= FIRST_BY_CHANCE) & (state[:-1] == State.RUNNING) & (state[1:] == State.FAULT)
    soon = np.zeros(state.shape, dtype=bool)
    for back in range(60):
        soon[: len(stops) - back] |= stops[back:]
    soon[:-60] &= state[:-60] == State.RUNNING
    asked = (state == State.RUNNING)[360:-60]
    for point in points:
        quantity = np.array(record[point])[360:-60][asked]
        assert abs(auc(quantity, soon[360:-60][asked]) - 0.5) < 0.05


def auc(score: np.ndarray, label: np.ndarray) -> float:
    """Area under the receiver operating characteristic, by ranks."""
    ranks = np.empty(len(score))
    ranks[np.argsort(score, kind="stable")] = np.arange(1, len(score) + 1)
    positive = int(label.sum())
    summed = ranks[label].sum() - positive * (positive + 1) / 2
    return float(summed / (positive * (len(label) - positive)))


def test_an_alarm_comes_at_its_limit_and_stays_until_its_quantity_is_well_back() -> None:
    limits = AlarmLimits((Alarm(10, "hot", 100.0, 90.0), Alarm(11, "low", 5.0, 8.0)), 1)
    codes = []
    for hot, low in ((95, 9), (101, 9), (95, 9), (89, 9), (50, 4), (50, 7), (50, 8.5), (101, 4)):
        limits.check(np.array([float(hot)]), np.array([float(low)]))
        codes.append(int(limits.codes[0]))
    assert codes == [0, 10, 10, 0, 11, 11, 0, 10]


@pytest.mark.parametrize("model", sorted(set(MODELS) - {"pv-inverter", "three-phase-energy-meter"}))
def test_the_codes_of_a_profile_are_those_of_its_machine(model: str) -> None:
    machines = MODELS[model](fleet("a"))
    known = set(profile(model).point("alarm").enum or {})
    own = {alarm.code for alarm in machines.alarms}
    assert {code for code in known if 10 <= code < FIRST_BY_CHANCE} == own
    by_chance = {code for code in known if code >= FIRST_BY_CHANCE}
    assert by_chance == {FIRST_BY_CHANCE + number for number in range(len(by_chance))}
    assert len(by_chance) == machines.operation._stops  # type: ignore[attr-defined]


def test_the_page_lists_every_alarm_with_its_limit() -> None:
    rows = re.findall(
        r"^\| `(\S+)` \| (\d+) [^|]*\| `(\w+)` ([^|]*)\| ([\d.−-]+)[^|]*\| ([^|]*)\|$", PAGE, re.MULTILINE
    )
    printed = {
        (model, int(code), point, float(limit.replace("−", "-")), tuple(re.findall(r"`(\w+)`", faults)))
        for model, code, point, _, limit, faults in rows
    }
    machines = {model: MODELS[model](fleet("a")) for model in MODELS}
    assert printed == {
        (model, alarm.code, alarm.point, alarm.limit, alarm.faults)
        for model, of in machines.items()
        for alarm in of.alarms
    }
