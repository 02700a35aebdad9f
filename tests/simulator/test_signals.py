"""The small numeric pieces: exact for any step, reproducible for any company."""

import numpy as np
import pytest

from simulator.physics.cycle import Cycle
from simulator.physics.machine import State, fleet
from simulator.physics.noise import BLOCK, Noise
from simulator.physics.operation import LEGAL, Operation, waits
from simulator.physics.signals import OUNoise, chance, hysteresis, lag, ramp


@pytest.mark.parametrize("steps", [1, 7, 100])
def test_a_lag_is_exact_for_any_number_of_steps(steps: int) -> None:
    value = np.array([10.0])
    for _ in range(steps):
        value = lag(value, 30.0, 5.0, 5.0 / steps)
    assert value[0] == pytest.approx(30.0 - 20.0 * np.exp(-1.0), rel=1e-12)


def test_a_ramp_stops_on_its_target() -> None:
    values = np.array([0.0, 9.5, 20.0])
    assert ramp(values, 10.0, 2.0, 1.0).tolist() == [2.0, 10.0, 18.0]


def test_hysteresis_switches_at_its_two_points_and_keeps_its_state_between() -> None:
    on = np.array([False, True, False, True])
    assert hysteresis(on, np.array([1.0, 5.0, 5.0, 9.0]), 2.0, 8.0).tolist() == [True, True, False, False]


@pytest.mark.parametrize("dt", [0.1, 1.0, 10.0])
def test_wandering_has_its_deviation_and_its_memory_whatever_the_step(dt: float) -> None:
    names = [str(index) for index in range(400)]
    wander = OUNoise(Noise(1, names), 2.0, 20.0)
    begin = wander.value.copy()
    for _ in range(round(20.0 / dt)):
        wander.step(dt)
    assert wander.value.std() == pytest.approx(2.0, rel=0.15)
    assert np.corrcoef(begin, wander.value)[0, 1] == pytest.approx(np.exp(-1.0), abs=0.12)


def test_chance_happens_as_often_as_its_rate_says() -> None:
    noise = Noise(3, [str(index) for index in range(1000)])
    happened = sum(int(chance(noise, 0.01, 10.0).sum()) for _ in range(100))
    assert happened / 100_000 == pytest.approx(1.0 - np.exp(-0.1), rel=0.05)


def test_noise_of_a_device_does_not_depend_on_who_stands_beside_it() -> None:
    alone, among = Noise(9, ["b"]), Noise(9, ["a", "b", "c"])
    for _ in range(2 * BLOCK + 3):
        assert alone.normal()[0] == among.normal()[1]
        assert alone.uniform()[0] == among.uniform()[1]
    assert alone.spread()[0] == among.spread()[1]


def test_noise_differs_by_seed_and_by_device() -> None:
    one, two = Noise(1, ["a", "b"]), Noise(2, ["a", "b"])
    first, second = one.normal(), two.normal()
    assert len({*first.tolist(), *second.tolist()}) == 4


def test_the_first_draws_of_a_device_are_these() -> None:
    # the same on every platform: whoever changes the streams changes every recorded data set
    assert Noise(42, ["cnc-1"]).uniform()[0] == pytest.approx(FIRST_UNIFORM, abs=1e-15)


FIRST_UNIFORM = 0.583201446848898


def test_a_cycle_takes_and_makes_one_part_each_time_round_and_waits_at_its_start() -> None:
    cycle = Cycle(np.array([[2.0, 3.0]]), np.zeros(1))
    running, may = np.array([True]), np.array([True])
    phases, took, made = [], 0, 0
    for _ in range(20):
        cycle.step(1.0, running, may)
        phases.append(int(cycle.phase[0]))
        took += int(cycle.took[0])
        made += int(cycle.parts[0])
    assert phases[:5] == [0, 1, 1, 1, 0]
    assert (took, made) == (3, 4)
    for _ in range(10):
        cycle.step(1.0, running, np.array([False]))
    assert (int(cycle.phase[0]), bool(cycle.at_start[0])) == (0, True)


def test_a_cycle_that_does_not_run_stands_where_it_is() -> None:
    cycle = Cycle(np.array([[2.0, 3.0]]), np.array([0.5]))
    before = cycle.clock[0]
    cycle.step(1.0, np.array([False]), np.array([True]))
    assert cycle.clock[0] == before


def test_a_faster_programme_has_a_shorter_cycle() -> None:
    cycle = Cycle(np.array([[20.0, 30.0]]), np.zeros(1))
    for _ in range(250):
        cycle.step(0.5, np.array([True]), np.array([True]), 2.0)
    assert cycle.last_time[0] == pytest.approx(25.0, abs=0.51)


def test_states_change_only_in_legal_ways_whatever_happens_to_a_machine() -> None:
    n = 300
    rng = np.random.default_rng(0)
    operation = Operation(
        fleet(*[str(index) for index in range(n)]),
        stops=3,
        hours_between_stops=0.02,
        repair_minutes=0.3,
        setup_minutes=0.3,
    )
    seen = set()
    for _ in range(3000):
        old = operation.state.copy()
        operation.step(
            1.0,
            on=rng.random(n) < 0.9,
            wait=np.where(rng.random(n) < 0.1, 2, 0),
            trip=np.where(rng.random(n) < 0.01, 11, 0),
            setup=rng.random(n) < 0.02,
        )
        changed = old != operation.state
        seen |= set(zip(old[changed].tolist(), operation.state[changed].tolist(), strict=True))
    legal = {(int(old), int(new)) for old, news in LEGAL.items() for new in news}
    assert seen == legal


def test_a_fault_lasts_about_its_repair_time_and_names_its_alarm() -> None:
    n = 500
    operation = Operation(
        fleet(*[str(i) for i in range(n)]), stops=1, hours_between_stops=1e6, repair_minutes=5.0
    )
    on = np.ones(n, dtype=bool)
    operation.step(1.0, on=on, trip=np.full(n, 13))
    assert (operation.state == State.FAULT).all()
    assert (operation.alarm == 13).all()
    lasted = np.zeros(n)
    for _ in range(3000):
        operation.step(1.0, on=on)
        lasted += operation.state == State.FAULT
    assert np.median(lasted) == pytest.approx(300.0, rel=0.15)
    assert (operation.alarm[operation.state == State.RUNNING] == 0).all()


def test_the_first_reason_to_wait_is_the_one_that_is_reported() -> None:
    reported = waits((4, np.array([True, False, False])), (1, np.array([True, True, False])), n=3)
    assert reported.tolist() == [4, 1, 0]
