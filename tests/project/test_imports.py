"""What a process carries: an application imports what its work needs and nothing of another application."""

import ast
import subprocess
import sys
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

STORES = ("aiohttp", "influxdb_client", "qilu.stores", "sqlite3")
BROKERS = ("amqtt", "websockets")
HELP = """
from qilu_cli.main import main
sys.argv[1:] = ["--help"]
try:
    main()
except SystemExit as leaving:
    assert not leaving.code
"""


def imported_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter holds after the statement."""
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, timeout=60)
    assert run.returncode == 0, run.stderr.decode()
    return set(run.stdout.decode().splitlines()[-1].split())


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import gateway.app", ("simulator", "cloud", "numpy", "typer", "rich", *STORES, *BROKERS)),
        (
            "import simulator.serving.server",
            ("gateway", "cloud", "aiomqtt", "typer", "rich", *STORES, *BROKERS),
        ),
        ("import cloud.app", ("gateway", "simulator", "numpy", "typer", "rich", *BROKERS)),
        (HELP, ("gateway", "simulator", "cloud", "numpy", "aiomqtt", "paho", *STORES, *BROKERS)),
    ],
)
def test_a_room_carries_nothing_of_its_neighbours(statement: str, unwanted: tuple[str, ...]) -> None:
    assert imported_by(statement).isdisjoint(unwanted)


PACKAGES = ("qilu", "qilu_cli", "simulator", "gateway", "cloud")
ROOT = Path(__file__).parents[2]


def import_graph() -> Mapping[str, set[str]]:
    """Module -> the modules of ours that it imports, also in functions and for type checking alone."""
    files = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
    }
    graph: dict[str, set[str]] = {}
    for module, file in files.items():
        names = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= inner & set(files) or {node.module}
        graph[module] = names & set(files)
    return graph


def test_no_module_imports_itself_through_another_one() -> None:
    graph = import_graph()
    assert len(graph) > 300
    assert sum(map(len, graph.values())) > 1000
    TopologicalSorter(graph).prepare()
