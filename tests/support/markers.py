"""Which tests are marked `server`, `campaign` and `slow`: by what they use and by the folder they are in.

A single test is marked slow by hand: `@pytest.mark.slow`.
"""

from pathlib import Path
from types import ModuleType

import pytest

TESTS = Path(__file__).parents[1]

SERVER_FIXTURES = frozenset({"mosquitto", "victoria_metrics", "influxdb1"})
SERVER_MODULES = frozenset(
    f"tests.servers.{name}"
    for name in (
        "alertmanager",
        "haproxy",
        "influxdb1",
        "libmodbus",
        "libmodbus_process",
        "mosquitto",
        "nats",
        "programs",
        "victoria_metrics",
        "vmalert",
    )
)
SLOW_FOLDERS = frozenset({"attacks", "campaign", "deploy", "fuzz", "system"})
"""Whole roads: every test starts processes of ours or runs for seconds."""
PROCESS_MODULES = frozenset({"subprocess", "tests.system.programs"})
"""A test module that imports one of these starts processes."""


def mark(item: pytest.Item) -> None:
    """Give a collected test the markers that follow from where it is and what it uses."""
    if not item.path.is_relative_to(TESTS):
        return  # a test that a test has written
    folder = item.path.relative_to(TESTS).parts[0]
    if folder == "campaign":
        item.add_marker(pytest.mark.campaign)
    if folder in SLOW_FOLDERS or (
        isinstance(item, pytest.Function) and _imports(item.module, PROCESS_MODULES)
    ):
        item.add_marker(pytest.mark.slow)
    if isinstance(item, pytest.Function) and _uses_server(item):
        item.add_marker(pytest.mark.server)


def _uses_server(item: pytest.Function) -> bool:
    """Whether it asks for a server's fixture, or its module imports what starts one."""
    return not SERVER_FIXTURES.isdisjoint(item.fixturenames) or _imports(item.module, SERVER_MODULES)


def _imports(module: ModuleType, wanted: frozenset[str]) -> bool:
    """Whether a module has imported one of these modules, or a class or function that is defined there."""
    return any(
        (value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)) in wanted
        for value in vars(module).values()
    )
