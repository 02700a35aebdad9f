"""What a process carries: a room imports what it needs to do its work and nothing of its neighbours'."""

import subprocess
import sys

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
