"""Faults: they grow before they break, sensors lie without changing the truth, controllers come back."""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qilu.contract.errors import ConfigError
from qilu.contract.profile import Table
from qilu.contract.reading import Reason
from qilu.contract.registers import compile_block
from qilu.modbus.errors import TargetFailedToRespond
from simulator import app
from simulator.machines import MODELS
from simulator.physics.machine import State, fleet, nominal_surroundings
from simulator.plant.plant import Plant
from simulator.plant.plant_file import FaultSettings
from tests.simulator.simulated import plant

PUMP = {"device": "pump", "machine": "centrifugal-pump", "parameters": {"hours_between_stops": 1e6}}
AIR = {"device": "air", "machine": "screw-air-compressor"}


def true(of: Plant, device: str, point: str) -> float:
    asked = of.devices[device]
    return float(asked._image.machines.values()[point][asked._row])


def output(of: Plant, device: str, name: str) -> tuple[Any, Any]:
    """What a client reads: the value, and why there is none."""
    asked = of.devices[device]
    point = asked.profile.point(name)
    codec = compile_block((point,), point.table, point.address, point.size, asked.profile.parameters)
    (value,), bad = codec.decode(asked.read_registers(point.table, point.address, point.size))
    return value, bad.get(0)


def with_fault(machine: dict[str, Any], step: float = 1.0, **fault: Any) -> Plant:
    faults = [{"device": machine["device"], **fault}]
    return plant(machine, step=step, faults=faults, sensors="ideal")


def test_bearing_wear_shows_in_vibration_and_heat_long_before_the_pump_trips() -> None:
    healthy = plant(PUMP, step=5)
    worn = with_fault(PUMP, step=5, fault="bearing_wear", start="10m", ramp="4h")
    vibration, warmth, tripped = [], [], None
    for minute in range(300):
        worn.advance(12)
        healthy.advance(12)
        vibration.append(true(worn, "pump", "vibration") / true(healthy, "pump", "vibration"))
        warmth.append(
            true(worn, "pump", "bearing_temperature_de") - true(healthy, "pump", "bearing_temperature_de")
        )
        if true(worn, "pump", "alarm") == 13:
            tripped = minute
            break
    assert tripped is not None
    assert vibration[5] == pytest.approx(1.0)
    assert vibration[tripped - 40] > 1.5
    assert warmth[tripped - 40] > 3.0
    assert np.mean(vibration[100:110]) < np.mean(vibration[140:150])


def test_tool_wear_shows_in_load_and_vibration_long_before_parts_are_rejected() -> None:
    cnc = {"device": "cnc", "machine": "cnc-machining-centre", "parameters": {"hours_between_stops": 1e6}}
    healthy = plant(cnc, step=5)
    # An overload of the spindle stops the machine again and again: fewer parts are made from then on.
    worn = with_fault(cnc, step=5, fault="tool_wear", start="10m", ramp="4h", severity=0.78)
    dulled: dict[str, list[float]] = {"spindle_load": [], "spindle_vibration": [], "reject_count": []}
    for _ in range(16):
        message = {name: [0.0, 0.0] for name in dulled}
        for _ in range(360):
            for side, each in enumerate((worn, healthy)):
                each.advance()
                for name, sums in message.items():
                    sums[side] += true(each, "cnc", name)
        for name, sums in message.items():
            dulled[name].append(sums[0] / sums[1])
    rejected = next(half for half, ratio in enumerate(dulled["reject_count"]) if ratio > 1.0)
    assert dulled["spindle_load"][rejected - 2] > 1.1
    assert dulled["spindle_vibration"][rejected - 2] > 1.3
    assert true(worn, "cnc", "reject_count") > true(healthy, "cnc", "reject_count") + 10


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_fault_of_every_machine_changes_its_numbers_and_only_after_it_began(model: str) -> None:
    for fault in MODELS[model](fleet("a")).faults:
        well, ill = MODELS[model](fleet("a", seed=4)), MODELS[model](fleet("a", seed=4))
        assert set(well.severity) == set(well.faults)
        for step in range(300):
            if step == 100:
                assert all(
                    well_value[0] == ill.values()[name][0] for name, well_value in well.values().items()
                ), f"{fault} showed before it began"
                ill.severity[fault][0] = 0.8
            well.step(5.0, nominal_surroundings(1))
            ill.step(5.0, nominal_surroundings(1))
        different = [name for name, value in well.values().items() if value[0] != ill.values()[name][0]]
        assert different, fault
        assert all(np.isfinite(value).all() for value in ill.values().values() if value.dtype.kind != "S")


def test_a_leak_makes_the_compressor_work_more_for_the_same_factory() -> None:
    tight, leaking = plant(AIR), with_fault(AIR, fault="air_leak", start=0, severity=0.8)
    tight.advance(3600)
    leaking.advance(3600)
    assert true(leaking, "air", "load_hours") > true(tight, "air", "load_hours") + 0.1


def test_a_fault_that_is_repaired_leaves_no_trace_in_what_follows_physically() -> None:
    ill = with_fault(PUMP, step=5, fault="bearing_wear", start=60, ramp=0, severity=0.5, duration="20m")
    well = plant(PUMP, step=5)
    for each in (ill, well):
        each.advance(120)
    assert true(ill, "pump", "vibration") > 1.5 * true(well, "pump", "vibration")
    for each in (ill, well):
        each.advance(4 * 720)
    assert true(ill, "pump", "vibration") == pytest.approx(true(well, "pump", "vibration"), rel=0.01)


def test_a_frozen_sensor_keeps_what_it_output_first_while_the_truth_goes_on() -> None:
    ill = with_fault(AIR, fault="freeze", point="discharge_pressure", start=100, duration=200)
    ill.advance(100)
    frozen = output(ill, "air", "discharge_pressure")
    values = set()
    for _ in range(150):
        ill.advance()
        values.add(true(ill, "air", "discharge_pressure"))
        assert output(ill, "air", "discharge_pressure") == frozen
    assert len(values) > 100
    ill.advance(100)
    assert output(ill, "air", "discharge_pressure")[0] == pytest.approx(
        true(ill, "air", "discharge_pressure"), abs=0.006
    )


def test_a_frozen_sensor_holds_the_same_value_however_the_plant_was_advanced() -> None:
    step_by_step, at_once = (
        with_fault(AIR, fault="freeze", point="discharge_pressure", start=50) for _ in range(2)
    )
    for _ in range(120):
        step_by_step.advance()
    at_once.advance(120)
    assert output(step_by_step, "air", "discharge_pressure") == output(at_once, "air", "discharge_pressure")


def test_a_drifting_sensor_is_wrong_by_its_amount_at_the_end_and_by_half_at_half_time() -> None:
    ill = with_fault(AIR, fault="drift", point="oil_temperature", start=100, ramp=1000, magnitude=8)
    for tick, error in [(90, 0.0), (600, 4.0), (1100, 8.0), (2000, 8.0)]:
        ill.advance(tick - ill.tick)
        assert output(ill, "air", "oil_temperature")[0] - true(
            ill, "air", "oil_temperature"
        ) == pytest.approx(error, abs=0.06)


def test_spikes_come_now_and_then_and_the_same_ones_for_the_same_seed() -> None:
    runs = []
    for _ in range(2):
        ill = with_fault(AIR, fault="spike", point="oil_temperature", start=10, magnitude=50)
        ticks = []
        for tick in range(1, 601):
            ill.advance()
            if output(ill, "air", "oil_temperature")[0] - true(ill, "air", "oil_temperature") > 49:
                ticks.append(tick)
        runs.append(ticks)
    assert runs[0] == runs[1]
    assert 10 < len(runs[0]) < 60


def test_a_sensor_that_drops_out_says_its_sentinel() -> None:
    ill = with_fault(AIR, fault="drop_out", point="oil_temperature", start=10, duration=10)
    ill.advance(15)
    assert output(ill, "air", "oil_temperature") == (None, Reason.SENTINEL)
    assert math.isfinite(true(ill, "air", "oil_temperature"))
    ill.advance(15)
    assert output(ill, "air", "oil_temperature")[1] is None


def test_a_stuck_bit_is_always_one_and_lets_go_when_repaired() -> None:
    ill = with_fault(AIR, fault="stuck_bit", point="oil_temperature", start=10, magnitude=11, duration=100)
    for _ in range(60):
        ill.advance()
    (word,) = struct.unpack(">H", ill.devices["air"].read_registers(Table.INPUT, 7, 1))
    assert word & 1 << 11
    ill.advance(100)
    assert output(ill, "air", "oil_temperature")[0] == pytest.approx(
        true(ill, "air", "oil_temperature"), abs=0.06
    )


def test_a_controller_that_reboots_is_silent_and_then_has_its_first_set_points() -> None:
    ill = with_fault(AIR, fault="reboot", start=50, duration=20)
    device = ill.devices["air"]
    ill.advance(10)
    device.write_registers(100, struct.pack(">H", 600))
    ill.advance(45)
    with pytest.raises(TargetFailedToRespond):
        device.read_registers(Table.INPUT, 0, 2)
    with pytest.raises(TargetFailedToRespond):
        device.read_bits(Table.DISCRETE, 0, 1)
    with pytest.raises(TargetFailedToRespond):
        device.write_registers(100, struct.pack(">H", 600))
    ill.advance(30)
    assert device.read_registers(Table.HOLDING, 100, 1) == struct.pack(">H", 680)


def test_a_controller_that_reboots_while_it_reboots_is_silent_until_the_last_one_is_over() -> None:
    ill = with_fault(AIR, fault="reboot", start=5, duration=20)
    ill.inject(FaultSettings(device="air", fault="reboot", start=10, duration=40))
    device = ill.devices["air"]
    silent = []
    while ill.seconds < 60:
        ill.advance()
        silent += [ill.seconds] if device.rebooting else []
    assert silent == pytest.approx(np.arange(silent[0], 50, ill.settings.step))
    assert silent[0] == 5


def test_faults_can_be_injected_and_repaired_while_the_plant_runs() -> None:
    running = plant(PUMP)
    running.advance(100)
    before = true(running, "pump", "vibration")
    running.inject(FaultSettings(device="pump", fault="bearing_wear", start=running.seconds, severity=0.5))
    running.advance(10)
    assert true(running, "pump", "vibration") > 1.5 * before
    assert running.repair("pump", "bearing_wear") == 1
    assert running.repair("pump", "bearing_wear") == 0
    running.advance(10)
    assert true(running, "pump", "vibration") < 1.3 * before


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            "{device: pmp, fault: bearing_wear, start: 0}",
            "faults.0.device: no device and no line 'pmp'; did you mean pump?",
        ),
        (
            "{device: pump, fault: bering_wear, start: 0}",
            "faults.0.fault: centrifugal-pump has no fault bering_wear; did you mean bearing_wear?",
        ),
        ("{device: pump, fault: freeze, start: 0}", "faults.0.point: freeze needs the point"),
        (
            "{device: pump, fault: freeze, point: flaw, start: 0}",
            "faults.0.point: no point flaw; did you mean flow?",
        ),
        ("{device: pump, fault: drift, point: flow, start: 0}", "faults.0.magnitude: is missing"),
        (
            "{device: pump, fault: stuck_bit, point: fault, magnitude: 1, start: 0}",
            "faults.0.point: is not in a register",
        ),
        (
            "{device: pump, fault: stuck_bit, point: flow, magnitude: 32, start: 0}",
            "faults.0.magnitude: flow has no bit 32; give a whole number from 0 to 31",
        ),
        ("{device: pump, fault: stuck_bit, point: flow, magnitude: 1.5, start: 0}", "flow has no bit 1.5"),
        ("{device: pump, fault: stuck_bit, point: flow, magnitude: -1, start: 0}", "flow has no bit -1"),
        ("{device: pump, fault: drift, point: flow, magnitude: .nan, start: 0}", "nan is not possible; give"),
        ("{device: pump, fault: spike, point: flow, magnitude: .inf, start: 0}", "inf is not possible; give"),
        ("{device: pump, fault: freeze, point: serve_counter, start: 0}", "no point serve_counter"),
        (
            "{device: pump, fault: bearing_wear, point: flow, start: 0}",
            "faults.0.point: bearing_wear is not a fault of a sensor",
        ),
        ("{device: pump, fault: drop_out, point: running, start: 0}", "running is a bit, which always has a"),
        (
            "{device: pump, fault: bearing_wear, start: 0, ramp: 2h, duration: 30m}",
            "faults.0.duration: it is over after 30m, and grows for 2h; give a longer duration",
        ),
        ("{device: pump, fault: bearing_wear, start: soon}", "faults.0.start"),
        ("{device: pump, fault: bearing_wear, start: 0, severity: 2}", "faults.0.severity"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(tmp_path: Path, fault: str, message: str) -> None:
    file = tmp_path / "plant.yaml"
    machine = "{device: pump, machine: centrifugal-pump, port: 5020}"
    file.write_text(f"machines: [{machine}]\nfaults:\n  - {fault}\n")
    with pytest.raises(ConfigError) as error:
        app.load(file)
    assert str(error.value).startswith(f"{file}:3: faults.0.")
    assert message in str(error.value)


def test_a_pump_without_faults_runs_on() -> None:
    healthy = plant(PUMP)
    healthy.advance(3600)
    assert true(healthy, "pump", "state") == State.RUNNING


def test_a_fault_of_a_row_strikes_each_of_its_devices_with_a_course_of_its_own() -> None:
    spikes = {"device": "pump", "fault": "spike", "point": "flow", "magnitude": 150, "start": 0}
    ill = plant({**PUMP, "replicas": 2}, step=1, faults=[spikes])
    assert [course.fault.device for course in ill.faults] == ["pump-1", "pump-2"]
    hits: dict[str, list[int]] = {"pump-1": [], "pump-2": []}
    while ill.seconds < 200:
        ill.advance()
        for device, seconds in hits.items():
            seconds += [ill.tick] if output(ill, device, "flow")[0] > 150 else []
    assert hits["pump-1"]
    assert hits["pump-2"]
    assert hits["pump-1"] != hits["pump-2"]


def test_a_fault_of_a_line_strikes_its_devices() -> None:
    fault = {"device": "water", "fault": "bearing_wear", "start": 0}
    ill = plant({**PUMP, "line": "water"}, {**AIR, "line": "works"}, faults=[fault])
    assert [course.fault.device for course in ill.faults] == ["pump"]


def test_an_integer_without_a_sentinel_shows_its_largest_number_where_its_sensor_drops_out() -> None:
    ill = with_fault(PUMP, fault="drop_out", point="speed", start=0)
    assert ill.devices["pump"].read_registers(Table.HOLDING, 4, 1) == b"\xff\xff"
    assert output(ill, "pump", "speed") == (None, Reason.OUT_OF_LIMITS)
