"""The scripts behind `make` work wherever a checkout is."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
WRITE_DOWN = '#!/bin/sh\nfor word in "$@"; do echo "$word"; done >>"$WORDS"\n'
KNOWS_PACKAGES = f'{WRITE_DOWN}case "$*" in *Dir::State::lists=*) echo "Package: mosquitto" ;; esac\n'
"""Only with lists of our own, as on a machine without any."""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_servers_are_fetched_into_a_checkout_below_a_folder_with_a_blank(tmp_path: Path) -> None:
    checkout, programs, words = tmp_path / "my works" / "qilu", tmp_path / "bin", tmp_path / "words"
    (checkout / "scripts").mkdir(parents=True)
    shutil.copy(PROJECT / "scripts" / "fetch-servers", checkout / "scripts")
    programs.mkdir()
    for name, text in (("apt-get", WRITE_DOWN), ("dpkg-deb", WRITE_DOWN), ("apt-cache", KNOWS_PACKAGES)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    known = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "WORDS": str(words)}
    subprocess.run([checkout / "scripts" / "fetch-servers"], check=True, env=known, capture_output=True)
    options = set(words.read_text().splitlines())
    assert {f"Dir::State::lists={checkout}/.servers/apt/lists", "mosquitto"} <= options
    assert (checkout / ".servers" / "bin").is_dir()


@pytest.mark.parametrize(("covered", "status"), [(94, 1), (95, 0)])
def test_a_package_below_its_floor_of_branches_is_named(tmp_path: Path, covered: int, status: int) -> None:
    packages = ("qilu/contract", "qilu/modbus", "gateway/spool", "gateway/delivery")
    whole = {"summary": {"num_branches": 100, "covered_branches": 100}}
    part = {"summary": {"num_branches": 100, "covered_branches": covered}}
    files = {f"{package}/a.py": whole for package in packages} | {"gateway/spool/a.py": part}
    (tmp_path / "coverage.json").write_text(json.dumps({"files": files}))
    script, file = PROJECT / "scripts" / "branch_coverage.py", tmp_path / "coverage.json"
    command: list[str | Path] = [sys.executable, script, file]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == status
    assert ("gateway/spool: 94 of 100 branches, 94.0 %; the floor is 95 %" in run.stdout) == bool(status)
