"""A program that uses an installed wheel gets Qilu's types: every package carries `py.typed`."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.wheels import PROJECT, make_environment

PROGRAM = """\
import cloud.settings, gateway.interfaces, qilu_cli.main, simulator.app
from qilu.contract.ranges import IntervalSet

offsets: IntervalSet = IntervalSet.parse("0-9")
wrong: str = offsets
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with Qilu as a wheel, and its dependencies from the environment of the tests."""
    folder = tmp_path_factory.mktemp("typed")
    packages = make_environment(folder)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "environment"


@pytest.mark.slow
def test_a_program_is_checked_against_the_types_of_an_installed_wheel(
    environment: Path, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    interpreter = ["--python-executable", str(environment / "bin" / "python")]
    options = ["--strict", "--no-incremental", "--config-file=", *interpreter]
    command = [sys.executable, "-m", "mypy", *options, "program.py"]
    result = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    errors = [line for line in result.stdout.splitlines() if ": error:" in line]
    assert len(errors) == 1, result.stdout + result.stderr
    assert errors[0].startswith("program.py:5: error: Incompatible types in assignment")
    assert '"IntervalSet"' in errors[0]


def test_every_package_at_the_top_says_that_it_is_typed() -> None:
    tops = {path.parent for path in PROJECT.glob("*/__init__.py")} - {PROJECT / "benchmarks"}
    assert {top.name for top in tops if not (top / "py.typed").exists()} == set()
    assert {top.name for top in tops} >= {"qilu", "qilu_cli", "simulator", "gateway", "cloud"}
