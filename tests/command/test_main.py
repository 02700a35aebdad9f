"""The command itself: what it does before any of its subcommands has begun."""

import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from qilu.contract.errors import ConfigError
from qilu_cli.commands.demo import DemoOptions, demo
from qilu_cli.runner import run
from tests.system.programs import qilu

INTERRUPTED = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "qilu_cli.commands.simulate":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from qilu_cli.main import main
sys.argv = ["qilu", "simulate", "nowhere.yaml"]
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs the signals of POSIX")
def test_ctrl_c_while_a_command_is_still_being_imported_ends_it_without_a_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_a_log_that_cannot_be_written_is_reported_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()

    async def never() -> None:
        raise AssertionError("it was started all the same")

    with pytest.raises(typer.Exit) as ended:
        run(never, "info", False, log=tmp_path / "file" / "demo.log")
    assert ended.value.exit_code == 2
    assert "demo.log: cannot be written: " in capsys.readouterr().err


async def test_a_summary_that_cannot_be_written_is_reported_before_the_plant_runs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for summary in (tmp_path, tmp_path / "file" / "s.json"):
        with pytest.raises(ConfigError, match="--summary: cannot be written: .*; name a file"):
            await demo(DemoOptions(None, tmp_path / "data", 1, True, summary))
    assert not (tmp_path / "data").exists()


def test_its_version_is_that_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    done = qilu("--version")
    assert (done.returncode, done.stdout) == (0, f"qilu {project['version']}\n")


@pytest.mark.parametrize(
    ("text", "wrong"), [("0.5", True), ("500ms", True), ("soon", True), ("2m", False), ("90", False)]
)
def test_a_run_time_is_a_duration_as_in_files(text: str, wrong: bool) -> None:
    done = qilu("gateway", "nowhere.yaml", "--duration", text)
    assert ("is not a duration of 1s or more" in done.stderr) == wrong
    assert ("nowhere.yaml: no such file" in done.stderr) != wrong
