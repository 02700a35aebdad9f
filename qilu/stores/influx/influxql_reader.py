"""Answers questions in InfluxQL, which InfluxDB 1, 2 and 3 all speak."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import merge

from qilu.contract.errors import UnreachableError
from qilu.contract.reading import DeviceKey, Value
from qilu.contract.store_names import measurement_name
from qilu.stores.influx.line_protocol import INFO, QUALITY, TEXT
from qilu.stores.influx.point_infos import RawPointInfo, newest_infos
from qilu.stores.influx.reader import SeriesKey, ServerReader, newest, newest_samples, point_of, to_sample
from qilu.stores.influx.shapes import InfluxqlResults, Series
from qilu.stores.interfaces import DescribedPoint, Device, Sample
from qilu.stores.interval_summaries import first_per_time

_FIELDS_PER_QUERY = 100
_RAW_COLUMNS = 4  # time, value, code of its reason, text
_LIMIT_MS = 9_000_000_000_000  # InfluxDB counts nanoseconds in 64 bits


class InfluxqlReader(ServerReader):
    """A `Reader` of InfluxDB."""

    has_texts = True
    best_effort = False

    async def devices(self) -> Sequence[Device]:
        """Every device, by name; one that changed its line or site stands where it was last."""
        question = (
            'SELECT * FROM /.*/ GROUP BY "device", "edge", "line", "profile" ORDER BY time DESC LIMIT 1'
        )
        devices = []
        for series in await self._series(question):
            of = series.get("tags", {})
            if of.get("device") and of.get("profile"):
                last_ms = series["values"][0][series["columns"].index("time")]
                names = of["device"], of["profile"], of["edge"], of["line"]
                devices.append(Device(*names, last_ms))
        return newest(devices)

    async def points(self, device: DeviceKey, *, profile: str | None = None) -> Sequence[str]:
        """The points that a device ever had, by name."""
        return sorted({point_of(field) for field in await self._fields(SeriesKey(*device, profile))})

    async def latest(self, device: DeviceKey, *, profile: str | None = None) -> Mapping[str, Sample]:
        """As `Reader` promises: only a question about one field is answered with its time."""
        key = SeriesKey(*device, profile)
        fields = sorted(await self._fields(key))
        last_values: dict[str, tuple[int, Value]] = {}
        for start in range(0, len(fields), _FIELDS_PER_QUERY):
            part = fields[start : start + _FIELDS_PER_QUERY]
            questions = [f"SELECT last({_name(field)}) {_from(key)}" for field in part]
            for field, tables in zip(part, await self._results(";".join(questions)), strict=True):
                for series in tables:  # one of each profile
                    time_ms, value = series["values"][0]
                    if field not in last_values or last_values[field][0] < time_ms:
                        last_values[field] = time_ms, value
        return newest_samples(last_values)

    async def point_info(self, device: DeviceKey | None = None) -> Sequence[DescribedPoint]:
        """As `Reader` promises."""
        tags = '"edge", "device", "point", "profile"'
        which = "" if device is None else f" WHERE {_of(device)}"
        question = f"SELECT * FROM {_name(INFO)}{which} GROUP BY {tags} ORDER BY time DESC LIMIT 1"
        descriptions: list[RawPointInfo] = []
        for series in (await self._results(question, infos=True))[0]:
            row = dict(zip(series["columns"], series["values"][0], strict=True))
            descriptions.append(RawPointInfo(series.get("tags", {}), row["time"], row))
        return newest_infos(descriptions)

    async def _fields(self, key: SeriesKey) -> set[str]:
        """The fields that a device ever had."""
        return {
            column.removeprefix("last_")
            for series in await self._series(f"SELECT last(*) {_from(key)}")
            for column, value in zip(series["columns"], series["values"][0], strict=True)
            if column != "time" and value is not None
        }

    async def _raw(self, key: SeriesKey, point: str, start_ms: int, end_ms: int) -> list[Sample]:
        fields = ", ".join(_name(field) for field in (point, point + QUALITY, point + TEXT))
        question = f"SELECT {fields} {_between(key, start_ms, end_ms)}"
        every = [_samples(series) for series in await self._series(question)]
        return list(first_per_time(merge(*every, key=lambda sample: sample.time_ms)))

    async def _codes(self, key: SeriesKey, start_ms: int, end_ms: int) -> list[float]:
        question = f"SELECT /{QUALITY}$/ {_between(key, start_ms, end_ms)}"
        return [
            code
            for series in await self._series(question)
            for _, *codes in series["values"]
            for code in codes
            if code is not None
        ]

    async def _values(self, key: SeriesKey, start_ms: int, end_ms: int) -> int:
        total = 0
        for series in await self._series(f"SELECT count(*) {_between(key, start_ms, end_ms)}"):
            for column, count in zip(series["columns"], series["values"][0], strict=True):
                if column != "time" and not column.endswith(QUALITY):
                    total += int(count or 0)
        return total

    async def _series(self, question: str) -> list[Series]:
        return (await self._results(question))[0]

    async def _results(self, questions: str, *, infos: bool = False) -> list[list[Series]]:
        """The series of each of several questions: those of values, or of what points are."""
        database = self._settings.database or self._settings.bucket or ""
        reply = await self._http.ask("POST", "/query", form={"db": database, "q": questions, "epoch": "ms"})
        if not reply.ok:
            raise reply.unreachable(self._settings.url)
        tables = reply.json(InfluxqlResults).series()
        return [[series for series in part if (series["name"] == INFO) == infos] for part in tables]


def _samples(series: Series) -> Iterator[Sample]:
    if len(series["columns"]) != _RAW_COLUMNS:
        raise UnreachableError(f"the store sent the columns {series['columns'][:5]}")
    for time_ms, value, code, text in series["values"]:
        yield to_sample(time_ms, text if value is None else value, code)


def _from(key: SeriesKey) -> str:
    """Whose readings, as the end of a question; a tag that is not there equals the empty text."""
    whose = _of(key)
    if key.profile is None:
        return f"FROM /.*/ WHERE {whose}"
    return f'FROM {_name(measurement_name(key.profile))} WHERE "profile" = {_text(key.profile)} AND {whose}'


def _of(key: SeriesKey | DeviceKey) -> str:
    return f'"edge" = {_text(key.edge)} AND "device" = {_text(key.device)}'


def _between(key: SeriesKey, start_ms: int, end_ms: int) -> str:
    low, high = max(start_ms, -_LIMIT_MS), min(end_ms, _LIMIT_MS)
    return f"{_from(key)} AND time >= {low}ms AND time < {high}ms"


def _name(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
