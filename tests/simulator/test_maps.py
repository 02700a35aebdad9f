"""One machine model is served under several register maps."""

from pathlib import Path

import pytest

from qilu.contract.errors import ConfigError
from simulator.app import load
from simulator.plant.plant import Plant
from tests.simulator.serving import held, pymodbus, true

MAP = """profile: other-pump
title: {en: A pump with another map, zh: 另一种寄存器表的泵}
points:
  - {name: vibration, table: input, address: 7, type: uint16, scale: 0.01, unit: mm/s}
  - {name: speed_set, table: holding, address: 100, type: float32, unit: rpm, access: read_write}
"""
PUMPS = """sensors: ideal
machines:
  - {device: plain, machine: centrifugal-pump, port: 5020}
  - {device: mapped, machine: centrifugal-pump, map: other-pump, port: 5021}
"""


def loaded(folder: Path, text: str = MAP, plant: str = PUMPS) -> Plant:
    (folder / "profiles").mkdir()
    (folder / "profiles" / "other-pump.yaml").write_text(text)
    (folder / "plant.yaml").write_text(plant)
    return load(folder / "plant.yaml", lowest_port=1)


async def test_a_pump_is_served_under_two_maps(tmp_path: Path) -> None:
    async with held(loaded(tmp_path)) as simulation:
        simulation.plant.advance(5)
        async with pymodbus(simulation.ports[5021]) as client:
            (raw,) = (await client.read_input_registers(7, count=1)).registers
            assert raw == round(true(simulation.plant, "mapped")["vibration"] * 100)
            words = client.convert_to_registers(1200.0, client.DATATYPE.FLOAT32)
            assert not (await client.write_registers(100, words)).isError()
        assert true(simulation.plant, "mapped")["speed_set"] == 1200.0
        assert true(simulation.plant, "plain")["speed_set"] != 1200.0
        names = {name for name, device in simulation.plant.devices.items() if device.profile.points}
        assert names == {"plain", "mapped"}


def test_a_point_that_the_model_does_not_know_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a centrifugal-pump knows nothing of it; did you mean vibration"):
        loaded(tmp_path, MAP.replace("name: vibration", "name: vibrations"))


def test_a_map_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no device profile 'other-pumps'; did you mean other-pump"):
        loaded(tmp_path, plant=PUMPS.replace("map: other-pump", "map: other-pumps"))
