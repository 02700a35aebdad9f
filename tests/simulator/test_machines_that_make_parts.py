"""Physics of the machines with a work cycle: machining, moulding, curing, spinning, packing, handling."""

from typing import Any

import numpy as np
import pytest

from simulator.machines import MODELS
from simulator.physics.machine import Machines, State, Surroundings, fleet, nominal_surroundings
from simulator.physics.utility import Utility
from tests.simulator.simulated import DAY_STEP, day, stepped

CNC = "cnc-machining-centre"
MOULDING = "injection-moulding-machine"
CURING = "tyre-curing-press"
SPINNING = "ring-spinning-frame"
PACKING = "conveyor-packaging-line"
ROBOT = "robot-cell"

makers = pytest.mark.parametrize("model", [CNC, CURING, PACKING, ROBOT])


def now(machines: Machines, point: str) -> float:
    return float(machines.values()[point][0])


def run(
    machines: Machines, seconds: float, surroundings: Surroundings | None = None, dt: float = 1.0
) -> None:
    for _ in range(int(seconds / dt)):
        machines.step(dt, surroundings or nominal_surroundings(1))


@makers
def test_parts_taken_are_parts_made_but_for_the_one_in_the_machine(model: str) -> None:
    machines = MODELS[model](fleet(*"abcd", seed=2))
    taken, made = np.zeros(4), np.zeros(4)
    for _ in range(7200):
        machines.step(1.0, nominal_surroundings(4))
        passed = machines.passes()
        assert passed is not None
        taken += passed[0]
        made += passed[1]
    scrap = np.maximum(taken - made - 1, 0)
    assert (made > 0).all()
    assert (made <= taken + 1).all()
    assert (scrap <= 0.05 * taken + 1).all()


@makers
def test_a_machine_without_parts_waits_and_says_so(model: str) -> None:
    machines = stepped(model)
    run(machines, 1200, nominal_surroundings(1, parts=np.zeros(1)))
    assert (now(machines, "state"), now(machines, "alarm")) == (State.IDLE, 1)
    passed = machines.passes()
    assert passed is not None
    assert passed[1][0] == 0


@makers
def test_a_machine_without_room_behind_it_waits_and_says_so(model: str) -> None:
    machines = stepped(model)
    run(machines, 1200, nominal_surroundings(1, room=np.zeros(1)))
    assert (now(machines, "state"), now(machines, "alarm")) == (State.IDLE, 2)


@pytest.mark.parametrize("model", [CNC, MOULDING, CURING, SPINNING, PACKING, ROBOT])
def test_nobody_works_in_a_break(model: str) -> None:
    machines = stepped(model)
    run(machines, 9000, nominal_surroundings(1, working=False), dt=5.0)
    assert (now(machines, "state"), now(machines, "alarm")) == (State.IDLE, 3)


def test_more_cutting_load_means_more_current_and_a_warmer_winding() -> None:
    values = day(CNC).values
    load, current = values["spindle_load"].ravel(), values["spindle_current"].ravel()
    assert np.corrcoef(load, current)[0, 1] > 0.95
    slow, fast = stepped(CNC), stepped(CNC)
    fast.write(0, "feed_override", 140.0)
    slow.write(0, "feed_override", 50.0)
    for machines in (slow, fast):
        run(machines, 5400, dt=6.0)
    assert now(fast, "winding_temperature") > now(slow, "winding_temperature") + 2.0


def test_a_spindle_that_stops_cools_with_the_time_constant_of_its_winding() -> None:
    machines = stepped(CNC, steps=600)
    machines.write(0, "machine_on", 0.0)
    run(machines, 30)
    begin = now(machines, "winding_temperature") - 22.0
    run(machines, 1200)
    assert now(machines, "winding_temperature") - 22.0 == pytest.approx(begin * np.exp(-1.0), rel=0.02)
    assert now(machines, "state") == State.OFF
    assert now(machines, "power") == pytest.approx(0.05)


def test_a_mill_moves_along_the_contour_at_the_feed_rate() -> None:
    machines: Any = stepped(CNC, steps=60)
    dt, compared = 0.05, 0
    for _ in range(3000):
        x, y, z = (now(machines, f"{axis}_position") for axis in "xyz")
        machines.step(dt, nominal_surroundings(1))
        way = float(np.hypot(now(machines, "x_position") - x, now(machines, "y_position") - y))
        mills = machines.cutting[0] and machines.tool[0] in (0, 1, 4, 5)
        if mills and z == now(machines, "z_position") < 0.0:
            assert way / dt * 60.0 == pytest.approx(now(machines, "feed_rate"), rel=1e-3, abs=1e-3)
            compared += 1
    assert compared > 500


def test_feed_override_shortens_the_cycle() -> None:
    nominal, slow = stepped(CNC, cycle_factor=1.0), stepped(CNC, cycle_factor=1.0)
    slow.write(0, "feed_override", 50.0)
    for machines in (nominal, slow):
        run(machines, 1500)
    cutting = 34 + 42 + 18 + 12 + 26 + 9
    assert now(slow, "cycle_time") - now(nominal, "cycle_time") == pytest.approx(cutting, abs=10)


def test_heat_of_the_shots_goes_through_the_mould_into_the_cooling_water() -> None:
    values = day(MOULDING).values
    shots = values["shot_count"][-1] - values["shot_count"][0]
    heat = values["cooling_power"].sum(axis=0) * DAY_STEP
    per_shot = 0.42 * 2.1 * (values["barrel_zone_3"].mean(axis=0) - values["mould_temperature"].mean(axis=0))
    assert heat == pytest.approx(shots * per_shot, rel=0.08)


def test_warmer_cooling_water_makes_a_warmer_mould() -> None:
    cold, warm = stepped(MOULDING), stepped(MOULDING)
    level = {**nominal_surroundings(1).level, Utility.COOLING: np.array([20.0])}
    run(cold, 3000)
    run(warm, 3000, nominal_surroundings(1, level=level))
    assert now(warm, "mould_temperature") == pytest.approx(now(cold, "mould_temperature") + 8.0, abs=1.2)


def test_the_barrel_reaches_a_new_set_point_and_the_machine_waits_for_it() -> None:
    machines = stepped(MOULDING, steps=100)
    machines.write(0, "barrel_temperature_set", 255.0)
    run(machines, 5)
    assert (now(machines, "state"), now(machines, "alarm")) == (State.IDLE, 5)
    run(machines, 900)
    assert now(machines, "state") == State.RUNNING
    assert now(machines, "barrel_zone_3") == pytest.approx(255.0, abs=0.5)


def test_a_shorter_cooling_time_shortens_the_cycle() -> None:
    machines = stepped(MOULDING, cycle_factor=1.0)
    run(machines, 300, dt=0.5)
    before = now(machines, "cycle_time")
    machines.write(0, "cooling_time_set", 9.0)
    run(machines, 300, dt=0.5)
    assert before - now(machines, "cycle_time") == pytest.approx(5.0, abs=1.0)


def test_a_tyre_is_cured_by_the_end_of_the_cycle_and_a_cold_press_makes_scrap() -> None:
    hot, cold = stepped(CURING), stepped(CURING)
    cold.write(0, "platen_temperature_set", 152.0)
    for machines in (hot, cold):
        run(machines, 4000)
    assert now(hot, "last_equivalent_cure") > 20.0
    assert now(cold, "last_equivalent_cure") < 20.0
    scrap = now(cold, "scrap_count")
    run(cold, 1800)
    assert now(cold, "scrap_count") >= scrap + 2


def test_a_press_uses_as_much_steam_as_it_gives_heat() -> None:
    values = day(CURING).values
    used = values["steam_mass"][-1] - values["steam_mass"][0]
    assert used == pytest.approx(values["steam_flow"].sum(axis=0) * DAY_STEP / 3600.0, rel=0.01)
    tyres = values["tyre_count"][-1] - values["tyre_count"][0]
    assert (used / tyres > 3.0).all()
    assert (used / tyres < 15.0).all()


def test_a_press_without_steam_does_not_begin() -> None:
    machines = stepped(CURING)
    level = {**nominal_surroundings(1).level, Utility.STEAM: np.array([5.0])}
    run(machines, 1200, nominal_surroundings(1, level=level))
    assert (now(machines, "state"), now(machines, "alarm")) == (State.IDLE, 4)


def test_yarn_made_is_length_times_count_and_tension_follows_the_square_of_speed() -> None:
    values = day(SPINNING).values
    mass = values["yarn_mass"][-1] - values["yarn_mass"][0]
    length = values["yarn_length"][-1] - values["yarn_length"][0]
    assert mass == pytest.approx(length * 18.2 / 1000.0, rel=1e-6)
    spinning = values["spindle_speed"] > 10_000
    ratio = values["yarn_tension"][spinning] / values["spindle_speed"][spinning] ** 2
    assert ratio.std() / ratio.mean() < 0.12


def test_a_faster_frame_spins_more_takes_more_power_and_breaks_more_ends() -> None:
    slow, fast = stepped(SPINNING), stepped(SPINNING)
    slow.write(0, "spindle_speed_set", 13_000.0)
    fast.write(0, "spindle_speed_set", 19_000.0)
    gained = []
    for machines in (slow, fast):
        begin = {point: now(machines, point) for point in ("yarn_mass", "energy", "end_breaks")}
        run(machines, 6 * 3600, dt=5.0)
        gained.append({point: now(machines, point) - value for point, value in begin.items()})
    assert gained[1]["yarn_mass"] > 1.25 * gained[0]["yarn_mass"]
    assert gained[1]["energy"] / gained[1]["yarn_mass"] > gained[0]["energy"] / gained[0]["yarn_mass"]
    assert gained[1]["end_breaks"] > 1.5 * gained[0]["end_breaks"]


def test_packs_are_belt_speed_over_pitch_and_use_up_film() -> None:
    machines = stepped(PACKING, steps=5)
    packs, film = now(machines, "pack_count"), now(machines, "film_left")
    run(machines, 120)
    made = now(machines, "pack_count") - packs
    assert made == pytest.approx(124, abs=3)
    assert film - now(machines, "film_left") == pytest.approx(made * 0.26)


def test_an_empty_roll_of_film_means_a_set_up_with_a_new_one() -> None:
    values = day(PACKING).values
    assert (values["state"] == State.SETUP).any()
    assert values["film_left"].min() >= 0.0
    assert (np.diff(values["film_left"], axis=0).max(axis=0) > 2000.0).all()


def test_joints_move_only_while_the_robot_runs_and_stay_between_their_poses() -> None:
    values = day(ROBOT).values
    moved = np.abs(np.diff(values["joint_1_angle"], axis=0)) > 1e-9
    assert not (moved & (values["state"][1:] != State.RUNNING)).any()
    assert values["joint_1_angle"].min() >= -42.0
    assert values["joint_1_angle"].max() <= 75.0


def test_a_slower_robot_needs_longer_and_less_torque() -> None:
    fast, slow = stepped(ROBOT, cycle_factor=1.0), stepped(ROBOT, cycle_factor=1.0)
    slow.write(0, "speed_override", 50.0)
    peaks = []
    for machines in (fast, slow):
        torque = 0.0
        for _ in range(1200):
            machines.step(0.1, nominal_surroundings(1))
            torque = max(torque, abs(now(machines, "joint_1_torque")))
        peaks.append(torque)
    assert now(slow, "cycle_time") == pytest.approx(2 * now(fast, "cycle_time"), rel=0.05)
    assert peaks[1] < 0.7 * peaks[0]
