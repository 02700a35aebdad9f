"""What `qilu query` prints of a store in which edges also tell of their own collecting."""

import csv
import io
import time
from pathlib import Path

import pytest

from qilu.command.query import Asked, query
from qilu.contract.errors import ConfigError
from qilu.contract.reading import Columns, Origin, Poll, Reading, Value
from qilu.stores.sqlite.writer import SqliteStore

NOW = time.time_ns() // 1_000_000


def poll(device: str, profile: str, group: str, values: dict[str, Value], ago_ms: int = 1000) -> Poll:
    columns = Columns(Origin("edge-1", device, profile), group, tuple(values))
    return Poll(NOW - ago_ms, (Reading(columns, NOW - ago_ms, tuple(values.values()), {}),))


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """A packing line that has a point `rate`, as what is said of its collecting; a dead device; an edge."""
    path = tmp_path / "store.db"
    async with SqliteStore(path) as store:
        refused = await store.write(
            [
                poll("packing-1", "packing-line", "fast", {"rate": 60.0, "speed": 1.5}, 3000),
                poll("packing-1", "packing-line-2", "fast", {"rate": 62.0}, 1000),
                poll("packing-1", "collection", "schedule", {"rate": 14.4, "shortest_s": 1.0}, 2000),
                poll("dead-1", "collection", "counts", {"expected": 10}),
                poll("edge-1", "gateway", "status", {"polls": 1}),
            ]
        )
        assert refused == {}
    return path


async def rows(
    capsys: pytest.CaptureFixture[str], file: Path, *, list_of: str = "", **about: str
) -> list[list[str]]:
    asked = Asked(
        str(file),
        devices=list_of == "devices",
        points=list_of == "points",
        device=about.get("device"),
        point=about.get("point"),
        last="1d",  # NOW is when this file was read, which may be long ago in a long run
        every=about.get("every"),
        form="csv",
    )
    await query(asked)
    return list(csv.reader(io.StringIO(capsys.readouterr().out)))[1:]


async def test_a_device_is_listed_as_what_it_is_and_not_as_what_is_said_of_collecting_it(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = [row[:2] for row in await rows(capsys, file, list_of="devices")]
    assert listed == [
        ["dead-1", "collection"],
        ["edge-1", "gateway"],
        ["packing-1", "packing-line"],
        ["packing-1", "packing-line-2"],
    ]


async def test_the_points_of_a_device_are_its_own(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = await rows(capsys, file, list_of="points", device="packing-1")
    assert found == [["packing-1", "rate"], ["packing-1", "speed"]]
    assert await rows(capsys, file, list_of="points", device="dead-1") == [["dead-1", "expected"]]
    assert len(await rows(capsys, file, list_of="points")) == 4


async def test_a_point_of_the_machine_is_not_mixed_with_one_of_that_name_about_its_collecting(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = await rows(capsys, file, device="packing-1", point="rate")
    assert [row[1] for row in found] == ["60.0", "62.0"]


async def test_what_is_said_of_collecting_a_machine_can_be_asked_for(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = await rows(capsys, file, device="packing-1", point="shortest_s")
    assert [row[1] for row in found] == ["1.0"]


async def test_an_empty_answer_tells_when_the_device_was_last_heard(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await query(Asked(str(file), False, False, "packing-1", "speed", "1s", None, "csv"))
    told = capsys.readouterr()
    assert told.out == "time,value,quality\n"
    assert "nothing in the last 1s; packing-1 was last heard at 20" in told.err


async def test_what_the_store_does_not_have_is_told(file: Path) -> None:
    for device, point, problem in (
        ("packing-1", "spead", "packing-1 has no point spead; did you mean speed"),
        ("packing-2", "rate", "no device packing-2; did you mean packing-1"),
    ):
        with pytest.raises(ConfigError, match=problem):
            await query(Asked(str(file), False, False, device, point, "1m", None, "csv"))


FOREIGN = "[/red] [bold]A[b] :smile: 油温\x1b[2J\n"


async def test_a_text_of_a_device_is_shown_as_it_is_and_orders_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with SqliteStore(tmp_path / "store.db") as store:
        await store.write([poll("press-1", "press", "slow", {"label": FOREIGN})])
    await query(Asked(str(tmp_path / "store.db"), False, False, "press-1", "label", "1d", None, "table"))
    _, row = capsys.readouterr().out.splitlines()
    assert r"[/red] [bold]A[b] :smile: 油温\x1b[2J\n  good" in row
