"""How devices are reached: RTU over TCP and on serial lines, late answers, identities, as files say it."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient
from pymodbus.pdu.diag_message import ReturnQueryDataResponse
from pymodbus.pdu.mei_message import ReadDeviceInformationResponse
from pymodbus.pdu.other_message import ReportDeviceIdResponse

from qilu.contract.errors import ConfigError
from simulator import app
from simulator.plant.plant import Plant
from simulator.plant.settings import PlantSettings
from simulator.serving.settings import LatencySettings
from simulator.wiring import delay
from tests.servers.programs import require
from tests.simulator.serving import FIRST, held, pymodbus
from tests.simulator.simulated import plant, profile

PUMP = {"device": "pump", "machine": "centrifugal-pump"}


async def test_a_port_speaks_rtu_over_tcp_where_the_file_says_so() -> None:
    pumps = plant({**PUMP, "framing": "rtu"}, {**PUMP, "device": "tcp"})
    async with held(pumps) as simulation:
        async with pymodbus(simulation.ports[FIRST], framer=FramerType.RTU) as client:
            rtu = (await client.read_holding_registers(40, count=2)).registers
        async with pymodbus(simulation.ports[FIRST + 1]) as client:
            assert (await client.read_holding_registers(40, count=2)).registers == rtu


def on_line(serial: Mapping[str, object], *units: int) -> Plant:
    """Pumps with these unit ids on one serial line."""
    machines = [{**PUMP, "device": f"pump-{unit}", "unit_id": unit, "serial": dict(serial)} for unit in units]
    settings = PlantSettings.model_validate({"machines": machines})
    return Plant(settings, {"centrifugal-pump": profile("centrifugal-pump")})


async def test_pymodbus_reads_and_writes_two_devices_on_a_serial_line(tmp_path: Path) -> None:
    truth = tmp_path / "truth"
    async with held(on_line({"pty": tmp_path / "bus"}, 1, 9), truth=truth):
        client = AsyncModbusSerialClient(str(tmp_path / "bus"), baudrate=9600, timeout=5, retries=0)
        assert await client.connect()
        for unit in (1, 9):
            assert not (await client.write_register(40, 200 + unit, device_id=unit)).isError()
            assert (await client.read_holding_registers(40, device_id=unit)).registers == [200 + unit]
        client.close()
        await asyncio.sleep(0)
    assert not (tmp_path / "bus").is_symlink()
    assert (truth / "requests.csv").read_text().count("\n") == 1 + 4


async def test_mbpoll_reads_a_serial_line_again_and_again(tmp_path: Path) -> None:
    async with held(on_line({"pty": tmp_path / "bus"}, 3)):
        for _ in range(2):
            where = ["-m", "rtu", "-b", "9600", "-P", "even", "-a", "3", "-0", "-1", "-q", "-t", "4"]
            process = await asyncio.create_subprocess_exec(
                str(require("mbpoll")), *where, "-r", "40", "-c", "2", str(tmp_path / "bus"),
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            output, _ = await process.communicate()
            assert "[40]: \t400" in output.decode()


async def test_noise_on_a_line_is_passed_over(tmp_path: Path) -> None:
    async with held(on_line({"pty": tmp_path / "bus"}, 3)):
        descriptor = os.open(tmp_path / "bus", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            os.write(descriptor, b"\x00\xff\x13" + bytes.fromhex("03 03 0028 0001 05e0"))
            came = b""
            async with asyncio.timeout(60):
                while len(came) < 7:
                    await asyncio.sleep(0.005)
                    try:
                        came += os.read(descriptor, 64)
                    except BlockingIOError:
                        continue
            assert came[:5] == bytes.fromhex("03 03 02 0190")
        finally:
            os.close(descriptor)


async def test_a_line_that_is_none_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    for serial, problem in (
        ({"device": tmp_path / "nowhere"}, "cannot open"),
        ({"device": tmp_path / "plain"}, "is no serial line"),
        ({"pty": tmp_path / "plain"}, "cannot put a link"),
        ({"pty": tmp_path / "no" / "folder"}, "cannot put a link"),
    ):
        with pytest.raises(ConfigError, match=problem):
            async with held(on_line(serial, 1)):
                pass
    assert (tmp_path / "plain").read_text() == ""


async def test_a_device_answers_under_the_identity_of_the_file() -> None:
    pumps = plant({**PUMP, "identity": {"vendor": "Shandong Pumps", "model": "SP-80"}})
    async with held(pumps) as simulation, pymodbus(simulation.ports[FIRST]) as client:
        reply = await client.read_device_information(read_code=2)
        assert isinstance(reply, ReadDeviceInformationResponse)
        assert reply.information[0] == b"Shandong Pumps"
        assert reply.information[1] == b"centrifugal-pump"
        assert reply.information[5] == b"SP-80"


async def test_a_late_device_is_late_and_its_neighbour_is_not() -> None:
    slow = {**PUMP, "device": "slow", "port": FIRST, "unit_id": 2, "latency": {"mean": "2h"}}
    pumps = plant({**PUMP, "port": FIRST}, slow)
    async with held(pumps) as simulation, pymodbus(simulation.ports[FIRST]) as client:
        async with pymodbus(simulation.ports[FIRST]) as other:
            waiting = asyncio.ensure_future(other.read_holding_registers(40, device_id=2))
            assert (await client.read_holding_registers(40, device_id=1)).registers == [400]
            assert not waiting.done()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting


async def test_latency_stays_within_its_jitter_and_is_drawn_from_the_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    for _ in range(2):
        wait = delay(LatencySettings(mean=0.2, jitter=0.1), 5, "pump")
        for _request in range(100):
            await wait()
    assert waited[:100] == waited[100:]
    assert 0.1 <= min(waited) < 0.12
    assert 0.28 < max(waited) <= 0.3


def refused(folder: Path, *machines: str) -> str:
    file = folder / "plant.yaml"
    text = "\n".join(["machines:", *machines]).replace("...", "machine: chiller")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        app.load(file)
    return str(error.value)


@pytest.mark.parametrize(
    ("machines", "wanted"),
    [
        (["- {device: a, ...}"], "machines.0.port: is missing"),
        (["- {device: a, ..., port: 5020, serial: {pty: x}}"], "a port is given too"),
        (["- {device: a, ..., serial: {}}"], "either a device or a pty is needed"),
        (["- {device: a, ..., serial: {pty: x, baudrate: 9601}}"], "serial.baudrate"),
        (["- {device: a, ..., port: 5020, framing: ascii}"], "framing"),
        (["- {device: a, ..., port: 5020, latency: {mean: 1s, jitter: 2s}}"], "larger than the mean"),
        (["- {device: a, ..., port: 5020, latency: {mean: soon}}"], "is not a duration"),
        (["- {device: a, ..., port: 5020, identity: {vendor: 齐鲁}}"], "identity.vendor"),
        (
            ["- {device: a, ..., port: 5020}", "- {device: b, ..., port: 5020, unit_id: 2, framing: rtu}"],
            "machines.1.framing: a speaks tcp on the same port",
        ),
        (
            ["- {device: a, ..., serial: {pty: x}}", "- {device: b, ..., serial: {pty: x}}"],
            "are both unit 1 on",
        ),
        (
            [
                "- {device: a, ..., serial: {pty: x}}",
                "- {device: b, ..., unit_id: 2, serial: {pty: x, baudrate: 19200}}",
            ],
            "other settings for the same line",
        ),
        (["- {device: a, ..., serial: {pty: x}, replicas: 300}"], "replicas: a-248 would be unit 248"),
        (["- {device: a, ..., serial: {pty: x}, unit_id: 250}"], "unit_id: a would be unit 250"),
        (["- {device: a, ..., serial: {pty: x}, unit_id: 0}"], "0 is the broadcast address in RTU frames"),
        (["- {device: a, ..., port: 5020, framing: rtu, unit_id: 0}"], "0 is the broadcast address in RTU"),
        (["- {device: a, ..., port: 5020, framing: rtu, unit_id: 248}"], "unit_id: a would be unit 248"),
    ],
)  # fmt: skip
def test_what_cannot_be_reached_is_refused_with_its_place(
    tmp_path: Path, machines: list[str], wanted: str
) -> None:
    message = refused(tmp_path, *machines)
    assert message.startswith(f"{tmp_path / 'plant.yaml'}:")
    assert wanted in message


def test_a_port_that_needs_the_rights_of_root_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plant.yaml"
    file.write_text("machines:\n- {device: a, machine: chiller, port: 502}\n")
    with pytest.raises(ConfigError, match="port 502 needs the rights of root"):
        app.load(file, lowest_port=1024)


@pytest.mark.parametrize("unit", [0, 1, 7, 200, 255])
async def test_a_device_that_ignores_unit_ids_replies_to_each_of_them(unit: int) -> None:
    pumps = plant({**PUMP, "ignore_unit_id": True})
    async with held(pumps) as simulation, pymodbus(simulation.ports[FIRST]) as client:
        reply = await client.read_holding_registers(40, count=1, device_id=unit)
        assert reply.registers == [400]
        assert reply.dev_id == unit


async def test_faults_of_a_device_that_ignores_unit_ids_strike_requests_to_any_id() -> None:
    busy = {"device": "pump", "fault": "exception", "code": 6}
    pumps = plant({**PUMP, "ignore_unit_id": True}, network_faults=[busy])
    async with held(pumps) as simulation, pymodbus(simulation.ports[FIRST]) as client:
        assert (await client.read_holding_registers(40, device_id=77)).exception_code == 6


@pytest.mark.parametrize(
    ("machines", "wanted"),
    [
        ("[{A, port: 5020, ignore_unit_id: true}, {B, port: 5020, unit_id: 2}]", "other devices are on the"),
        ("[{A, port: 5020, ignore_unit_id: true, framing: rtu}]", "needs Modbus TCP: RTU frames go to all"),
        ("[{A, port: 5020, ignore_unit_id: true, replicas: 2}]", "replicas with units_per_port: 1"),
    ],
)
def test_a_device_that_ignores_unit_ids_is_alone_on_its_port(
    machines: str, wanted: str, tmp_path: Path
) -> None:
    file = tmp_path / "plant.yaml"
    for name in "AB":
        machines = machines.replace(f"{{{name}", f"{{device: {name}, machine: centrifugal-pump")
    file.write_text(f"machines: {machines}\n")
    with pytest.raises(ConfigError) as error:
        app.load(file)
    assert wanted in str(error.value)


async def test_functions_8_and_17_are_answered_on_tcp_and_in_rtu_frames() -> None:
    pumps = plant({**PUMP, "framing": "rtu"}, {**PUMP, "device": "tcp"})
    async with held(pumps) as simulation:
        for port, framer in ((FIRST, FramerType.RTU), (FIRST + 1, FramerType.SOCKET)):
            async with pymodbus(simulation.ports[port], framer=framer) as client:
                echo = await client.diag_query_data(b"\x12\x34")
                assert isinstance(echo, ReturnQueryDataResponse)
                assert echo.message == b"\x12\x34"
                answer = await client.report_device_id()
                assert isinstance(answer, ReportDeviceIdResponse)
                assert answer.status
                assert b"centrifugal-pump" in answer.identifier
                assert (await client.diag_clear_counters()).exception_code == 1


async def test_a_map_is_as_long_as_the_file_says() -> None:
    long, short = {**PUMP, "readable_addresses": 2500}, {**PUMP, "device": "short"}
    pumps = plant(long, short)
    async with held(pumps) as simulation:
        async with pymodbus(simulation.ports[FIRST]) as client:
            block = (await client.read_holding_registers(0, count=125)).registers
            assert (await client.read_holding_registers(2375, count=125)).registers == [0] * 125
            assert (await client.read_holding_registers(2376, count=125)).exception_code == 2
            assert (await client.read_coils(0, count=2000)).bits[100:2000] == [False] * 1900
            assert (await client.write_register(1000, 1)).exception_code == 2
        async with pymodbus(simulation.ports[FIRST + 1]) as client:
            assert (await client.read_holding_registers(0, count=125)).exception_code == 2
            for address in (0, 2, 40):
                [register] = (await client.read_holding_registers(address)).registers
                assert register == block[address]
