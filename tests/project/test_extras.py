"""`pip install qilu` alone carries a gateway; a command that needs an extra names it."""

import ast
import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from qilu.runtime.extras import EXTRAS
from tests.servers import free_port
from tests.support.wheels import PROJECT, link_packages, make_environment
from tests.system.programs import Qilu

pytestmark = pytest.mark.slow
BUILD = {"hatchling", "editables", "pathspec", "pluggy", "trove-classifiers", "packaging"}


@pytest.fixture(scope="module")
def qilu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in an environment with the wheel and what the lock of an edge names."""
    folder = tmp_path_factory.mktemp("edge")
    packages = make_environment(folder)
    lock = (PROJECT / "requirements-edge.lock").read_text()
    named = re.findall(r"^([a-z0-9-]+)==[^ ;]+(?: ; (.*?))? *\\\\?$", lock, re.MULTILINE)
    link_packages({name for name, marker in named if "win32" not in marker} - BUILD, packages)
    command = folder / "environment" / "bin" / "qilu"
    python = folder / "environment" / "bin" / "python"
    command.write_text(f"#!{python}\nfrom qilu_cli.main import main\nmain()\n")
    command.chmod(0o755)
    return command


def run(qilu: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [qilu, *words], capture_output=True, text=True, timeout=60, check=False, cwd=qilu.parent
    )


async def test_a_gateway_runs_without_any_extra(qilu: Path, tmp_path: Path) -> None:
    device = {"device": "meter-1", "profile": "eastron-sdm630", "unit_id": 1}
    settings = {
        "edge": "edge-1",
        "spool": {"directory": "spool"},
        "mqtt": {"host": "127.0.0.1", "port": free_port()},
        "delivery": {"trusted_stores": ["plant-store"]},
        "sources": [{"type": "modbus", "url": f"tcp://127.0.0.1:{free_port()}", "devices": [device]}],
    }
    file = tmp_path / "gateway.yaml"
    file.write_text(yaml.safe_dump(settings))
    gateway = Qilu(tmp_path, "gateway", file, ready="collects from", program=qilu)
    try:
        await asyncio.to_thread(gateway.start)
        await asyncio.to_thread(gateway.stop)
    finally:
        gateway.kill()


@pytest.mark.parametrize("name", ["plant", "ingester", "gateway"])
def test_every_kind_of_file_is_checked_without_an_extra(qilu: Path, name: str) -> None:
    checked = run(qilu, "check", PROJECT / "configs" / f"{name}.yaml")
    assert checked.returncode == 0, checked.stderr
    assert ("pip install 'qilu[simulator]'" in " ".join(checked.stdout.split())) == (name == "plant")


def test_a_plant_file_with_an_error_is_refused_without_an_extra(qilu: Path, tmp_path: Path) -> None:
    file = tmp_path / "plant.yaml"
    text = (PROJECT / "configs" / "plant.yaml").read_text()
    file.write_text(text.replace("machine: chiller", "machine: chillr"))
    checked = run(qilu, "check", file)
    assert checked.returncode == 2
    assert "did you mean chiller" in checked.stderr


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["simulate", PROJECT / "configs" / "plant.yaml"], "simulator"),
        (["demo", "--duration", "1", "--headless"], "demo"),
        (["ingest", "influx.yaml"], "cloud"),
    ],
)
def test_a_command_without_its_extra_names_it(qilu: Path, words: list[str | Path], extra: str) -> None:
    store = {"type": "influx", "server": "victoriametrics", "url": "http://127.0.0.1:1", "name": "a"}
    settings = {"ingester": "ingester-1", "mqtt": {"host": "127.0.0.1", "port": free_port()}, "store": store}
    (qilu.parent / "influx.yaml").write_text(yaml.safe_dump(settings))
    ended = run(qilu, *words)
    assert ended.returncode == 2, ended.stderr
    assert re.search(r"pip install 'qilu\[(\w+)\]'", ended.stderr), ended.stderr
    assert "Traceback" not in ended.stderr
    named = re.findall(r"pip install 'qilu\[(\w+)\]'", ended.stderr)
    assert set(named) <= {extra, "simulator"}


def test_every_library_is_a_dependency_or_has_an_extra() -> None:
    applications = {"qilu", "qilu_cli", "gateway", "cloud", "simulator"}
    imported = set()
    for application in applications:
        for file in (PROJECT / application).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module is not None:
                    imported.add(node.module.split(".")[0])
    libraries = imported - applications - sys.stdlib_module_names
    always = {"aiomqtt", "msgspec", "paho", "pydantic", "pydantic_core", "rich", "typer", "click", "yaml"}
    assert libraries - always == EXTRAS.keys() - {"pyarrow"}  # which is imported by its name at run time
