"""`qilu import` fills every store with what a data set has, and says where one is wrong."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cloud.data_sets.loader import MAX_BATCH_VALUES
from qilu.contract.errors import ConfigError, DataError
from qilu.contract.reading import DeviceKey, Reason
from qilu.stores.interfaces import DescribedPoint, Sample
from qilu_cli.commands.import_data import ImportOptions, import_data
from qilu_cli.commands.query import QueryOptions, query
from qilu_cli.store_access import reader
from simulator.ground_truth.export import export, plan_export
from simulator.ground_truth.tables import Form
from tests.servers import Influxdb1, VictoriaMetrics
from tests.simulator.simulated import plant

LABEL = {"en": "Pump", "zh": "泵"}
MACHINES = (
    {"device": "pump-1", "label": LABEL, "machine": "centrifugal-pump", "line": "water"},
    {"device": "cnc-1", "machine": "cnc-machining-centre"},
)
START = "2026-01-05T08:00:00"
START_MS = 1_767_600_000_000
ROWS = 30
EVERY_MS = 2_000
LENGTH_MS = ROWS * EVERY_MS
PUMP, CNC = DeviceKey("edge-7", "pump-1"), DeviceKey("edge-7", "cnc-1")


def exported(folder: Path, form: Form = "csv") -> Path:
    made = plant(*MACHINES, start=START)
    for _ in export(made, folder, plan_export(made, ROWS * EVERY_MS / 1000, EVERY_MS / 1000, form)):
        pass
    return folder


@pytest.fixture(scope="module")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("exports") / "data")


def truth(folder: Path, device: str, point: str) -> list[float]:
    """The column of a point in its file."""
    lines = gzip.decompress((folder / "devices" / f"{device}.csv.gz").read_bytes()).decode().splitlines()
    index = lines[0].split(",").index(point)
    return [float(line.split(",")[index]) for line in lines[1:]]


@pytest.fixture(scope="module", params=["sqlite", "victoriametrics", "influxdb1"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What `--store` names: a file, or settings of an ingester."""
    folder = tmp_path_factory.mktemp("store")
    if request.param == "sqlite":
        yield str(folder / "store.db")
        return
    server = VictoriaMetrics(folder) if request.param == "victoriametrics" else Influxdb1(folder)
    with server:
        of_server = {"type": "influx", "server": request.param, "url": server.url}
        if isinstance(server, Influxdb1):
            of_server["database"] = server.database
        settings = folder / "ingester.yaml"
        settings.write_text(yaml.safe_dump({"mqtt": {"host": "127.0.0.1"}, "store": of_server}))
        yield str(settings)


def samples(store: str, device: DeviceKey, point: str) -> list[Sample]:
    async def ask() -> list[Sample]:
        async with reader(store) as opened:
            return list(await opened.samples(device, point, START_MS - 10**9, START_MS + 10**9))

    return asyncio.run(ask())


def descriptions(store: str, device: DeviceKey) -> dict[str, DescribedPoint]:
    async def ask() -> dict[str, DescribedPoint]:
        async with reader(store) as opened:
            return {each.point: each for each in await opened.point_info(device)}  # type: ignore[union-attr]

    return asyncio.run(ask())


def imported(source: Path, store: str, **options: object) -> None:
    asyncio.run(import_data(ImportOptions(source, store, **options)))  # type: ignore[arg-type]


def flushed(store: str) -> None:
    """VictoriaMetrics shows what it took within a second."""
    if store.endswith(".yaml"):
        server = yaml.safe_load(Path(store).read_text())["store"]
        if server["server"] == "victoriametrics":
            from tests.servers.http import ask

            assert ask(int(server["url"].rpartition(":")[2]), "GET", "/internal/force_flush").status == 200


def test_a_store_has_what_the_data_set_has_however_often_it_is_imported(data_set: Path, store: str) -> None:
    for _ in range(2):
        imported(data_set, store, edge="edge-7")
    flushed(store)
    found = samples(store, PUMP, "flow")
    assert [sample.value for sample in found] == truth(data_set, "pump-1", "flow")
    assert [sample.time_ms for sample in found] == list(range(START_MS, START_MS + LENGTH_MS, EVERY_MS))
    info = descriptions(store, PUMP)["flow"].info
    assert (info.unit, info.label_zh, info.device_label_zh, info.period_s) == ("m3/h", "流量", "泵", 2.0)
    assert (info.profile, descriptions(store, CNC)["state"].info.codes_en[:5]) == (
        "centrifugal-pump",
        "0=off",
    )


def test_copies_follow_each_other_behind_the_shift(data_set: Path, store: str) -> None:
    imported(data_set, store, edge="edge-8", shift="-1h", repeat=3)
    flushed(store)
    found = samples(store, DeviceKey("edge-8", "pump-1"), "flow")
    begin = START_MS - 3_600_000
    assert [sample.time_ms for sample in found] == list(range(begin, begin + 3 * LENGTH_MS, EVERY_MS))
    assert [sample.value for sample in found] == 3 * truth(data_set, "pump-1", "flow")


def test_the_last_copy_ends_at_the_time_that_is_named(
    data_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "store.db")
    options = ImportOptions(data_set, store, to="now", repeat=2)
    asyncio.run(import_data(options, wall=lambda: START_MS / 1000 + 7200.0))
    found = samples(store, DeviceKey("import", "pump-1"), "flow")
    assert found[-1].time_ms == START_MS + 7_200_000 - EVERY_MS
    assert len(found) == 2 * ROWS
    # What it prints moves another import to the same times: nothing is written twice.
    shift = capsys.readouterr().out.rpartition("--shift ")[2].strip(" )\n")
    imported(data_set, store, shift=shift, repeat=2)
    assert len(samples(store, DeviceKey("import", "pump-1"), "flow")) == 2 * ROWS


def test_parquet_is_imported_as_csv_is(data_set: Path, tmp_path: Path) -> None:
    imported(exported(tmp_path / "parquet", "parquet"), str(tmp_path / "a.db"))
    imported(data_set, str(tmp_path / "b.db"))
    key = DeviceKey("import", "pump-1")
    for point in ("flow", "state"):
        of_parquet, of_csv = (
            [sample.value for sample in samples(str(tmp_path / name), key, point)]
            for name in ("a.db", "b.db")
        )
        # CSV has the shortest decimals of a float32.
        assert of_parquet == pytest.approx(of_csv, rel=1e-6)
    programs = samples(str(tmp_path / "a.db"), DeviceKey("import", "cnc-1"), "program")
    assert all(isinstance(sample.value, str) for sample in programs)


def test_a_missing_value_has_a_reason(tmp_path: Path) -> None:
    data = exported(tmp_path / "data")
    file = data / "devices" / "pump-1.csv.gz"
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    flow = lines[0].split(",").index("flow")
    one, nothing = lines[3].split(","), lines[5].split(",")
    one[flow] = ""
    lines[3], lines[5] = ",".join(one), ",".join([*nothing[:2], *[""] * (len(nothing) - 2)])
    file.write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))
    imported(data, str(tmp_path / "store.db"))
    found = samples(str(tmp_path / "store.db"), DeviceKey("import", "pump-1"), "flow")
    assert {number: sample.reason for number, sample in enumerate(found) if sample.reason} == {
        2: Reason.UNDECODABLE, 4: Reason.TIMEOUT,
    }  # fmt: skip


RESULT = """time,edge,device,point,value,unit,text,quality
2026-01-05T08:00:00.000Z,edge-1,pump-1,flow,12.5,m3/h,,good
2026-01-05T08:00:00.000Z,edge-1,pump-1,state,3,,running,good
2026-01-05T08:00:10.000Z,edge-1,pump-1,flow,,m3/h,,bad: timeout
2026-01-05T08:00:20.000Z,edge-1,pump-1,flow,12.75,m3/h,,uncertain: stale
2026-01-05T08:00:30.000Z,edge-1,pump-1,note,'=1+1,,,good
"""


def test_what_query_printed_is_printed_again_after_an_import(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, store = tmp_path / "result.csv", str(tmp_path / "store.db")
    file.write_text(RESULT)
    imported(file, store, profile="centrifugal-pump")
    capsys.readouterr()
    options = QueryOptions(
        store, device="pump-1", point=("flow", "state", "note"), start="2026-01-05", end="2026-01-06",
        form="csv",
    )  # fmt: skip
    asyncio.run(query(options))
    assert capsys.readouterr().out == RESULT
    key = DeviceKey("edge-1", "pump-1")
    assert descriptions(store, key)["flow"].info.label_zh == "流量"


def wrong(text: str) -> str:
    """A query result with this in place of its second line."""
    lines = RESULT.splitlines()
    lines[2] = text
    return "\n".join([*lines, ""])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("never,edge-1,pump-1,flow,1,,,good", r"result.csv:3: time: 'never' is no time; write 2026"),
        (
            "2026-01-05T08:00:00Z,edge-1,pump-1,flow,1,,good",
            r"result.csv:3: 7 cells, where the",
        ),
        ("2026-01-05T08:00:00Z,edge-1,pump-1,flow,1,,,fine", r"result.csv:3: quality: 'fine' is no quality"),
        (
            "2026-01-05T08:00:00Z,edge-1,pump-1,flow,1,,,bad: stale",
            r"csv:3: quality: .* is no quality",
        ),
        ("2026-01-05T08:00:00Z,edge-1,pump-1,flow,1,,,bad: timeout", r"result.csv:3: value: stands beside"),
        ("2026-01-05T08:00:00Z,edge-1,pump-1,flow,,,,good", r"result.csv:3: value: is empty"),
        ("2026-01-04T08:00:00Z,edge-1,pump-1,flow,1,,,good", r"result.csv:3: time: the times do not rise"),
        ('2026-01-05T08:00:00Z,"edge"x,pump-1,flow,1,,,good', r"result.csv:3: .*expected after"),
    ],
)
def test_a_wrong_line_of_a_result_is_named(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "result.csv"
    file.write_text(wrong(line))
    with pytest.raises(ConfigError, match=message):
        imported(file, str(tmp_path / "store.db"), profile="centrifugal-pump")
    assert not (tmp_path / "store.db").exists()


def test_a_wrong_cell_of_a_data_set_is_named(tmp_path: Path) -> None:
    data = exported(tmp_path / "data")
    file = data / "devices" / "pump-1.csv.gz"
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    for text, place in (
        (lines[3].replace(lines[3].split(",")[1], "soon"), "csv.gz:4: time_ms: 'soon' is no time"),
        (",".join([*lines[3].split(",")[:-1], "much"]), "csv.gz:4: [a-z_]+: 'much' is no number"),
        (lines[3] + ",1", "csv.gz:4: [0-9]+ cells, where the heading has"),
    ):
        file.write_bytes(gzip.compress("\n".join([*lines[:3], text, *lines[4:]]).encode()))
        with pytest.raises(ConfigError, match=place):
            imported(data, str(tmp_path / "store.db"))
    file.write_bytes(gzip.compress("\n".join(lines).encode())[:200])
    with pytest.raises(ConfigError, match=r"csv.gz: the compressed file is damaged"):
        imported(data, str(tmp_path / "store.db"))
    (data / "dataset.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"dataset.json: version: Field required"):
        imported(data, str(tmp_path / "store.db"))


def test_options_that_make_no_sense_are_refused(data_set: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    file = tmp_path / "result.csv"
    file.write_text(RESULT)
    for source, options, message in (
        (data_set, {"shift": "1d", "to": "now"}, "--shift, --to"),
        (data_set, {"shift": "soon"}, "--shift"),
        (data_set, {"profile": "chiller"}, "--profile"),
        (data_set, {"edge": ""}, "--edge"),
        (file, {}, "--profile"),
        (tmp_path / "none", {}, "no such file or folder"),
        (tmp_path, {}, "dataset.json"),
    ):
        with pytest.raises(ConfigError, match=message):
            imported(source, store, **options)


def test_what_the_store_refuses_is_counted_and_named(data_set: Path, tmp_path: Path) -> None:
    described = json.loads((data_set / "dataset.json").read_text())
    with VictoriaMetrics(tmp_path) as server:
        settings = tmp_path / "ingester.yaml"
        of_server = {"type": "influx", "server": "victoriametrics", "url": server.url}
        settings.write_text(yaml.safe_dump({"mqtt": {"host": "127.0.0.1"}, "store": of_server}))
        with pytest.raises(DataError, match=r"(?s)refused [0-9]+ of 60 polls:.*in the future"):
            imported(data_set, str(settings), shift="40000d")
    assert described["rows"] == ROWS


def test_no_name_that_an_ingester_refuses_enters_a_store(tmp_path: Path, data_set: Path) -> None:
    with pytest.raises(DataError, match="the name of an edge has 200 characters"):
        imported(data_set, str(tmp_path / "store.db"), edge="e" * 200)


def test_memory_is_bounded_by_a_batch_and_not_by_the_data_set() -> None:
    from cloud.data_sets.loader import _batches
    from qilu.contract.reading import BlockSchema, Origin, Poll, Reading

    columns = BlockSchema(Origin("edge-1", "pump-1", "pump"), "all", tuple(map(str, range(100))))
    taken = 0

    def endless() -> Iterator[Poll]:
        nonlocal taken
        while True:
            taken += 100
            yield Poll(0, (Reading(columns, 0, (1.0,) * 100),))

    next(iter(_batches(endless())))
    assert taken <= MAX_BATCH_VALUES + 100
