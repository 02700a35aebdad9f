"""The plant: one clock, one seed, and what machines share."""

import struct

import numpy as np
import pytest

from qilu.contract.profile import Table
from simulator.machines import MODELS
from simulator.physics.machine import State
from simulator.physics.utility import Utility
from simulator.plant.environment import Environment
from simulator.plant.plant import Plant
from simulator.plant.settings import PlantSettings
from simulator.plant.utilities import Supplies
from tests.simulator.simulated import plant

CNC = {"device": "cnc", "machine": "cnc-machining-centre", "line": "mill"}
AIR = {"device": "air", "machine": "screw-air-compressor"}
METER = {"device": "meter", "machine": "three-phase-energy-meter"}


def registers(of: Plant) -> dict[str, bytes]:
    """All that can be read of every device, without counting."""
    return {
        name: b"".join(bytes(device._image.buffers[table]) for table in Table) + bytes([device._row])
        for name, device in of.devices.items()
    }


def values(of: Plant, device: str) -> dict[str, float | bytes]:
    asked = of.devices[device]
    return {name: value[asked._row] for name, value in asked._image.machines.values().items()}


def test_two_plants_with_one_seed_have_the_same_bytes_after_any_number_of_ticks() -> None:
    one, two = plant(CNC, AIR, METER), plant(CNC, AIR, METER)
    for _ in range(300):
        one.advance()
    two.advance(300)
    assert one.tick == two.tick == 300
    assert registers(one) == registers(two)


def test_another_seed_gives_other_bytes() -> None:
    one, two = plant(CNC, AIR, METER), plant(CNC, AIR, METER, seed=8)
    one.advance(50)
    two.advance(50)
    assert all(
        first != second
        for first, second in zip(registers(one).values(), registers(two).values(), strict=True)
    )


def test_reading_changes_nothing_but_the_serve_counter() -> None:
    read, unread = plant(AIR), plant(AIR)
    for _ in range(100):
        read.advance()
        read.devices["air"].read_registers(Table.INPUT, 0, 10)
    unread.advance(100)
    assert read.devices["air"].counter == 100
    assert values(read, "air") == values(unread, "air")


def test_the_same_writes_at_the_same_ticks_give_the_same_bytes() -> None:
    plants = plant(AIR), plant(AIR)
    for each in plants:
        each.advance(20)
        each.devices["air"].write_registers(100, struct.pack(">H", 600))
        each.advance(200)
    assert registers(plants[0]) == registers(plants[1])
    unwritten = plant(AIR)
    unwritten.advance(220)
    assert registers(unwritten) != registers(plants[0])


def test_another_machine_in_the_plant_changes_no_other_machine_s_numbers() -> None:
    few = plant(CNC, AIR)
    many = plant({**CNC, "device": "another"}, AIR, METER, CNC, {**AIR, "device": "more", "replicas": 3})
    few.advance(250)
    many.advance(250)
    for device in ("cnc", "air"):
        assert values(few, device) == values(many, device)


def test_replicas_are_named_and_placed_in_order_and_differ() -> None:
    rows = plant({**AIR, "replicas": 5, "unit_id": 3, "units_per_port": 2, "port": 6000})
    places = [(device.name, device.port, device.unit) for device in rows.devices.values()]
    assert places == [
        ("air-1", 6000, 3),
        ("air-2", 6000, 4),
        ("air-3", 6001, 3),
        ("air-4", 6001, 4),
        ("air-5", 6002, 3),
    ]
    assert {port: list(units) for port, units in rows.endpoints().items()} == {
        6000: [3, 4],
        6001: [3, 4],
        6002: [3],
    }
    rows.advance(50)
    assert len({values(rows, f"air-{index}")["power"] for index in range(1, 6)}) == 5


def test_a_meter_measures_what_the_machines_behind_it_take() -> None:
    shop = plant(
        CNC, {**CNC, "device": "cnc2"}, {**METER, "feeds": ["mill"], "parameters": {"base_load": 0.001}}
    )
    for _ in range(50):
        before = sum(float(values(shop, name)["power"]) for name in ("cnc", "cnc2"))
        shop.advance()
        assert float(values(shop, "meter")["power"]) == pytest.approx(before, abs=0.01)


def test_air_that_machines_take_empties_the_receiver_faster() -> None:
    pumps = {**AIR, "parameters": {"base_demand": 0.5}}
    alone, feeding = plant(pumps), plant({**pumps, "feeds": ["mill"]}, {**CNC, "replicas": 8, "port": 7000})
    for each in (alone, feeding):
        each.advance(1800)
    assert float(values(feeding, "air")["load_hours"]) > float(values(alone, "air")["load_hours"]) + 0.02


def test_two_suppliers_share_the_need_and_a_consumer_finds_the_mean_of_them() -> None:
    supplies = Supplies(4, {Utility.AIR: [(0, 2), (1, 2), (1, 3)], Utility.ELECTRICITY: [(0, 2), (1, 2)]})
    for utility in (Utility.AIR, Utility.ELECTRICITY):
        supplies.rate[utility][:] = [0.0, 0.0, 4.0, 1.0]
    supplies.offer[Utility.AIR][:] = [6.0, 8.0, 0.0, 0.0]
    assert supplies.demand(Utility.AIR).tolist() == [2.0, 3.0, 0.0, 0.0]
    assert supplies.level(Utility.AIR, 6.8).tolist() == [6.8, 6.8, 7.0, 8.0]
    # meters in series each see everything
    assert supplies.demand(Utility.ELECTRICITY).tolist() == [4.0, 4.0, 0.0, 0.0]
    assert supplies.level(Utility.ELECTRICITY, 380.0).tolist() == [380.0] * 4


def test_a_machine_stands_still_while_its_air_is_too_low() -> None:
    shop = plant({**AIR, "feeds": ["cnc"]}, CNC)
    assert float(values(shop, "cnc")["air_pressure"]) == pytest.approx(6.8, abs=0.5)
    shop.devices["air"].write_bits(0, [False])
    shop.advance(900)
    assert float(values(shop, "air")["discharge_pressure"]) < 3.0
    assert (float(values(shop, "cnc")["state"]), float(values(shop, "cnc")["alarm"])) == (1, 4)


def test_a_chiller_that_is_lost_stops_the_moulding_machines_that_it_cools() -> None:
    shop = plant(
        {"device": "chiller", "machine": "chiller", "feeds": ["moulding"]},
        {"device": "moulding", "machine": "injection-moulding-machine"},
        step=5,
    )
    shop.devices["chiller"].write_bits(0, [False])
    shop.advance(600)
    assert float(values(shop, "chiller")["supply_temperature"]) > 25.0
    assert (values(shop, "moulding")["state"], values(shop, "moulding")["alarm"]) == (State.IDLE, 4)


def test_outside_the_shifts_work_stops_at_the_end_of_the_cycle() -> None:
    shop = plant(CNC, shifts=[{"start": "06:00", "end": "08:05"}], start="2026-03-02T08:00:00")
    shop.advance(280)
    assert float(values(shop, "cnc")["state"]) == 3
    shop.advance(900)
    assert (float(values(shop, "cnc")["state"]), float(values(shop, "cnc")["alarm"])) == (1, 3)


def test_devices_come_in_the_order_of_the_file() -> None:
    shop = plant(CNC, AIR, {**CNC, "device": "cnc2"}, METER)
    assert list(shop.devices) == ["cnc", "air", "cnc2", "meter"]


def test_the_identity_names_the_device() -> None:
    assert b"air" in plant(AIR).devices["air"].identity[4]


def test_values_in_the_registers_are_those_of_the_last_tick() -> None:
    shop = plant(AIR, sensors="ideal")
    shop.advance(7)
    (pressure,) = struct.unpack(">H", shop.devices["air"].read_registers(Table.INPUT, 4, 1))
    assert pressure == np.rint(float(values(shop, "air")["discharge_pressure"]) * 100)


def test_a_voltage_dip_is_seen_by_every_machine_of_the_plant() -> None:
    models = sorted(set(MODELS) - {"pv-inverter", "three-phase-energy-meter"})
    never = {"hours_between_stops": 1e6}
    works = [{"device": model, "machine": model, "parameters": never} for model in models]
    sun = {"device": "sun", "machine": "pv-inverter"}
    dip = {"start": 60, "duration": 5, "depth": 0.3}
    shop = plant(*works, METER, sun, start="2026-06-22T12:00:00", voltage_dips=[dip])
    shop.advance(55)
    assert float(values(shop, "sun")["power"]) > 5.0
    shop.advance(8)
    assert float(values(shop, "meter")["voltage_a"]) < 165.0
    assert float(values(shop, "sun")["power"]) == 0.0
    for model in models:
        output = values(shop, model)
        assert (output["state"], output["alarm"]) == (State.IDLE, 4), model
    shop.advance(60)
    assert float(values(shop, "meter")["voltage_a"]) > 210.0
    assert float(values(shop, "sun")["power"]) > 5.0
    for model in models:
        assert values(shop, model)["alarm"] == 0, model


def test_it_is_warmer_in_the_afternoon_than_at_night_and_the_days_go_on() -> None:
    environment = Environment(
        PlantSettings.model_validate(
            {"step": 10, "start": "2026-12-31T00:00:00", "machines": [{**AIR, "port": 1}]}
        )
    )
    moments = [environment.course(10.0 * step) for step in range(2 * 8640)]
    night = np.mean([moment.outside for moment in moments if moment.second_of_day < 4 * 3600])
    afternoon = np.mean(
        [moment.outside for moment in moments if 13 * 3600 < moment.second_of_day < 17 * 3600]
    )
    assert afternoon > night + 6.0
    assert (moments[0].day_of_year, moments[-1].day_of_year) == (365, 1)
    assert all(0 <= moment.second_of_day < 86_400 for moment in moments)
