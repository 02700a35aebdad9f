"""Set-points that a foreign client writes really change the machine: beside a twin that nobody wrote to."""

from typing import Literal, NamedTuple

import pytest

from qilu.contract.profile import Table
from simulator.machines import MODELS
from simulator.physics.machine import State
from simulator.plant.plant import Plant
from tests.simulator.serving import FIRST, held, pymodbus, registers, true
from tests.simulator.simulated import plant, profile


class Effect(NamedTuple):
    """What is written, and what it does to another point within so many minutes."""

    model: str
    writes: dict[str, float]
    point: str
    changes: Literal["less", "more"]
    minutes: int = 10


AIR_PRESSURE = {"load_pressure_set": 5.0, "unload_pressure_set": 6.0}
EFFECTS = [
    Effect("centrifugal-pump", {"pressure_set": 2.0}, "discharge_pressure", "less"),
    Effect("centrifugal-pump", {"automatic": 0, "speed_set": 60.0}, "speed", "less"),
    Effect("chiller", {"supply_temperature_set": 16.0}, "supply_temperature", "more"),
    Effect("cnc-machining-centre", {"feed_override": 40}, "part_count", "less", 20),
    Effect("cnc-machining-centre", {"spindle_override": 60}, "tool_wear", "less"),
    Effect("conveyor-packaging-line", {"rate_set": 15}, "pack_count", "less"),
    Effect("conveyor-packaging-line", {"seal_temperature_set": 120}, "seal_temperature_front", "less"),
    Effect("injection-moulding-machine", {"cooling_time_set": 50}, "shot_count", "less"),
    Effect("injection-moulding-machine", {"barrel_temperature_set": 250}, "barrel_zone_1", "more"),
    Effect("pv-inverter", {"power_limit": 5}, "power", "less"),
    Effect("ring-spinning-frame", {"spindle_speed_set": 9000}, "spindle_speed", "less"),
    Effect("robot-cell", {"speed_override": 25}, "cycle_count", "less"),
    Effect("screw-air-compressor", AIR_PRESSURE, "discharge_pressure", "less"),
    Effect("steam-boiler", {"pressure_set": 6}, "steam_pressure", "less", 30),
    Effect("tyre-curing-press", {"platen_temperature_set": 155}, "platen_temperature", "less", 30),
]  # fmt: skip
SWITCH = {
    "centrifugal-pump": "run_enable",
    "chiller": "run_enable",
    "cnc-machining-centre": "machine_on",
    "conveyor-packaging-line": "line_on",
    "injection-moulding-machine": "machine_on",
    "pv-inverter": "grid_enable",
    "ring-spinning-frame": "frame_on",
    "robot-cell": "cell_on",
    "screw-air-compressor": "run_enable",
    "steam-boiler": "burner_enable",
    "tyre-curing-press": "press_on",
}
STEP = 2.0


def made(model: str) -> Plant:
    return plant({"device": "m", "machine": model}, step=STEP)


async def write(port: int, model: str, writes: dict[str, float]) -> None:
    """With the function that the point's table asks for."""
    async with pymodbus(port) as client:
        for name, value in writes.items():
            point = profile(model).point(name)
            if point.table is Table.COIL:
                reply = await client.write_coil(point.address, bool(value))
            else:
                reply = await client.write_registers(point.address, registers(point, value))
            assert not reply.isError(), reply


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: f"{effect.model} {'+'.join(effect.writes)}")
async def test_a_set_point_changes_what_the_machine_does(effect: Effect) -> None:
    written, twin = made(effect.model), made(effect.model)
    async with held(written) as simulation:
        await write(simulation.ports[FIRST], effect.model, effect.writes)
    for each in (written, twin):
        each.advance(int(effect.minutes * 60 / STEP))
    after, without = (true(each, "m")[effect.point] for each in (written, twin))
    assert after < without if effect.changes == "less" else after > without


@pytest.mark.parametrize("model", sorted(SWITCH))
async def test_a_machine_is_stopped_and_started_again(model: str) -> None:
    running = made(model)
    async with held(running) as simulation:
        running.advance(5)
        assert true(running, "m")["state"] == State.RUNNING
        await write(simulation.ports[FIRST], model, {SWITCH[model]: 0})
        running.advance(3)
        stopped = State.IDLE if model == "pv-inverter" else State.OFF  # the sun goes on shining on it
        assert true(running, "m")["state"] == stopped
        await write(simulation.ports[FIRST], model, {SWITCH[model]: 1})
        running.advance(30)
        assert true(running, "m")["state"] in (State.RUNNING, State.IDLE)


def test_every_model_that_can_be_written_to_is_tried_and_a_meter_cannot() -> None:
    tried = {effect.model for effect in EFFECTS}
    assert tried == set(SWITCH) == set(MODELS) - {"three-phase-energy-meter"}
    assert not [point for point in profile("three-phase-energy-meter").points if point.writable]


async def test_values_outside_their_limits_and_writes_to_a_read_only_device_are_refused() -> None:
    pumps = plant(
        {"device": "a", "machine": "centrifugal-pump", "unit_id": 1, "port": FIRST},
        {"device": "b", "machine": "centrifugal-pump", "unit_id": 2, "port": FIRST, "writable": False},
    )
    async with held(pumps) as simulation, pymodbus(simulation.ports[FIRST]) as client:
        too_high = await client.write_register(40, 700, device_id=1)
        assert too_high.exception_code == 3
        refused = await client.write_register(40, 300, device_id=2)
        assert refused.exception_code == 2
        assert not (await client.write_register(40, 300, device_id=1)).isError()
    assert true(pumps, "a")["pressure_set"] == 3.0
    assert true(pumps, "b")["pressure_set"] == 4.0
