"""A recording is played through the servers: an export, a log with a mapping, and one of `qilu record`."""

import asyncio
import csv
import gzip
import math
from pathlib import Path
from typing import Any

import pytest

from qilu.contract.errors import ConfigError
from qilu_cli.commands.record import RecordOptions, record
from simulator.app import load
from simulator.ground_truth.export import export, plan_export
from simulator.plant.plant import Plant
from tests.simulator.serving import held, pymodbus
from tests.simulator.simulated import plant

METER = "machine: eastron-sdm630, port: 5020"
LOG = """when,U1,P
2026-06-22T08:00:00,231.5,1000
2026-06-22T08:00:02,232.5,2000
2026-06-22T08:00:04,,3000
"""
MAPPED = "file: log.csv, time: when, columns: {voltage_a: U1, power: P}"


def playing(folder: Path, playback: str, machine: str = METER, more: str = "") -> Plant:
    (folder / "plant.yaml").write_text(
        f"step: 1s\nmachines:\n  - {{device: played, {machine}, playback: {{{playback}}}}}\n{more}"
    )
    return load(folder / "plant.yaml", lowest_port=1)


def shown(playing: Plant, point: str) -> float:
    ((_, _, values),) = playing.true_values()
    return float(values[point][0])


def course(playing: Plant, point: str, ticks: int) -> list[float]:
    values = [shown(playing, point)]
    for _ in range(ticks - 1):
        playing.advance()
        values.append(shown(playing, point))
    return values


def rows_of(running: Plant, folder: Path, seconds: float) -> bytes:
    for _ in export(running, folder, plan_export(running, seconds, 1.0, "csv")):
        pass
    (file,) = (folder / "devices").iterdir()
    return gzip.decompress(file.read_bytes())


def test_an_export_that_is_played_and_exported_again_is_the_same(tmp_path: Path) -> None:
    pump = plant(
        {"device": "pump", "machine": "centrifugal-pump"},
        faults=[{"device": "pump", "fault": "drop_out", "point": "vibration", "start": 5, "duration": 9}],
    )
    first = rows_of(pump, tmp_path / "first", 40.0)
    file = "file: first/devices/pump.csv.gz, loop: false"
    again = playing(tmp_path, file, "machine: centrifugal-pump, port: 5020")
    assert rows_of(again, tmp_path / "again", 40.0) == first


def test_a_log_of_other_columns_is_played_by_a_mapping(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    powers = course(playing(tmp_path, f"{MAPPED}, factors: {{power: 0.5}}"), "power", 7)
    assert powers == [500.0, 500.0, 1000.0, 1000.0, 1500.0, 1500.0, 500.0]
    voltages = course(playing(tmp_path, MAPPED), "voltage_a", 5)
    assert voltages[:4] == [231.5, 231.5, 232.5, 232.5]
    assert math.isnan(voltages[4])


def test_it_is_played_faster_once_and_from_the_middle(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    fast = playing(tmp_path, f"{MAPPED}, speed: 2, loop: false")
    assert course(fast, "power", 5) == [1000.0, 2000.0, 3000.0, 3000.0, 3000.0]
    late = playing(tmp_path, f"{MAPPED}, start: 2, loop: false")
    assert course(late, "power", 3) == [2000.0, 2000.0, 3000.0]


def test_parquet_is_played_as_csv_is(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"t": [10.0, 11.0], "power": [1.0, 2.0]})
    parquet.write_table(table, tmp_path / "log.parquet")
    fast = playing(tmp_path, "file: log.parquet, time: t, time_unit: s")
    assert course(fast, "power", 4) == [1.0, 2.0, 1.0, 2.0]


async def test_faults_strike_what_is_played_and_a_foreign_client_reads_it(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    fault = "faults: [{device: played, fault: drift, point: power, magnitude: 250, start: 0}]\n"
    async with held(playing(tmp_path, MAPPED, more=fault)) as simulation:
        async with pymodbus(simulation.ports[5020]) as client:
            address = simulation.plant.devices["played"].profile.point("power").address
            reply = await client.read_input_registers(address, count=2)
            value = client.convert_from_registers(reply.registers, client.DATATYPE.FLOAT32)
            assert value == 1250.0


@pytest.mark.parametrize(
    ("playback", "text"),
    [
        ("file: none.csv", "none.csv.*no such file"),
        ("file: log.csv", "no column time_ms.*time"),
        ("file: log.csv, time: when", "no column of a point of eastron-sdm630.*columns"),
        ("file: log.csv, time: P, columns: {powr: P}", "no point powr.*power"),
        ("file: log.csv, time: U1, columns: {power: P}", "time is wrong"),
        ("file: log.csv, time: when, columns: {power: P}, start: 99", "ends before 99 s"),
        ("file: ragged.csv, time: when, columns: {power: P}", "2 cells.*3"),
    ],
)
def test_what_cannot_be_played_is_told_with_its_remedy(tmp_path: Path, playback: str, text: str) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "ragged.csv").write_text("when,U1,P\n1,2\n")
    with pytest.raises(ConfigError, match="(?s)" + text):
        playing(tmp_path, playback)


@pytest.mark.slow
async def test_a_recording_that_is_played_and_recorded_is_the_same(tmp_path: Path) -> None:
    names, table = await recorded(tmp_path, plant({"device": "m", "machine": "eastron-sdm630"}, step=0.1), 1)
    assert len(table) >= 4
    playback = "file: 1.csv, speed: 1, loop: false"
    (tmp_path / "plant.yaml").write_text(
        f"step: 100ms\nmachines:\n  - {{device: played, {METER}, playback: {{{playback}}}}}\n"
    )
    again, second = await recorded(tmp_path, load(tmp_path / "plant.yaml", lowest_port=1), 2)
    assert again == names
    # a tick may fall between two requests, so that the points of a row are of two rows
    columns = zip(names, zip(*table, strict=True), zip(*second, strict=True), strict=True)
    for name, before, after in list(columns)[1:]:
        assert set(after) <= set(before), name


async def recorded(folder: Path, running: Plant, number: int) -> tuple[list[str], list[list[Any]]]:
    """The head and the rows of a recording over the wire, while the plant goes on by a tick each 50 ms."""
    file = folder / f"{number}.csv"
    async with held(running) as simulation, asyncio.TaskGroup() as tasks:
        clock = tasks.create_task(ticking(running))
        address = f"127.0.0.1:{simulation.ports[5020]}"
        await record(RecordOptions(address, file, "eastron-sdm630", None, 1, "100ms", "700ms"))
        clock.cancel()
    assert file.stat().st_mode & 0o777 == 0o600
    with file.open(newline="") as text:
        head, *rows = csv.reader(text)
    return head, rows


async def ticking(running: Plant) -> None:
    for _ in range(1000):
        await asyncio.sleep(0.05)
        running.advance()
