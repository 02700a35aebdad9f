"""The truth log: it agrees with what foreign clients read, and a run can be carried out again from it."""

import asyncio
import csv
import itertools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from zlib import crc32

import pytest

from qilu.contract.errors import ConfigError
from qilu.modbus.read_functions import read_response
from qilu.modbus.tcp import tcp_frame
from simulator.ground_truth.log import EVENTS, REQUESTS, request_summary
from simulator.plant.plant import Plant
from simulator.serving.requests import respond
from tests.servers.programs import require
from tests.simulator.serving import FIRST, Libmodbus, held, pymodbus
from tests.simulator.simulated import plant

PUMP = {"device": "pump", "machine": "centrifugal-pump"}
# function, address, count: the first and the last have the serve counter in them
READS = [(3, 0, 8), (4, 0, 8), (4, 8, 14), (3, 20, 7), (3, 40, 2), (3, 1, 3)]
COUNTED = {(3, 0, 8), (3, 1, 3)}


def rows(folder: Path, table: str = REQUESTS[0]) -> list[dict[str, str]]:
    with (folder / table).open() as file:
        return list(csv.DictReader(file))


def checksum(function: int, registers: list[int]) -> str:
    """Of the response that a client has got, as the log tells it."""
    return f"{crc32(read_response(function, b''.join(word.to_bytes(2, 'big') for word in registers))):08x}"


async def read_pymodbus(port: int, function: int, address: int, count: int) -> list[int]:
    async with pymodbus(port) as client:
        ask = client.read_holding_registers if function == 3 else client.read_input_registers
        reply = await ask(address, count=count)
        assert not reply.isError()
        return list(reply.registers)


async def read_mbpoll(port: int, function: int, address: int, count: int) -> list[int]:
    where = ["-m", "tcp", "-p", port, "-0", "-1", "-q", "-a", 1, "-t", {3: "4:hex", 4: "3:hex"}[function]]
    command = [require("mbpoll"), *where, "-r", address, "-c", count, "127.0.0.1"]
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    found = [line.split()[1] for line in output.decode().splitlines() if line.startswith("[")]
    return [int(text, 16) for text in found]


async def read_libmodbus(port: int, function: int, address: int, count: int) -> list[int]:
    def read() -> list[int]:
        client = Libmodbus(port)
        try:
            return client.read(function, address, count)
        finally:
            client.close()

    return await asyncio.to_thread(read)


@pytest.mark.parametrize("read", [read_pymodbus, read_mbpoll, read_libmodbus])
async def test_a_foreign_client_and_the_truth_agree_request_by_request(
    read: Callable[..., asyncio.Future[list[int]]], tmp_path: Path
) -> None:
    running = plant(PUMP, step=1)
    got = []
    async with held(running, truth=tmp_path) as simulation:
        for function, address, count in READS:
            running.advance(3)
            registers = await read(simulation.ports[FIRST], function, address, count)
            assert len(registers) == count
            got.append((running.tick, function, address, count, checksum(function, registers)))
    reported = rows(tmp_path)
    keys = ("tick", "function", "address", "count")
    assert [(*(int(row[key]) for key in keys), row["response"]) for row in reported] == got
    counted = [row["counter"] for row in reported]
    numbers = itertools.count(1)
    assert counted == [str(next(numbers)) if each in COUNTED else "" for each in READS]
    assert {row["device"] for row in reported} == {"pump"}
    assert {row["exception"] for row in reported} == {"0"}


async def test_what_is_refused_written_or_for_nobody_is_reported_as_well(tmp_path: Path) -> None:
    both = plant({**PUMP, "port": FIRST}, {**PUMP, "device": "other", "unit_id": 2, "port": FIRST})
    async with held(both, truth=tmp_path) as simulation, pymodbus(simulation.ports[FIRST]) as client:
        await client.read_holding_registers(9999, count=2, device_id=1)
        await client.write_register(40, 250, device_id=2)
        await client.read_coils(0, count=2, device_id=9)
        await client.read_device_information(device_id=1)
    reported = [
        (row["device"], row["unit"], row["function"], row["address"], row["count"], row["exception"])
        for row in rows(tmp_path)
    ]
    assert reported == [
        ("pump", "1", "3", "9999", "2", "2"),
        ("other", "2", "6", "40", "1", "0"),
        ("", "9", "1", "0", "2", "11"),
        ("pump", "1", "43", "", "", "0"),
    ]
    assert rows(tmp_path)[1]["request"] == "06002800fa"


async def run(folder: Path, seed: int) -> list[bytes]:
    """Everything that came over the wire in one run of a plant with a fault and a write."""
    fault = {"device": "pump", "fault": "spike", "point": "flow", "magnitude": 30, "start": 5}
    cnc = {"device": "cnc", "machine": "cnc-machining-centre", "replicas": 2}
    running = plant(PUMP, cnc, seed=seed, faults=[fault])
    came = []
    async with held(running, truth=folder, now_ms=lambda: 1000 * running.tick) as simulation:
        streams = [await asyncio.open_connection("127.0.0.1", port) for port in simulation.ports.values()]
        for _turn in range(40):
            running.advance(5)
            for reader, writer in streams:
                writer.write(tcp_frame(7, 1, b"\x03\0\0\0\x08") + tcp_frame(8, 1, b"\x04\0\0\0\x08"))
                writer.write(tcp_frame(9, 1, b"\x06\0\x28\x01\x2c"))
                for _answer in range(3):
                    head = await reader.readexactly(6)
                    came.append(head + await reader.readexactly(int.from_bytes(head[4:], "big")))
        for _, writer in streams:
            writer.close()
    return came


async def test_two_runs_with_one_seed_are_the_same_bytes_on_the_wire_and_in_the_truth(tmp_path: Path) -> None:
    first, second, other = [await run(tmp_path / str(i), seed) for i, seed in enumerate((7, 7, 8))]
    assert first == second
    assert first != other
    for table in ("requests.csv", "events.csv", "wire.csv"):
        assert (tmp_path / "0" / table).read_bytes() == (tmp_path / "1" / table).read_bytes()
    for table in ("requests.csv", "events.csv"):
        assert (tmp_path / "0" / table).read_bytes() != (tmp_path / "2" / table).read_bytes()


def carried_out_again(folder: Path, running: Plant) -> list[str]:
    """The checksums of the responses when every request of a log comes again at its tick."""
    came = []
    for row in rows(folder):
        running.advance(int(row["tick"]) - running.tick)
        came.append(f"{crc32(respond(running.devices[row['device']], bytes.fromhex(row['request']))):08x}")
    return came


async def test_a_run_with_writes_can_be_carried_out_again_from_its_truth(tmp_path: Path) -> None:
    def built() -> Plant:
        return plant(PUMP, {"device": "air", "machine": "screw-air-compressor"})

    running = built()
    async with held(running, truth=tmp_path) as simulation, pymodbus(simulation.ports[FIRST]) as client:
        for turn in range(20):
            running.advance(7)
            await client.read_input_registers(0, count=8)
            if turn == 6:
                await client.write_register(40, 200)
            await client.read_holding_registers(0, count=8)
    reported = [row["response"] for row in rows(tmp_path)]
    assert carried_out_again(tmp_path, built()) == reported
    untouched = plant({**PUMP, "writable": False}, {"device": "air", "machine": "screw-air-compressor"})
    assert carried_out_again(tmp_path, untouched)[14:] != reported[14:]


async def test_the_truth_begins_with_the_states_and_the_faults_that_are_there_already(tmp_path: Path) -> None:
    fault: Mapping[str, object] = {"device": "pump", "fault": "bearing_wear", "start": 0, "severity": 0.1}
    running = plant(PUMP, faults=[fault])
    async with held(running, truth=tmp_path):
        running.advance(2)
    reported = [
        (row["device"], row["event"], row["before"], row["after"]) for row in rows(tmp_path, EVENTS[0])
    ]
    assert reported == [
        ("pump", "fault bearing_wear", "0", "1"),
        ("pump", "state", "3", "3"),
        ("pump", "alarm", "0", "0"),
    ]


async def test_a_folder_with_another_truth_is_refused(tmp_path: Path) -> None:
    (tmp_path / "requests.csv").write_text("time_ms,device\n")
    with pytest.raises(ConfigError, match="other columns"):
        async with held(plant(PUMP), truth=tmp_path):
            pass


async def test_a_truth_is_for_its_owner_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with held(plant(PUMP), truth=tmp_path / "truth"):
            pass
    finally:
        os.umask(before)
    written = [tmp_path / "truth", *(tmp_path / "truth").iterdir()]
    assert {path.stat().st_mode & 0o077 for path in written} == {0}
    assert len(written) > 1


def test_what_a_request_is_about_is_read_from_any_bytes() -> None:
    assert request_summary(b"\x03\0\x01\0\x02") == (3, 1, 2)
    assert request_summary(b"\x06\0\x05\0\x09") == (6, 5, 1)
    for pdu in (b"\x03", b"\x03\0\x01", b"\x06\0", b"\x2b\x0e", b"\xff"):
        assert request_summary(pdu) == (pdu[0], None, None)
