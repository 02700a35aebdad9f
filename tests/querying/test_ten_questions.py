"""The ten questions of docs/querying.md have one answer in four languages: that of what was collected."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from qilu.contract.accounting import COLLECTION, POINT_INFO
from qilu.contract.reading import Poll, Reason
from qilu.stores.factory import open_store
from qilu.stores.settings import InfluxSettings, SqliteSettings
from tests.querying import asked
from tests.querying.asked import Answer, Stores
from tests.querying.two_edges import (
    BEGIN_MS,
    DAY_MS,
    EDGES,
    END_MS,
    HOUR_MS,
    OLD_LABEL,
    PERIOD_MS,
    RESET_MS,
    TROUBLES,
    polls,
)
from tests.servers import Influxdb1, VictoriaMetrics

QUERIES = asked.queries()
LANGUAGES = ("promql", "influxql", "sql", "python")
CNC, COMPRESSOR, METER = "cnc-machining-centre", "screw-air-compressor", "three-phase-energy-meter"
Sampled = tuple[str, str, int, Any, Reason | None]
"""Edge, device, time, value, reason."""


class Truth:
    """What was collected, and what follows from it by plain loops."""

    def __init__(self, every: Sequence[Poll]) -> None:
        self._of: dict[tuple[str, str], list[Sampled]] = defaultdict(list)
        for poll in every:
            edge, device = poll.origin.key
            for reading in poll.readings:
                for index, (point, value) in enumerate(
                    zip(reading.columns.points, reading.values, strict=True)
                ):
                    self._of[poll.origin.profile, point].append(
                        (edge, device, reading.time_ms, value, reading.reasons.get(index))
                    )

    def day(self, profile: str, point: str, begin_ms: int = BEGIN_MS) -> list[Sampled]:
        return [sample for sample in self._of[profile, point] if begin_ms <= sample[2] < END_MS]

    def latest_power(self) -> Answer:
        return {
            sample[:2]: sample[3]
            for profile in (CNC, COMPRESSOR, METER)
            for sample in self.day(profile, "power", END_MS - HOUR_MS)
            if sample[3] is not None
        }

    def hourly_means(self) -> Answer:
        hours: dict[tuple[str, str, int], list[float]] = defaultdict(list)
        for edge, device, time_ms, value, reason in self.day(COMPRESSOR, "discharge_pressure"):
            if reason is None:
                hours[edge, device, time_ms - time_ms % HOUR_MS].append(value)
        return {hour: sum(values) / len(values) for hour, values in hours.items()}

    def running(self) -> Answer:
        hours: dict[tuple[str, str, int], float] = defaultdict(float)
        for edge, device, time_ms, value, _ in self.day(CNC, "state"):
            if value == 3:
                shift = (time_ms - BEGIN_MS) // (8 * HOUR_MS) * 8 * HOUR_MS + BEGIN_MS
                hours[edge, device, shift] += PERIOD_MS / HOUR_MS
        return hours

    def energy(self) -> dict[tuple[Any, ...], float]:
        total: dict[tuple[Any, ...], float] = defaultdict(float)
        before: dict[tuple[str, str], float] = {}
        for edge, device, _, value, _ in self.day(METER, "energy_import", BEGIN_MS - PERIOD_MS):
            if value is not None:
                last = before.get((edge, device), value)
                total[edge, device] += value if value < last else value - last
                before[edge, device] = value
        return total

    def after_reset(self) -> float:
        """What the new meter showed at its first reading."""
        return next(
            float(value)
            for edge, _, time_ms, value, _ in self.day(METER, "energy_import")
            if edge == "edge-1" and time_ms >= RESET_MS and value is not None
        )

    def totals(self, point: str) -> Mapping[tuple[Any, ...], int]:
        total: dict[tuple[Any, ...], int] = defaultdict(int)
        for edge, device, _, value, _ in self.day(COLLECTION, point):
            total[edge, device] += value
        return total

    def completeness(self) -> Answer:
        good, due = self.totals("good"), self.totals("expected")
        return {key: good[key] / due[key] for key in due}

    def lost(self) -> Answer:
        good, due = self.totals("good"), self.totals("expected")
        worst = sorted(due, key=lambda key: good[key] - due[key])[:10]
        return {key: due[key] - good[key] for key in worst}

    def highest_power(self) -> Answer:
        most: dict[tuple[Any, ...], float] = {}
        for edge, device, _, value, _ in self.day(COMPRESSOR, "power"):
            if device == "compressor-1" and value is not None:
                most[edge, device] = max(value, most.get((edge, device), value))
        return most

    def states(self) -> Mapping[tuple[Any, ...], int]:
        return {sample[:2]: sample[3] for sample in self.day(CNC, "state") if sample[3] is not None}


@pytest.fixture(scope="module")
def every() -> list[Poll]:
    return list(polls())


@pytest.fixture(scope="module")
def truth(every: list[Poll]) -> Truth:
    return Truth([poll for poll in every if poll.origin.profile != POINT_INFO])


@pytest.fixture(scope="module")
def stores(every: list[Poll], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Filled by the writers that an ingester uses."""
    folder = tmp_path_factory.mktemp("stores")
    with VictoriaMetrics(folder) as victoria_metrics, Influxdb1(folder) as influxdb1:
        url, database = influxdb1.url, influxdb1.database
        for settings in (
            InfluxSettings(type="influx", server="victoriametrics", url=victoria_metrics.url),
            InfluxSettings(type="influx", server="influxdb1", url=url, database=database),
            SqliteSettings(type="sqlite", file=folder / "store.db"),
        ):
            asyncio.run(_fill(settings, every))
        yield Stores(victoria_metrics, influxdb1, folder / "store.db")


async def _fill(settings: InfluxSettings | SqliteSettings, every: Sequence[Poll]) -> None:
    async with open_store(settings) as store:
        for start in range(0, len(every), 1000):
            assert await store.write(every[start : start + 1000]) == {}


@pytest.fixture(scope="module")
def frames(stores: Stores) -> dict[str, Any]:
    return stores.frames()


def answer(stores: Stores, frames: dict[str, Any], language: str, number: int) -> Answer:
    query = QUERIES[number][language]
    if language == "python":
        if number == 7:
            asked.pandas_answer(frames, QUERIES[5]["python"])  # `accounts`
        return asked.of_series(asked.pandas_answer(frames, query))
    asks = {
        "promql": stores.promql_answer, "influxql": stores.influxql_answer, "sql": stores.sql_answer,
    }  # fmt: skip
    return asks[language](query)


def test_the_page_has_ten_questions_in_each_of_four_languages() -> None:
    assert list(QUERIES) == list(range(1, 11))
    for number, of_question in QUERIES.items():
        assert set(of_question) == set(LANGUAGES), number


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("number", "of_truth"),
    [
        (1, Truth.latest_power), (2, Truth.hourly_means), (3, Truth.running), (5, Truth.completeness),
        (7, Truth.lost), (10, Truth.highest_power),
    ],
)  # fmt: skip
def test_the_answer_is_that_of_what_was_collected(
    stores: Stores, frames: dict[str, Any], truth: Truth, language: str, number: int, of_truth: Any
) -> None:
    wanted = dict(of_truth(truth))
    assert wanted
    found = {key: value for key, value in answer(stores, frames, language, number).items() if value}
    assert found == pytest.approx({key: value for key, value in wanted.items() if value}, rel=1e-9)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reset_counter_has_its_whole_energy_but_in_influxql(
    stores: Stores, frames: dict[str, Any], truth: Truth, language: str
) -> None:
    wanted = dict(truth.energy())
    assert min(wanted.values()) > 100
    if language == "influxql":  # as the page says
        wanted["edge-1", "meter-air"] -= truth.after_reset()
    assert answer(stores, frames, language, 4) == pytest.approx(wanted, rel=1e-9)


GAPS = [
    (trouble.begin, trouble.end, trouble.reason)
    for trouble in TROUBLES
    if (trouble.edge, trouble.device) == ("edge-1", "compressor-2")
]


def minutes(time_ms: float) -> int:
    return int(time_ms - BEGIN_MS) // 60_000


def test_a_gap_has_its_first_and_last_sample_and_its_reason(stores: Stores, frames: dict[str, Any]) -> None:
    # The first sample of a gap lies in the first period that begins within it.
    expected = [(begin + begin % 2, end - 2 + end % 2, reason) for begin, end, reason in GAPS]
    of_sql = [
        (minutes(asked.milliseconds(first)), minutes(asked.milliseconds(last)), Reason(reason))
        for first, last, reason in stores.rows(QUERIES[6]["sql"])
    ]
    assert of_sql == expected
    table = asked.pandas_answer(frames, QUERIES[6]["python"])
    assert [
        (minutes(row.first.timestamp() * 1000), minutes(row.last.timestamp() * 1000), Reason(row.reason))
        for row in table.itertuples()
    ] == expected
    each = [(minute, reason) for first, last, reason in expected for minute in range(first, last + 1, 2)]
    (series,) = stores.promql(QUERIES[6]["promql"])
    assert [
        (minutes(seconds * 1000), Reason.of_code(int(code))) for seconds, code in series["values"]
    ] == each
    ((series,),) = stores.influxql(QUERIES[6]["influxql"])
    assert [(minutes(time_ms), Reason.of_code(code)) for time_ms, code in series["values"]] == each


def test_a_point_has_the_unit_and_the_label_of_its_newest_description(
    stores: Stores, frames: dict[str, Any]
) -> None:
    texts = ("bar", "Discharge pressure", "排气压力")
    expected = {(edge, device): texts for edge in EDGES for device in ("compressor-1", "compressor-2")}
    assert OLD_LABEL not in texts
    found = [(each["metric"], each["value"]) for each in stores.promql(QUERIES[8]["promql"])]
    assert {
        (metric["edge"], metric["device"]): (metric["unit"], metric["label_en"], metric["label_zh"])
        for metric, _ in found
    } == expected
    assert {float(value[1]) * 1000 for _, value in found} == {BEGIN_MS + DAY_MS / 3}
    assert {
        (each["tags"]["edge"], each["tags"]["device"]): tuple(each["values"][0][1:])
        for each in stores.influxql(QUERIES[8]["influxql"])[0]
    } == expected
    assert {tuple(row[:2]): tuple(row[2:]) for row in stores.rows(QUERIES[8]["sql"])} == expected
    table = asked.pandas_answer(frames, QUERIES[8]["python"])
    assert {row[0]: tuple(row[1:]) for row in table.itertuples()} == expected


def test_a_state_has_the_text_of_its_code(stores: Stores, frames: dict[str, Any], truth: Truth) -> None:
    texts = {0: "off", 1: "idle", 2: "setup", 3: "running", 4: "fault", 5: "maintenance"}
    expected = {key: texts[code] for key, code in truth.states().items()}
    assert len(expected) == 6
    query = QUERIES[9]
    assert stores.sql_answer(query["sql"]) == expected
    assert asked.of_series(asked.pandas_answer(frames, query["python"])) == expected
    assert {
        (each["metric"]["edge"], each["metric"]["device"]): _text(
            each["metric"]["codes_en"], each["value"][1]
        )
        for each in stores.promql(query["promql"])
    } == expected
    codes, lists = stores.influxql(query["influxql"])
    texts_of = {_machine(each): each["values"][0][1] for each in lists}
    assert {
        _machine(each): _text(texts_of[_machine(each)], each["values"][0][1]) for each in codes
    } == expected


def _machine(series: dict[str, Any]) -> tuple[str, str]:
    return series["tags"]["edge"], series["tags"]["device"]


def _text(codes: str, code: str | float) -> str:
    return dict(text.split("=") for text in codes.split("; "))[str(int(float(code)))]
