"""The limit of open files is raised by what is needed, as far as the system lets a process raise it."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.app import build
from gateway.settings import GatewaySettings
from qilu.config.profiles import profiles
from qilu.config.settings_file import load_text
from qilu.runtime.rlimits import raise_open_file_limit

if sys.platform == "win32":
    pytest.skip("this system has no such limit", allow_module_level=True)

import resource

LOW = 512
MACHINE = """\
  - type: modbus
    url: tcp://127.0.0.1:{port}
    devices: [{{device: chiller-{port}, unit_id: 1, profile: chiller}}]
"""


def limits() -> tuple[int, int]:
    return resource.getrlimit(resource.RLIMIT_NOFILE)


@pytest.fixture
def hard() -> Iterator[int]:
    """What cannot be raised any more; what can be raised is low."""
    before = limits()
    resource.setrlimit(resource.RLIMIT_NOFILE, (LOW, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_those_who_share_a_process_each_get_their_room(hard: int) -> None:
    raise_open_file_limit(100)
    raise_open_file_limit(20)
    assert limits() == (LOW + 120, hard)


def test_more_than_the_system_lets_is_not_taken(hard: int) -> None:
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this system lets a process have all that it wants")
    raise_open_file_limit(hard)
    assert limits() == (hard, hard)


async def test_a_gateway_has_room_for_a_connection_to_each_of_its_endpoints(
    hard: int, tmp_path: Path
) -> None:
    machines = "".join(MACHINE.format(port=port) for port in range(1001, 1101))
    text = (
        f"edge: edge-1\nspool: {{directory: spool}}\ndelivery: {{trusted_stores: [a]}}\nsources:\n{machines}"
    )
    settings = load_text(text, GatewaySettings, folder=tmp_path)
    stop = asyncio.Event()
    stop.set()
    await build(settings, profiles(["chiller"])).run(stop)
    assert limits() == (LOW + 200, hard)
