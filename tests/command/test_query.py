"""What `qilu query` prints of a store in which edges also tell of their own collecting."""

import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest

from qilu.contract.errors import ConfigError
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Value
from qilu.stores.sqlite.writer import SqliteStore
from qilu_cli.commands.query import QueryOptions, query
from qilu_cli.point_meanings import Meanings
from qilu_cli.time_zones import iso_time, zone

NOW = time.time_ns() // 1_000_000


def poll(device: str, profile: str, group: str, values: dict[str, Value], ago_ms: int = 1000) -> Poll:
    columns = BlockSchema(Origin("edge-1", device, profile), group, tuple(values))
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
                poll("packing-1", "collection", "schedule", {"rate": 14.4, "shortest_period_s": 1.0}, 2000),
                poll("dead-1", "collection", "counts", {"expected": 10}),
                poll("edge-1", "gateway", "status", {"polls": 1}),
            ]
        )
        assert refused == {}
    return path


async def rows(capsys: pytest.CaptureFixture[str], file: Path, **options: Any) -> list[dict[str, str]]:
    """The rows of an answer; NOW is when this file was read, which may be long ago in a long run."""
    timed = not options.keys() & {"devices", "points", "latest", "start", "last"}
    await query(
        QueryOptions(str(file), form="csv", last=options.pop("last", "1d" if timed else None), **options)
    )
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


async def test_a_device_is_listed_as_what_it_is_and_not_as_what_is_output_of_collecting_it(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = [[row["device"], row["profile"]] for row in await rows(capsys, file, devices=True)]
    assert listed == [
        ["dead-1", "collection"],
        ["edge-1", "gateway"],
        ["packing-1", "packing-line"],
        ["packing-1", "packing-line-2"],
    ]


async def test_the_points_of_a_device_are_its_own(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = await rows(capsys, file, points=True, device="packing-1")
    assert [(row["edge"], row["device"], row["point"]) for row in found] == [
        ("edge-1", "packing-1", "rate"),
        ("edge-1", "packing-1", "speed"),
    ]
    (dead,) = await rows(capsys, file, points=True, device="dead-1")
    assert (dead["device"], dead["point"]) == ("dead-1", "expected")
    assert len(await rows(capsys, file, points=True)) == 4


async def test_a_point_of_the_machine_is_not_mixed_with_one_of_that_name_about_its_collecting(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = await rows(capsys, file, device="packing-1", point=["rate"])
    assert [row["value"] for row in found] == ["60.0", "62.0"]


async def test_what_is_output_of_collecting_a_machine_can_be_asked_for(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = await rows(capsys, file, device="packing-1", point=["shortest_period_s"])
    assert [row["value"] for row in found] == ["1.0"]


async def test_an_empty_answer_tells_when_the_device_was_last_heard(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await query(QueryOptions(str(file), device="packing-1", point=["speed"], last="1ms", form="csv"))
    printed = capsys.readouterr()
    assert printed.out == "time,edge,device,point,value,unit,text,quality\n"
    assert "no values of speed in the last 1ms; packing-1 was last heard at 20" in printed.err


async def test_what_the_store_does_not_have_is_reported(file: Path) -> None:
    for device, point, problem in (
        ("packing-1", "spead", "packing-1 has no point spead; did you mean speed"),
        ("packing-2", "rate", "no device packing-2; did you mean packing-1"),
    ):
        with pytest.raises(ConfigError, match=problem):
            await query(QueryOptions(str(file), device=device, point=[point], last="1m"))


FOREIGN = "[/red] [bold]A[b] :smile: 油温\x1b[2J\n"


async def test_a_text_of_a_device_is_shown_as_it_is_and_orders_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with SqliteStore(tmp_path / "store.db") as store:
        await store.write([poll("press-1", "press", "slow", {"label": FOREIGN})])
    await query(QueryOptions(str(tmp_path / "store.db"), device="press-1", point=["label"], last="1d"))
    _, row = capsys.readouterr().out.splitlines()
    assert r"[/red] [bold]A[b] :smile: 油温\x1b[2J\n" in row


def of(edge: str, device: str, profile: str, ago_ms: int, **values: Value) -> Poll:
    columns = BlockSchema(Origin(edge, device, profile), "fast", tuple(values))
    return Poll(NOW - ago_ms, (Reading(columns, NOW - ago_ms, tuple(values.values()), {}),))


COMPRESSOR = "screw-air-compressor"


@pytest.fixture
async def shared(tmp_path: Path) -> Path:
    """Two edges, each with a compressor of the same name and the same times."""
    path = tmp_path / "shared.db"
    async with SqliteStore(path) as store:
        polls = [
            of(
                edge,
                "compressor-1",
                COMPRESSOR,
                ago_ms,
                discharge_pressure=pressure,
                state=state,
                loaded=state == 3,
            )
            for edge, pressure in (("edge-1", 7.25), ("edge-2", 99.5))
            for ago_ms, state in ((3000, 1), (2000, 3), (1000, 4))
        ]
        assert await store.write([*polls, of("edge-2", "lathe-1", "my-lathe", 1000, speed=1.5)]) == {}
    return path


async def test_two_edges_that_share_a_device_name_are_two_machines(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {
        "device": "compressor-1",
        "point": ["discharge_pressure"],
        "last": "1d",
        "form": "csv",
    }
    await query(QueryOptions(str(shared), **asked, every="1h"))
    printed = capsys.readouterr()
    assert "several edges have a device of the same name: compressor-1 (edge-1, edge-2)" in printed.err
    assert "choose one with --edge" in printed.err
    means = {(row["edge"], row["value"]) for row in csv.DictReader(io.StringIO(printed.out))}
    assert means == {("edge-1", "7.25"), ("edge-2", "99.5")}
    await query(QueryOptions(str(shared), **asked, edge="edge-2"))
    printed = capsys.readouterr()
    assert printed.err == ""
    assert {row["value"] for row in csv.DictReader(io.StringIO(printed.out))} == {"99.5"}


async def test_lists_name_the_edge_and_can_be_of_one_edge(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = await rows(capsys, shared, devices=True)
    assert [(row["edge"], row["device"]) for row in listed] == [
        ("edge-1", "compressor-1"),
        ("edge-2", "compressor-1"),
        ("edge-2", "lathe-1"),
    ]
    one = await rows(capsys, shared, devices=True, edge="edge-2")
    assert [row["device"] for row in one] == ["compressor-1", "lathe-1"]
    points = await rows(capsys, shared, points=True, device="compressor-1", edge="edge-1")
    assert [(row["edge"], row["point"], row["unit"]) for row in points] == [
        ("edge-1", "discharge_pressure", "bar"),
        ("edge-1", "loaded", ""),
        ("edge-1", "state", ""),
    ]


async def test_an_edge_that_does_not_have_the_device_is_refused_with_those_that_have_it(shared: Path) -> None:
    with pytest.raises(ConfigError, match="edge edge-1 has no device lathe-1; name one of: edge-2"):
        await query(QueryOptions(str(shared), device="lathe-1", edge="edge-1", point=["speed"]))


async def test_several_points_come_in_one_answer_with_units_and_texts(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = ["state", "discharge_pressure"]
    found = await rows(capsys, shared, device="compressor-1", edge="edge-1", point=points)
    assert [(row["point"], row["value"], row["unit"], row["text"]) for row in found] == [
        ("state", "1", "", "idle"),
        ("discharge_pressure", "7.25", "bar", ""),
        ("state", "3", "", "running"),
        ("discharge_pressure", "7.25", "bar", ""),
        ("state", "4", "", "fault"),
        ("discharge_pressure", "7.25", "bar", ""),
    ]


async def test_an_interval_of_a_code_or_a_bool_has_its_last_value(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """2.67 is the state of no machine."""
    points = ["state", "loaded", "discharge_pressure"]
    found = await rows(capsys, shared, device="compressor-1", edge="edge-1", point=points, every="36500d")
    assert [(row["point"], row["value"], row["text"]) for row in found] == [
        ("state", "4", "fault"),
        ("loaded", "false", ""),
        ("discharge_pressure", "7.25", ""),
    ]


async def test_the_latest_value_of_every_point_comes_in_one_answer(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = await rows(capsys, shared, latest=True, device="compressor-1", edge="edge-1")
    assert [(row["time"], row["point"], row["value"], row["unit"], row["text"]) for row in found] == [
        (iso_time(NOW - 1000), "discharge_pressure", "7.25", "bar", ""),
        (iso_time(NOW - 1000), "loaded", "false", "", ""),
        (iso_time(NOW - 1000), "state", "4", "", "fault"),
    ]
    everything = await rows(capsys, shared, latest=True)
    assert [(row["edge"], row["device"]) for row in everything] == [
        *[("edge-1", "compressor-1")] * 3,
        *[("edge-2", "compressor-1")] * 3,
        ("edge-2", "lathe-1"),
    ]
    some = await rows(capsys, shared, latest=True, point=["speed"])
    assert [row["value"] for row in some] == ["1.5"]
    with pytest.raises(ConfigError, match="no time range; leave out --last"):
        await query(QueryOptions(str(shared), latest=True, last="5m"))


async def test_begin_and_end_are_times_of_the_zone_that_is_asked_for(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {"device": "compressor-1", "edge": "edge-1", "point": ["state"]}
    begin, end = iso_time(NOW - 2000), iso_time(NOW - 1000)
    found = await rows(capsys, shared, **asked, start=begin, end=end)
    assert [(row["time"], row["value"]) for row in found] == [(begin, "3")]
    shanghai = zone("Asia/Shanghai")
    begin, end = (iso_time(NOW - ago_ms, shanghai) for ago_ms in (2000, 1000))
    assert begin.endswith("+08:00")
    without_offset: dict[str, Any] = {
        "start": begin.removesuffix("+08:00"),
        "end": end.removesuffix("+08:00"),
    }
    found = await rows(capsys, shared, **asked, **without_offset, tz="Asia/Shanghai")
    assert [(row["time"], row["value"]) for row in found] == [(begin, "3")]
    found = await rows(capsys, shared, **asked, end=end, last="1s")
    assert [row["value"] for row in found] == ["3"]
    wrongs: list[tuple[dict[str, Any], str]] = [
        ({"start": "yesterday"}, "'yesterday' is not a time; write 2026-11-23"),
        ({"start": end, "end": begin}, "--from.*is not before the end"),
        ({"start": begin, "last": "5m"}, "both name the begin"),
        ({"tz": "Asia/Jinan"}, "no time zone 'Asia/Jinan'.*utc, local"),
    ]
    for wrong, problem in wrongs:
        with pytest.raises(ConfigError, match=problem):
            await query(QueryOptions(str(shared), **asked, **wrong))


async def test_a_profile_of_ones_own_gives_units_and_texts(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {"device": "lathe-1", "point": ["speed"], "every": "1h"}
    await query(QueryOptions(str(shared), **asked, last="1d"))
    assert "no description of profile my-lathe" in capsys.readouterr().err
    (tmp_path / "my-lathe.yaml").write_text(
        "profile: my-lathe\npoints: [{name: speed, table: input, address: 0, type: float32, unit: rpm}]\n"
    )
    (row,) = await rows(capsys, shared, **asked, profiles=tmp_path)
    assert (row["value"], row["unit"]) == ("1.5", "rpm")


async def test_the_name_of_a_profile_in_a_store_is_no_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "secret.yaml").write_text("[")
    async with SqliteStore(tmp_path / "store.db") as store:
        await store.write([of("edge-1", "press-1", "../secret", 1000, force=1.5)])
    found = await rows(
        capsys, tmp_path / "store.db", device="press-1", point=["force"], profiles=tmp_path / "profiles"
    )
    assert [row["value"] for row in found] == ["1.5"]


async def test_a_cell_that_a_spreadsheet_would_run_is_text_in_csv_and_numbers_stay_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1+1",
        "\r=1+1",
        "\x9b31m\u202e\x1b[2J",
        "油温 1",
    ]
    async with SqliteStore(tmp_path / "store.db") as store:
        polls = [of("=edge", "press-1", "press", 9000 - i, label=text) for i, text in enumerate(texts)]
        await store.write([*polls, of("=edge", "press-1", "press", 5000, force=-1.5)])
    found = await rows(capsys, tmp_path / "store.db", device="press-1", point=["label", "force"])
    assert {row["edge"] for row in found} == {"'=edge"}
    assert [row["value"] for row in found] == [
        "'=cmd|' /C calc'!A0",
        "'+1+1",
        "'-1+1",
        "'@SUM(A1)",
        r"\t=1+1",
        r"\r=1+1",
        r"\x9b31m\u202e\x1b[2J",
        "油温 1",
        "-1.5",
    ]
    asked = QueryOptions(
        str(tmp_path / "store.db"), device="press-1", point=["label"], last="1d", form="json"
    )
    await query(asked)
    printed = capsys.readouterr().out
    assert [row["value"] for row in json.loads(printed)] == texts
    assert not set("\x9b\u202e\x1b\t\r") & set(printed)


def test_a_time_that_no_calendar_knows_is_shown_as_a_number() -> None:
    assert iso_time(2**63 - 1) == "9223372036854775807 ms"
    assert iso_time(-(2**63)) == "-9223372036854775808 ms"
    assert iso_time(0) == "1970-01-01T00:00:00.000Z"


def test_numbers_of_a_store_without_types_have_the_type_of_the_profile() -> None:
    meanings = Meanings()
    assert meanings.value(COMPRESSOR, "state", 3.0) == 3
    assert isinstance(meanings.value(COMPRESSOR, "state", 3.0), int)
    assert meanings.value(COMPRESSOR, "loaded", 1.0) is True
    assert meanings.text(COMPRESSOR, "state", 3.0) == "running"
    assert meanings.text(COMPRESSOR, "state", 2.67) == ""
    assert meanings.value(COMPRESSOR, "discharge_pressure", 3.0) == 3.0
    assert meanings.text("collection", "event", 1.0) == "started"
    assert not meanings.is_quantity("collection", "event")
    assert meanings.text(COMPRESSOR, "state", 10**400) == ""


def test_a_set_of_bits_is_no_quantity(tmp_path: Path) -> None:
    (tmp_path / "drive.yaml").write_text(
        "profile: drive\n"
        "points: [{name: status, table: input, address: 0, type: uint16, flags: {0: ready, 3: fault}}]\n"
    )
    meanings = Meanings(tmp_path)
    assert not meanings.is_quantity("drive", "status")
    assert not meanings.is_quantity("drive", "status_fault")
    assert meanings.value("drive", "status", 9.0) == 9


@pytest.mark.parametrize(
    "options", [{"device": "", "latest": True}, {"edge": "", "points": True}, {"device": "d", "point": [""]}]
)
async def test_an_empty_name_is_refused(file: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="is empty"):
        await query(QueryOptions(str(file), **options))
