"""`qilu check` refuses profiles that would be one metric in a store of Prometheus' data model."""

from __future__ import annotations

from pathlib import Path

import pytest

from qilu.contract.errors import ConfigError
from qilu_cli.commands.check import check

PRESS = "profile: press\npoints: [{name: oil_level, table: input, address: 0, type: uint16}]\n"
OIL = "profile: press-oil\npoints: [{name: NAME, table: input, address: 0, type: uint16}]\n"
GATEWAY = """
edge: edge-1
mqtt: {host: 127.0.0.1}
delivery: {trusted_stores: [plant-store]}
spool: {directory: spool}
profiles: .
sources:
  - type: modbus
    url: tcp://127.0.0.1:1502
    devices: [{device: a, profile: press, unit_id: 1}, {device: b, profile: press-oil, unit_id: 2}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "press.yaml").write_text(PRESS)
    (tmp_path / "press-oil.yaml").write_text(OIL.replace("NAME", "level"))
    (tmp_path / "broken.yaml").write_text("points: [")
    return tmp_path


def test_two_profiles_of_one_folder_that_meet_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"press and press-oil meet in the metric press_oil_level"):
        check([folder / "press-oil.yaml"])
    (folder / "press-oil.yaml").write_text(OIL.replace("NAME", "heat"))
    check([folder / "press-oil.yaml"])


def test_settings_of_a_gateway_that_uses_both_are_refused(folder: Path) -> None:
    (folder / "gateway.yaml").write_text(GATEWAY)
    with pytest.raises(ConfigError, match="meet in the metric"):
        check([folder / "gateway.yaml"])
