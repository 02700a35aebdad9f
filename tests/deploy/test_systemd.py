"""The systemd units: systemd understands them, and finds little to say against them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.deployed import DEPLOY
from tests.support.systemd import WATCHDOG_S

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
INSTALLED = "/opt/qilu/bin/qilu"
MOST_EXPOSED = 20
"""Tenths of what `systemd-analyze security` gives: 0 is none at all, 100 is everything."""


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not on this machine")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(params=UNITS, ids=[unit.stem for unit in UNITS])
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The unit with the program of this environment instead of the installed one."""
    text = request.param.read_text()
    assert INSTALLED in text
    here = tmp_path / str(request.param.name)
    program = Path(sys.executable).with_name("qilu")
    here.write_text(text.replace(INSTALLED, f'"{program}"'))  # quoted: there may be blanks in it
    return here


def test_systemd_understands_the_unit(unit: Path) -> None:
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_exposes_little(unit: Path) -> None:
    if "--offline" not in analyze("--help").stdout:
        pytest.skip("this systemd-analyze knows no --offline")
    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", unit)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


@pytest.mark.parametrize("drop_in", ["addresses.conf", "kernel-clock.conf"])
def test_a_drop_in_is_understood(unit: Path, drop_in: str) -> None:
    folder = unit.with_name(f"{unit.name}.d")
    folder.mkdir()
    shutil.copy(DEPLOY / "systemd" / drop_in, folder)
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("file", UNITS, ids=[unit.stem for unit in UNITS])
def test_a_service_is_watched_and_its_memory_bounded(file: Path) -> None:
    settings = dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line[:30])
    assert settings["Type"] == "notify"
    assert settings["WatchdogSec"] == f"{WATCHDOG_S:.0f}"
    assert {"MemoryHigh", "MemoryMax", "TasksMax", "LimitCORE", "IPAddressDeny"} <= set(settings)


def test_wrong_settings_do_not_start_the_service_again_and_again() -> None:
    for unit in UNITS:
        assert "RestartPreventExitStatus=2" in unit.read_text().splitlines()
