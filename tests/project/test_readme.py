"""Every command of the READMEs does what a reader expects: it runs, in order, and ends with code 0."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.project.readme import Command, command, commands, files
from tests.servers.process import free_port
from tests.servers.programs import require

PROJECT = Path(__file__).parents[2]
READMES = sorted(path.name for path in PROJECT.glob("README*.md"))
FIXED_PORTS = ("1883", "5030")
WITHIN = 60.0
WORD_WITHIN = 20.0


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a reader has cloned and set up: the files of this one, with its environment and its servers."""
    folder = tmp_path / "qilu"
    leave = shutil.ignore_patterns(
        ".git", ".venv", ".servers", "var", "__pycache__", ".*_cache", ".hypothesis"
    )
    shutil.copytree(PROJECT, folder, ignore=leave, symlinks=True)
    for ours in (".venv", ".servers"):
        if (PROJECT / ours).exists():
            (folder / ours).symlink_to(PROJECT / ours)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """The environment activated, and the tests' servers found."""
    path = [
        str(Path(sys.executable).parent),
        str(folder / ".servers" / "bin"),
        os.environ["PATH"],
        "/usr/sbin",
    ]
    return {**os.environ, "PATH": os.pathsep.join(path), "MAKEFLAGS": ""}


@contextlib.contextmanager
def beside(one: Command, folder: Path) -> Iterator[None]:
    """A command that runs on while the rest of the page is run; told to stop it must end with code 0."""
    log = folder.parent / f"{one.run.split()[1]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["sh", "-c", f"exec {one.run}"],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + WORD_WITHIN
        while not log.stat().st_size and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process.poll() is None, f"{one.line}: ended with {process.returncode}:\n{log.read_text()}"
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0, f"{one.line}:\n{log.read_text()}"
    finally:
        process.kill()
        process.wait()


def _moved(text: str, ports: Mapping[str, str]) -> str:
    """The same with ports that nobody on this machine uses."""
    for fixed, free in ports.items():
        text = re.sub(rf"\b{fixed}\b", free, text)
    return text


@pytest.mark.parametrize("readme", READMES)
def test_every_command_runs(readme: str, checkout: Path) -> None:
    require("mosquitto")
    here = {port: str(free_port()) for port in FIXED_PORTS}
    for name, text in files(PROJECT / readme).items():
        (checkout / name).write_text(_moved(text, here), encoding="utf-8")
    with contextlib.ExitStack() as running:
        for printed in commands(PROJECT / readme):
            one = replace(printed, run=_moved(printed.run, here))
            if one.why_not:
                continue
            if one.beside:
                running.enter_context(beside(one, checkout))
                continue
            done = subprocess.run(
                ["sh", "-c", one.run],
                check=False,
                cwd=checkout,
                env=environment(checkout),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=WITHIN,
            )
            assert done.returncode == 0, f"{one.line}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_the_readmes_name_the_same_commands() -> None:
    printed = [[one.run for one in commands(PROJECT / readme)] for readme in READMES]
    assert all(one == printed[0] for one in printed)


def test_a_line_becomes_a_command_that_ends_by_itself() -> None:
    cases = {
        "make demo": 'make demo ARGS="--duration 3"',
        'make demo ARGS="--headless"': 'make demo ARGS="--duration 3 --headless"',
        'make demo ARGS="--headless --duration 20"': 'make demo ARGS="--headless --duration 3"',
        "make test": "make -n test",
        "qilu demo  # in a terminal": "qilu demo --duration 3",
        ".venv/bin/qilu demo --duration 60 --headless": "qilu demo --duration 3 --headless",
        "qilu query --devices": "qilu query --devices",
        "cd qilu && make help": "make help",
        "cd qilu": "",
        "git clone https://example.org/qilu": "",
        "qilu simulate configs/plant.yaml &": "qilu simulate configs/plant.yaml",
    }
    assert {line: command(line).run.split(" -o ")[0] for line in cases} == cases
    assert command("qilu gateway my.yaml").beside
    assert not command("qilu check my.yaml").beside
