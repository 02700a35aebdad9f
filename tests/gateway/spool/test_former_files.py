"""Files from before the first release are refused with their name and the remedy, and stay as they are.

tests/cases/spool-former has a file of each format, in folders named by the commits whose gateways wrote them.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.app import build
from gateway.settings import GatewaySettings
from gateway.spool.adopt import adopt
from gateway.spool.inspect import inspect
from gateway.spool.replay import replay
from gateway.spool.requeue import quarantined, requeue
from qilu.contract.errors import ConfigError
from tests.gateway.sources.peer import profile
from tests.gateway.spool.opened import disk_spool, fill, numbers

FORMER = Path(__file__).parents[2] / "cases" / "spool-former"
PLACES = sorted(path for commit in FORMER.iterdir() for path in commit.iterdir())
KINDS = {
    ".segment", ".quarantine", "forgotten", "adopted", "ages", "corrections", "clock", "accounts",
    "dropped.jsonl", "quarantine.jsonl", "learnt",
}  # fmt: skip
METER = profile(range(4))


def put(place: Path, directory: Path, name: str = "") -> Path:
    """The file, in a spool that is of this version else."""

    async def left() -> None:
        async with disk_spool(directory) as spool:
            fill(spool, range(3))

    asyncio.run(left())
    copy = directory / (name or place.name)
    if place.is_dir():
        return Path(shutil.copytree(place, copy))
    return Path(shutil.copyfile(place, copy))


def content(directory: Path) -> dict[str, bytes]:
    """What must not change: all but the name of the process that opened it last."""
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {str(path): path.read_bytes() for path in files if path.name != "owner"}


async def gateway(directory: Path) -> None:
    device = {"device": "meter-1", "profile": METER.profile}
    settings = {
        "edge": "edge-1",
        "spool": {"directory": directory},
        "delivery": {"trusted_stores": ["store-1"]},
        "sources": [{"type": "modbus", "url": "tcp://127.0.0.1:9", "devices": [device]}],
    }
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(60):
        await build(GatewaySettings.model_validate(settings), {METER.profile: METER}).run(stop)


async def spool(directory: Path) -> None:
    async with disk_spool(directory):
        pass


def refuses(place: Path, opening: Callable[[], object]) -> None:
    before = content(place.parent)
    remedy = (
        f"let the version that wrote it deliver all records; .*, move {re.escape(str(place.parent))} away"
    )
    with pytest.raises(ConfigError, match=rf"^{re.escape(str(place))}: was written before .*; {remedy}$"):
        opening()
    assert content(place.parent) == before


@pytest.mark.parametrize("place", PLACES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_former_file_is_refused(place: Path, tmp_path: Path) -> None:
    copy = put(place, tmp_path)
    refuses(copy, lambda: asyncio.run(gateway(tmp_path)))
    refuses(copy, lambda: asyncio.run(spool(tmp_path)))
    refuses(copy, lambda: inspect(tmp_path))


def test_former_records_that_were_to_be_sent_again_are_refused(tmp_path: Path) -> None:
    [place] = FORMER.rglob("*.quarantine")
    refuses(put(place, tmp_path, f"{place.stem}.requeued"), lambda: asyncio.run(spool(tmp_path)))


@pytest.mark.parametrize(
    "command",
    [
        lambda path: adopt(path, "edge-0"),
        requeue,
        lambda path: replay(path, 0),
        lambda path: list(quarantined(path)),
    ],
    ids=["adopt", "requeue", "replay", "quarantined"],
)
def test_a_command_refuses_a_former_file(command: Callable[[Path], object], tmp_path: Path) -> None:
    refuses(put(FORMER / "2721337" / "forgotten", tmp_path), lambda: command(tmp_path))


def test_there_is_a_former_file_of_every_format() -> None:
    names = {path.suffix if path.name[0].isdigit() else path.name for path in PLACES}
    assert names == KINDS


@pytest.mark.parametrize("name", ["adopted", "ages", "corrections", "clock", "accounts", "dropped.jsonl"])
@pytest.mark.parametrize("damaged", [b"", bytes(1024), b"\xff" * 1024, b"qilu1 0000"])
async def test_a_damaged_file_of_this_version_is_no_former_one(
    name: str, damaged: bytes, tmp_path: Path
) -> None:
    async with disk_spool(tmp_path) as spool:
        fill(spool, range(3))
    (tmp_path / name).write_bytes(damaged)
    async with disk_spool(tmp_path) as spool:
        assert numbers(spool) == [0, 1, 2]
