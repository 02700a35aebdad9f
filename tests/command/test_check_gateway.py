"""`qilu check` of gateway settings says what will not work on this machine, and what devices taught."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.sources.modbus.learning.store import LEARNED_FOLDER, LearnedLimitsStore
from gateway.sources.modbus.planning.plan import LearnedLimits
from qilu.config.settings_file import load
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Reason
from qilu_cli.main import app

PROFILE = """\
profile: meter
limits: {max_registers: 1}
groups: {fast: 100ms}
points:
  - {name: power, table: holding, address: 0, type: uint16}
  - {name: flow, table: holding, address: 9, type: uint16}
  - {name: ghost, table: holding, address: 30, type: uint16}
"""

GATEWAY = """\
edge: edge-1
profiles: .
spool: {directory: spool}
delivery: {free_on: broker}
sources:
  - type: modbus
    url: URL
    devices:
      - {device: meter-1, profile: meter}
"""


def checked(tmp_path: Path, url: str) -> str:
    (tmp_path / "meter.yaml").write_text(PROFILE, encoding="utf-8")
    (tmp_path / "gateway.yaml").write_text(GATEWAY.replace("URL", url), encoding="utf-8")
    done = CliRunner().invoke(app, ["check", str(tmp_path / "gateway.yaml")])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_serial_port_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    """The settings may be meant for another machine, or the adapter may come later."""
    printed = checked(tmp_path, f"rtu://{tmp_path}/ttyUSB3?baudrate=9600")
    assert f"there is no port {tmp_path}/ttyUSB3; {tmp_path} has none" in printed


def test_a_line_that_cannot_carry_its_plan_is_a_warning(tmp_path: Path) -> None:
    assert "asked for more than it can answer" in checked(tmp_path, "rtu:///dev/null?baudrate=300")
    assert "warning" not in checked(tmp_path, "tcp://plc")


def test_the_summary_has_polls_requests_and_the_share_of_a_core(tmp_path: Path) -> None:
    """Three points in three requests, ten times a second."""
    summary = "30 points/s in 30.0 requests/s and 10.0 polls/s; about 0.4% of a CPU core, which 4000 polls/s"
    assert summary in checked(tmp_path, "tcp://plc")


def test_the_pauses_between_requests_are_part_of_the_load(tmp_path: Path) -> None:
    assert "busy 30.0% of the time" in checked(tmp_path, "tcp://plc")
    assert "busy 90.0% of the time" in checked(tmp_path, "tcp://plc\n    message_spacing: 20ms")


def test_the_load_of_a_line_follows_from_its_character(tmp_path: Path) -> None:
    """A character of 8N1 has ten bits, one of 8E1 eleven; 30 replies take 30 % of the time besides."""
    text = checked(tmp_path, "rtu:///dev/null?baudrate=9600") + checked(
        tmp_path, "rtu:///dev/null?baudrate=9600&parity=E"
    )
    without, with_parity = (float(busy) - 30 for busy in re.findall(r"busy ([\d.]+)%", text))
    assert with_parity / without == pytest.approx(1.1, abs=0.01)


def test_what_devices_taught_is_reported(tmp_path: Path) -> None:
    checked(tmp_path, "tcp://plc")
    profile = load(tmp_path / "meter.yaml", DeviceProfile)
    LearnedLimitsStore(tmp_path / "spool" / LEARNED_FOLDER).keep(
        "meter-1", profile, LearnedLimits({"ghost": Reason.ILLEGAL_ADDRESS})
    )
    assert "learned: meter-1 refuses ghost" in checked(tmp_path, "tcp://plc")


@pytest.mark.parametrize(("name", "key"), [("edge-1", "edge"), ("meter-1", "device")])
def test_a_name_with_a_dot_is_refused_with_the_reason(name: str, key: str, tmp_path: Path) -> None:
    (tmp_path / "meter.yaml").write_text(PROFILE, encoding="utf-8")
    text = GATEWAY.replace("URL", "tcp://plc").replace(f" {name}", f" {name}.a")
    (tmp_path / "gateway.yaml").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(app, ["check", str(tmp_path / "gateway.yaml")])
    printed = " ".join(done.output.split())
    assert done.exit_code == 2, printed
    assert f"'{name}.a' cannot be part of a topic: brokers such as NATS and RabbitMQ" in printed
    assert "use letters, digits and hyphens" in printed
    assert key in printed
