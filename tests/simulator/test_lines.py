"""Lines: machines that feed each other through buffers; the bottleneck follows from it."""

import numpy as np
import pytest

from simulator.physics.machine import State
from simulator.plant.buffers import Buffer, Buffers
from simulator.plant.plant import Plant
from tests.simulator.simulated import plant

MOULD = {
    "device": "mould",
    "machine": "injection-moulding-machine",
    "parameters": {"cycle_factor": 1.0, "hours_between_stops": 1e6},
}
ROBOT = {
    "device": "robot",
    "machine": "robot-cell",
    "parameters": {"cycle_factor": 1.0, "hours_between_stops": 1e6},
}
PRESS = {"device": "press", "machine": "tyre-curing-press"}


def value(of: Plant, device: str, point: str) -> float:
    asked = of.devices[device]
    return float(asked._image.machines.values()[point][asked._row])


def test_parts_of_a_buffer_are_shared_in_turn_and_never_more_than_there_are() -> None:
    lines = Buffers(4, [Buffer(10, 5, [0], [1, 2, 3])])
    shares = [lines.parts(tick)[1:].tolist() for tick in range(3)]
    assert all(sum(share) == 5 for share in shares)
    assert np.sum(shares, axis=0).tolist() == [5, 5, 5]
    assert lines.parts(0)[0] == np.inf
    assert lines.room(0).tolist() == [5, np.inf, np.inf, np.inf]


def test_what_is_made_less_what_is_taken_is_what_lies_in_the_buffer() -> None:
    line = plant(
        MOULD, ROBOT, buffers=[{"after": ["mould"], "before": ["robot"], "capacity": 8, "filled": 3}]
    )
    shots, rejects = value(line, "mould", "shot_count"), value(line, "mould", "reject_count")
    cycles = value(line, "robot", "cycle_count")
    for _ in range(3600):
        line.advance()
        assert 0 <= line.buffers.level[0] <= 8 + 1
    made = value(line, "mould", "shot_count") - shots - (value(line, "mould", "reject_count") - rejects)
    handled = value(line, "robot", "cycle_count") - cycles
    in_robot = 3 + made - line.buffers.level[0] - handled
    assert in_robot in (-1, 0, 1)


def test_a_fast_machine_behind_a_slow_one_starves_and_works_at_the_pace_of_the_slow_one() -> None:
    line = plant(MOULD, ROBOT, buffers=[{"after": ["mould"], "before": ["robot"], "capacity": 8}])
    line.advance(600)
    shots, cycles, waited = value(line, "mould", "shot_count"), value(line, "robot", "cycle_count"), 0
    for _ in range(1800):
        line.advance()
        waited += value(line, "robot", "alarm") == 1
    assert value(line, "robot", "cycle_count") - cycles == pytest.approx(
        value(line, "mould", "shot_count") - shots, abs=4
    )
    assert waited > 600


def test_halving_the_pace_of_a_machine_starves_the_next_within_its_buffer_s_time() -> None:
    feeders = {**MOULD, "replicas": 3}
    slow = {**ROBOT, "parameters": {"cycle_factor": 0.85, "hours_between_stops": 1e6}}
    line = plant(
        feeders, slow, buffers=[{"after": ["mould"], "before": ["robot"], "capacity": 30, "filled": 20}]
    )
    line.advance(300)
    assert value(line, "robot", "state") == State.RUNNING
    for index in (1, 2, 3):
        line.devices[f"mould-{index}"]._image.machines.write(index - 1, "cooling_time_set", 60.0)
    seconds = 0
    while value(line, "robot", "alarm") != 1 and seconds < 3000:
        line.advance()
        seconds += 1
    assert 60 < seconds < 1500


def test_a_full_buffer_blocks_the_machine_before_it() -> None:
    line = plant(MOULD, PRESS, buffers=[{"after": ["mould"], "before": ["press"], "capacity": 3}])
    line.advance(1500)
    assert (value(line, "mould", "state"), value(line, "mould", "alarm")) == (State.IDLE, 2)
    assert 3 <= line.buffers.level[0] <= 4


def test_a_buffer_without_a_machine_before_it_runs_empty() -> None:
    line = plant(ROBOT, buffers=[{"before": ["robot"], "capacity": 30, "filled": 10}])
    cycles = value(line, "robot", "cycle_count")
    line.advance(600)
    assert value(line, "robot", "cycle_count") - cycles in (10, 11)
    assert (line.buffers.level[0], value(line, "robot", "alarm")) == (0, 1)
