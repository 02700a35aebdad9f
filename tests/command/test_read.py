"""`qilu read` shows one reading of a device without a broker, a spool or a store."""

import json
from pathlib import Path

import pytest

from qilu.contract.errors import ConfigError, UnreachableError
from qilu_cli.commands.read import ReadOptions, read
from tests.simulator.serving import held
from tests.simulator.simulated import plant

PUMP = {"device": "pump", "machine": "centrifugal-pump"}


def gateway_file(folder: Path, port: int) -> Path:
    file = folder / "gateway.yaml"
    device = "{device: pump-1, unit_id: 1, profile: centrifugal-pump}"
    file.write_text(
        f"edge: edge-1\nspool: {{directory: spool}}\ndelivery: {{trusted_stores: [s]}}\n"
        f"sources: [{{type: modbus, url: 'tcp://127.0.0.1:{port}', timeout: 300ms, devices: [{device}]}}]\n"
    )
    return file


async def test_every_point_comes_with_its_unit_and_the_text_of_its_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with held(plant(PUMP)) as simulation:
        await read(
            ReadOptions(
                gateway_file(tmp_path, next(iter(simulation.ports.values()))), "pump-1", "json", trace=False
            )
        )
    rows = {row["point"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["vibration"]["unit"] == "mm/s"
    assert rows["state"]["text"] == "running"
    assert {row["quality"] for row in rows.values()} == {"good"}
    assert not (tmp_path / "spool").exists()


async def test_the_frames_are_shown_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with held(plant(PUMP)) as simulation:
        await read(
            ReadOptions(
                gateway_file(tmp_path, next(iter(simulation.ports.values()))), "pump-1", "csv", trace=True
            )
        )
    frames = capsys.readouterr().err.splitlines()
    assert {frame[0] for frame in frames} == {">", "<"}
    assert all(bytes.fromhex(frame[2:])[2:4] == b"\0\0" for frame in frames)  # Modbus TCP's protocol id


async def test_a_device_that_does_not_answer_is_an_error_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnreachableError, match="pump-1 does not answer .*nothing listens there"):
        await read(ReadOptions(gateway_file(tmp_path, 1), "pump-1", "table", trace=False))
    assert "unreachable" in capsys.readouterr().out


async def test_a_device_that_the_settings_do_not_have_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no device pimp-1; did you mean pump-1"):
        await read(ReadOptions(gateway_file(tmp_path, 1), "pimp-1", "table", trace=False))
