"""`qilu probe` as a person calls it, at our simulator and at servers that are not ours."""

from __future__ import annotations

import asyncio
import json
import struct
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from qilu.config.settings_file import load
from qilu.contract.profile import DeviceProfile
from tests.servers import free_port
from tests.servers.libmodbus import LibmodbusServer
from tests.system.programs import Qilu, qilu

VOLTAGE = struct.unpack(">2H", struct.pack(">f", 231.5))
SWAPPED = VOLTAGE[::-1]


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of two simulated machines, unit 1 and 7, that stand still."""
    folder, port = tmp_path_factory.mktemp("plant"), free_port()
    machines = [
        {"device": "meter", "machine": "three-phase-energy-meter", "port": port, "unit_id": 1},
        {"device": "air", "machine": "screw-air-compressor", "port": port, "unit_id": 7},
    ]
    file = folder / "plant.yaml"
    file.write_text(yaml.safe_dump({"plant": "probed", "step": "10s", "machines": machines}))
    with Qilu(folder, "simulate", file, "--paused", ready="devices are served"):
        yield port


def probed(*arguments: str | Path) -> Any:
    """The JSON that a probe prints."""
    ended = qilu("probe", *arguments, "--format", "json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_a_scan_tells_who_answers_and_what_they_are(plant: int) -> None:
    reported = probed("scan", f"127.0.0.1:{plant}", "--units", "1-10")
    assert [unit["unit"] for unit in reported["units"]] == [1, 7]
    assert "three-phase-energy-meter" in reported["units"][0]["identity"]
    plain = qilu("probe", "scan", f"127.0.0.1:{plant}", "--units", "1-10").stdout
    assert "2 of 10 unit ids answered" in plain


def test_a_look_tells_the_identity_and_the_tables(plant: int) -> None:
    reported = probed("identify", f"127.0.0.1:{plant}")
    assert reported["identity"]["vendor_name"] == "Qilu"
    assert reported["tables"] == {
        "coil": "address 0: illegal address",
        "discrete": "address 0: illegal address",
        "input": "can be read",
        "holding": "address 0: illegal address",
    }


def test_a_dump_shows_floats_and_what_is_missing(plant: int) -> None:
    (reported,) = probed("read", f"127.0.0.1:{plant}", "input:0-80")
    rows = {row["address"]: row for row in reported["addresses"]}
    assert 200 < rows[2]["read_as"]["float32 ABCD"] < 250
    assert rows[40]["missing"] == "illegal address"
    assert "hex" in rows[72]
    plain = qilu("probe", "read", f"127.0.0.1:{plant}", "input:0-80").stdout
    assert "values look like float32 ABCD, beginning at even addresses" in plain
    assert "38-71" in plain


def test_a_known_value_is_found_where_the_display_shows_it(plant: int) -> None:
    (reported,) = probed("read", f"127.0.0.1:{plant}", "input:36-37")
    frequency = reported["addresses"][0]["read_as"]["float32 ABCD"]
    where = ("find", f"127.0.0.1:{plant}", "input:20-37")
    found = probed(*where, "--value", str(frequency), "--tolerance", "0.01")
    assert (found[0]["address"], found[0]["type"], found[0]["scale"]) == (36, "float32", 1.0)


def test_a_profile_is_made_from_one_look_and_reads_the_same(plant: int, tmp_path: Path) -> None:
    address = ("--from-probe", f"127.0.0.1:{plant}", "--read", "input:0-90", "--name", "meter")
    made = qilu("profile", "new", *address, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    profile = load(tmp_path / "meter.yaml", DeviceProfile)
    assert {(p.address, p.type) for p in profile.points} >= {(2, "float32"), (36, "float32")}
    gap = profile.limits.unreadable[0]
    assert (gap.first, gap.last) == (38, 71)
    assert "# read " in (tmp_path / "meter.yaml").read_text()
    assert qilu("check", tmp_path / "meter.yaml").returncode == 0
    again = qilu("profile", "new", *address, folder=tmp_path)
    assert (again.returncode, "add --force" in again.stderr) == (2, True)


def test_a_device_of_which_nothing_is_known_is_looked_at_everywhere(plant: int, tmp_path: Path) -> None:
    made = qilu("profile", "new", "--from-probe", f"127.0.0.1:{plant}", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    profile = load(tmp_path / "three-phase-energy-meter.yaml", DeviceProfile)  # as it calls itself
    assert {(p.table, p.address) for p in profile.points} >= {("input", 2), ("input", 36)}


def test_a_watch_tells_what_changes(plant: int) -> None:
    """The counter of requests moves with every look."""
    address = f"127.0.0.1:{plant}"
    ended = qilu("probe", "watch", address, "input:0-3", "--every", "100ms", "--duration", "2")
    assert ended.returncode == 0, ended.stderr
    moved = [line for line in ended.stdout.splitlines() if "->" in line]
    assert len(moved) >= 3
    assert all(" input:1 " in line for line in moved)


def test_a_libmodbus_server_is_read_up_to_its_last_address(tmp_path: Path) -> None:
    holding = {10: SWAPPED[0], 11: SWAPPED[1], 9999: 7}
    with LibmodbusServer(tmp_path, {"holding": holding}) as server:
        address = f"127.0.0.1:{server.port}"
        best = probed("find", address, "holding:0-40", "--value", "231.5")[0]
        assert (best["address"], best["order"], best["word_order"]) == (10, "CDAB", "little")
        assert "the words are swapped" in best["hints"][0]
        (reported,) = probed("read", address, "409990-410010")
        rows = {row["address"]: row for row in reported["addresses"]}
        assert rows[9999]["read_as"]["uint16"] == 7
        assert {row["missing"] for number, row in rows.items() if number > 9999} == {"illegal address"}
        scan = qilu("probe", "scan", address, "--units", "1-5").stdout
        assert "there may be one device that does not look at the id" in scan


async def test_a_pymodbus_server_with_gaps_is_read_around_them() -> None:
    registers = [
        SimData(first, values=list(words), datatype=DataType.REGISTERS)
        for first, words in ((5, VOLTAGE), (20, [2315, 1, 2]), (40, [9]))
    ]
    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    device = SimDevice(3, simdata=(bits, bits, registers, registers))
    server = ModbusTcpServer(device, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    assert isinstance(server.transport, asyncio.Server)
    address = f"127.0.0.1:{server.transport.sockets[0].getsockname()[1]}"
    try:
        found = await asyncio.to_thread(
            probed, "find", address, "holding:0-45", "--value", "231.5", "--unit", "3"
        )
        (reported,) = await asyncio.to_thread(probed, "read", address, "input:0-45", "--unit", "3")
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]
    assert [(one["address"], one["type"], one["scale"]) for one in found[:2]] == [
        (5, "float32", 1.0),
        (20, "uint16", 0.1),
    ]
    has = [row["address"] for row in reported["addresses"] if "hex" in row]
    assert has == [5, 6, 20, 21, 22, 40]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["identify", "http://x"], "no transport that is known"),
        (["read", "h", "tank:1"], "there is no table"),
        (["read", "h"], "Missing argument 'RANGE'"),
        (["find", "h", "h:1"], "Missing option '--value'"),
        (["find", "h", "h:1", "--value", "3", "--tolerance", "much"], "is no tolerance"),
        (["find", "h", "coil:1", "--value", "3"], "read holding or input"),
        (["read", "h", "h:1e3"], "'1e3' is no address"),
        (["scan", "h", "--units", "0-300"], "names no unit ids"),
        (["scan", "h", "--timeout", "2h"], "'2h' is not a duration of up to an hour"),
        (["watch", "h", "h:1", "--every", "never"], "is not a duration"),
    ],
)
def test_wrong_usage_is_reported_with_a_remedy(arguments: Sequence[str], message: str) -> None:
    ended: subprocess.CompletedProcess[str] = qilu("probe", *arguments)
    assert ended.returncode == 2
    assert message in ended.stderr


def test_nobody_there_is_a_failure_of_one_line() -> None:
    ended = qilu("probe", "identify", f"127.0.0.1:{free_port()}")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert len(ended.stderr.splitlines()) == 1
    assert "no connection" in ended.stderr
