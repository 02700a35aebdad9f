"""The compiled step of a plant does what the models do on arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.app import load
from simulator.compiled.expression_graph import Graph
from simulator.compiled.run import CompiledRun
from simulator.compiled.step import CompiledStep, compile_step
from simulator.compiled.symbols import Symbols, UntraceableError
from simulator.ground_truth.export import ArrayRun, Motion
from simulator.physics.signals import pick
from simulator.plant.environment import Environment
from simulator.plant.events import Event
from simulator.plant.plant import Plant
from tests.simulator.simulated import plant as plant_of

CONFIGS = Path(__file__).parents[2] / "configs"
BIT = {"device": "pack", "fault": "stuck_bit", "point": "pack_count", "magnitude": 3}
CLOSE = 1e-9  # relative: numpy and Python round functions differently


def of_file(name: str, step: float) -> Plant:
    plant = load(CONFIGS / name)
    return Plant(plant.settings.model_copy(update={"step": step}), plant.profiles)


class Compiled:
    """Steps the twin of a plant by its compiled step."""

    def __init__(self, plant: Plant, steps: int) -> None:
        self._plant = plant
        self._step: CompiledStep = compile_step(plant.works, plant.settings.step)
        self._environment = Environment(plant.settings)
        self._environment.course(0.0)
        self._draws = self._step.draws(steps)
        self._done = 0

    def advance(self) -> Any:
        plant = self._plant
        plant.tick += 1
        for image in plant.images:
            plant.faults.step(image, plant.seconds)
        course = (*self._environment.course(plant.seconds), plant.tick)
        self._done += 1
        done = self._step.run.send((course, self._step.severities(), self._draws[self._done - 1], True))
        assert done is not None
        return done[3]

    def differences(self, values: Any, twin: Plant) -> dict[tuple[str, str], float]:
        """How far each point is from that of the twin, relative to it."""
        found: dict[tuple[str, str], float] = {}
        at = 0
        models = zip(twin.true_values(), self._step.layout.values, strict=True)
        for (places, profile, true), fixed in models:
            for name, array in fixed.items():
                expected = np.asarray(true[name])
                if array is not None:
                    assert (np.asarray(array) == expected).all()
                    continue
                own = np.array(values[at : at + len(places)], dtype=np.float64)
                at += len(places)
                scale = np.maximum(np.abs(expected.astype(np.float64)), 1.0)
                found[profile.profile, name] = float(np.max(np.abs(own - expected) / scale))
        return found


@pytest.mark.parametrize(("name", "step", "ticks"), [("bad-day.yaml", 10.0, 1500), ("plant.yaml", 1.0, 300)])
def test_every_point_has_the_value_of_the_models_themselves(name: str, step: float, ticks: int) -> None:
    on_arrays, twin = of_file(name, step), of_file(name, step)
    compiled = Compiled(twin, ticks)
    for tick in range(ticks):
        on_arrays.advance()
        values = compiled.advance()
        if tick % 10 == 0:
            far = {k: d for k, d in compiled.differences(values, on_arrays).items() if not d < CLOSE}
            assert not far, tick


def test_a_branch_on_what_is_not_known_yet_is_refused() -> None:
    graph = Graph()
    symbol = Symbols(graph, graph.input("x"), float)
    with pytest.raises(UntraceableError, match="np.where"):
        bool(symbol > 1.0)
    with pytest.raises(UntraceableError, match="pick"):
        np.array([1.0, 2.0])[symbol]
    assert pick(np.array([1.0, 2.0]), symbol.astype(int)).shape == ()


def test_equal_operations_are_done_once_and_those_on_constants_never() -> None:
    graph = Graph()
    x = Symbols(graph, graph.input("x"), float)
    assert (x + 1.0).nodes.item() is (x + 1.0).nodes.item()
    three: Any = np.sqrt(Symbols(graph, graph.constant(9.0), float))
    assert three.nodes.item() is graph.constant(3.0)


def test_registers_and_events_are_those_of_the_plant_with_faults_and_all() -> None:
    machines: list[dict[str, Any]] = [
        {"device": "air", "machine": "screw-air-compressor", "feeds": ["mould", "pack"], "replicas": 2},
        {"device": "mould", "machine": "injection-moulding-machine"},
        {"device": "pack", "machine": "conveyor-packaging-line", "parameters": {"hours_between_stops": 0.02}},
        {"device": "meter", "machine": "three-phase-energy-meter", "feeds": ["mould", "pack"]},
    ]
    faults: list[dict[str, Any]] = [
        {"device": "mould", "fault": "heater_failure", "start": 20, "ramp": 100},
        {"device": "mould", "fault": "spike", "point": "fill_pressure", "magnitude": 9, "start": 9},
        {**BIT, "start": 5, "duration": 90},
        {"device": "meter", "fault": "drop_out", "point": "frequency", "start": 50, "duration": 30},
        {"device": "air-1", "fault": "reboot", "start": 60, "duration": 20},
    ]  # fmt: skip
    buffers = [{"after": ["mould"], "before": ["pack"], "capacity": 30, "filled": 9}]
    plants = [plant_of(*machines, step=1.0, faults=faults, buffers=buffers) for _ in range(2)]
    compiled = CompiledRun(plants[0])
    runs: list[Motion] = [compiled, ArrayRun(plants[1], 200)]
    events: list[list[Event]] = [[], []]
    recorded: list[dict[Any, bytes]] = [{}, {}]
    for number, (run, plant) in enumerate(zip(runs, plants, strict=True)):
        plant.listen(events[number].append)
        for tick in range(200):
            run.advance(show=tick % 3 == 0)
            if tick % 3 == 0:
                run.take()
        for image, tables in run.read():
            recorded[number] |= {(image.profile.profile, table): tables[table].tobytes() for table in tables}
    assert events[0] == events[1]
    assert {event.event for event in events[0]} >= {"state", "made", "fault spike fill_pressure"}
    assert recorded[0] == recorded[1]
