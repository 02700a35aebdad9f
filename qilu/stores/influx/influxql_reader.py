"""Answers questions in InfluxQL, which InfluxDB 1, 2 and 3 all speak."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import merge

from qilu.contract.errors import UnreachableError
from qilu.contract.reading import DeviceKey, Value
from qilu.stores.influx.line_protocol import QUALITY, TEXT
from qilu.stores.influx.reader import ServerReader, Whose, newest, newest_samples, point_of, told
from qilu.stores.influx.shapes import InfluxqlResults, Series
from qilu.stores.interfaces import Device, Sample
from qilu.stores.intervals import one_per_time

_FIELDS_AT_ONCE = 100
_RAW_COLUMNS = 4  # time, value, code of its reason, text
_LIMIT_MS = 9_000_000_000_000  # InfluxDB counts nanoseconds in 64 bits


class InfluxqlReader(ServerReader):
    """A `Reader` of InfluxDB."""

    has_texts = True

    async def devices(self) -> Sequence[Device]:
        """Every device, by name; one that changed its line or site stands where it was last."""
        question = 'SELECT * FROM /.*/ GROUP BY "device", "edge", "line" ORDER BY time DESC LIMIT 1'
        found = []
        for series in await self._series(question):
            tags = series.get("tags", {})
            if tags.get("device"):
                last_ms = series["values"][0][series["columns"].index("time")]
                found.append(Device(tags["device"], series["name"], tags["edge"], tags["line"], last_ms))
        return newest(found)

    async def points(self, device: DeviceKey, *, profile: str | None = None) -> Sequence[str]:
        """The points that a device ever had, by name."""
        return sorted({point_of(field) for field in await self._fields(Whose(*device, profile))})

    async def latest(self, device: DeviceKey, *, profile: str | None = None) -> Mapping[str, Sample]:
        """As `Reader` promises: only a question about one field is answered with its time."""
        whose = Whose(*device, profile)
        fields = sorted(await self._fields(whose))
        found: dict[str, tuple[int, Value]] = {}
        for start in range(0, len(fields), _FIELDS_AT_ONCE):
            some = fields[start : start + _FIELDS_AT_ONCE]
            questions = [f"SELECT last({_name(field)}) {_from(whose)}" for field in some]
            for field, answer in zip(some, await self._answers(";".join(questions)), strict=True):
                for series in answer:  # one of each profile
                    time_ms, value = series["values"][0]
                    if field not in found or found[field][0] < time_ms:
                        found[field] = time_ms, value
        return newest_samples(found)

    async def _fields(self, whose: Whose) -> set[str]:
        """The fields that a device ever had."""
        return {
            column.removeprefix("last_")
            for series in await self._series(f"SELECT last(*) {_from(whose)}")
            for column, value in zip(series["columns"], series["values"][0], strict=True)
            if column != "time" and value is not None
        }

    async def _raw(self, whose: Whose, point: str, start_ms: int, end_ms: int) -> list[Sample]:
        fields = ", ".join(_name(field) for field in (point, point + QUALITY, point + TEXT))
        question = f"SELECT {fields} {_between(whose, start_ms, end_ms)}"
        every = [_samples(series) for series in await self._series(question)]
        return list(one_per_time(merge(*every, key=lambda one: one.time_ms)))

    async def _codes(self, whose: Whose, start_ms: int, end_ms: int) -> list[float]:
        question = f"SELECT /{QUALITY}$/ {_between(whose, start_ms, end_ms)}"
        return [
            code
            for series in await self._series(question)
            for _, *codes in series["values"]
            for code in codes
            if code is not None
        ]

    async def _values(self, whose: Whose, start_ms: int, end_ms: int) -> int:
        found = 0
        for series in await self._series(f"SELECT count(*) {_between(whose, start_ms, end_ms)}"):
            for column, count in zip(series["columns"], series["values"][0], strict=True):
                if column != "time" and not column.endswith(QUALITY):
                    found += int(count or 0)
        return found

    async def _series(self, question: str) -> list[Series]:
        return (await self._answers(question))[0]

    async def _answers(self, questions: str) -> list[list[Series]]:
        """The series of each of several questions."""
        database = self._settings.database or self._settings.bucket or ""
        reply = await self._http.ask("POST", "/query", form={"db": database, "q": questions, "epoch": "ms"})
        if not reply.ok:
            raise reply.unreachable(self._settings.url)
        return reply.json(InfluxqlResults).series()


def _samples(series: Series) -> Iterator[Sample]:
    if len(series["columns"]) != _RAW_COLUMNS:
        raise UnreachableError(f"the store answered with the columns {series['columns'][:5]}")
    for time_ms, value, code, text in series["values"]:
        yield told(time_ms, text if value is None else value, code)


def _from(whose: Whose) -> str:
    """Whose readings, as the end of a question; a tag that is not there equals the empty text."""
    measurement = "/.*/" if whose.profile is None else _name(whose.profile)
    return f'FROM {measurement} WHERE "edge" = {_text(whose.edge)} AND "device" = {_text(whose.device)}'


def _between(whose: Whose, start_ms: int, end_ms: int) -> str:
    low, high = max(start_ms, -_LIMIT_MS), min(end_ms, _LIMIT_MS)
    return f"{_from(whose)} AND time >= {low}ms AND time < {high}ms"


def _name(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
