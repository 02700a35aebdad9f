"""Answers questions about VictoriaMetrics, from its raw samples: its queries hide the newest."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from qilu.contract.errors import UnreachableError
from qilu.contract.reading import DeviceKey, Value
from qilu.stores.influx.http import Reply
from qilu.stores.influx.line_protocol import EDGE_TEXTS, INFO, POINT, QUALITY
from qilu.stores.influx.point_infos import RawPointInfo, newest_infos
from qilu.stores.influx.reader import SeriesKey, ServerReader, newest, newest_samples, to_sample
from qilu.stores.influx.shapes import ExportedSeries, MetricsSeries, MetricsVector
from qilu.stores.interfaces import DescribedPoint, Device, Sample
from qilu.stores.settings import InfluxSettings

# How far back from when (s ahead of now): cheap for devices that send, in the end nearly all since 1970.
_LOOKS = (("5m", 0), ("1h", 0), ("1d", 0), ("30d", 0), ("50y", 2 * 86_400))
_NAME = "__name__"
_VALUES = f'{_NAME}!="{INFO}", {_NAME}!="{EDGE_TEXTS}"'
"""Of the series that describe no point and no edge."""
_REASONS = f'{_NAME}=~".*{QUALITY}"'


class VictoriaMetricsReader(ServerReader):
    """A `Reader` of VictoriaMetrics."""

    has_texts = False
    best_effort = False

    def __init__(self, settings: InfluxSettings, *, wall: Callable[[], float] = time.time) -> None:
        super().__init__(settings)
        self._wall = wall

    async def devices(self) -> Sequence[Device]:
        """Every device, by name; one that changed its line or site stands where it was last."""
        profiles: dict[str, set[DeviceKey]] = {}
        for labels in await self._series(f'{{device!="", profile!="", {_VALUES}}}'):
            profiles.setdefault(labels.get("profile", ""), set()).add(_key(labels))
        last_seen: list[Device] = []
        for profile, devices in profiles.items():
            last_seen.extend(await self._last(profile, devices))
        return newest(last_seen)

    async def points(self, device: DeviceKey, *, profile: str | None = None) -> Sequence[str]:
        """The points that a device ever had, by name."""
        series = await self._series(_selector(SeriesKey(*device, profile)))
        return sorted({labels[POINT] for labels in series if POINT in labels})

    async def latest(self, device: DeviceKey, *, profile: str | None = None) -> Mapping[str, Sample]:
        """As `Reader` promises; looks far back only where points are long silent."""
        selector = _selector(SeriesKey(*device, profile))
        wanted = {_field(labels) for labels in await self._series(selector)}
        last_values: dict[str, tuple[int, Value]] = {}
        for window, ahead in _LOOKS:
            if last_values.keys() >= wanted:
                break
            times = await self._instant(f"tlast_over_time({selector}[{window}]) keep_metric_names", ahead)
            values = await self._instant(f"last_over_time({selector}[{window}])", ahead)
            for series, seconds in times.items():
                time_ms, field = round(seconds * 1000), _field(dict(series))
                if series in values and (field not in last_values or last_values[field][0] < time_ms):
                    last_values[field] = time_ms, values[series]
        return newest_samples(last_values)

    async def point_info(self, device: DeviceKey | None = None) -> Sequence[DescribedPoint]:
        """As `Reader` promises; an edge reports at each start and once a day, so that the samples are few."""
        which = "" if device is None else f"{{device={_text(device.device)}, edge={_text(device.edge)}}}"
        window, ahead = _LOOKS[-1]
        times = await self._instant(f"tlast_over_time({INFO}{which}[{window}])", ahead)
        return newest_infos(
            RawPointInfo(labels := dict(series), round(seconds * 1000), labels)
            for series, seconds in times.items()
        )

    async def _instant(self, query: str, ahead: int) -> dict[frozenset[tuple[str, str]], float]:
        """The value of each series by its labels, so many seconds ahead of now."""
        form = {"query": query, "time": f"{self._wall() + ahead:.3f}", "nocache": "1"}
        reply = _ok(await self._http.ask("POST", "/api/v1/query", form=form), self._settings.url)
        return {
            frozenset(instant.metric.items()): instant.number
            for instant in reply.json(MetricsVector).data.result
        }

    async def _last(self, profile: str, wanted: set[DeviceKey]) -> list[Device]:
        """When the last record of each device of one profile came; looks far back only for those long
        silent."""
        devices: list[Device] = []
        for window, ahead in _LOOKS:
            selector = f'{{profile={_text(profile)}, device!="", {_VALUES}}}'
            last = f"tlast_over_time({selector}[{window}]) keep_metric_names"
            form = {
                "query": f"max by (device, edge, line) ({last})",
                "time": f"{self._wall() + ahead:.3f}",
                "nocache": "1",
            }
            reply = await self._http.ask("POST", "/api/v1/query", form=form)
            for entry in _ok(reply, self._settings.url).json(MetricsVector).data.result:
                labels, last_ms = entry.metric, round(entry.number * 1000)
                edge, device = _key(labels)
                devices.append(Device(device, profile, edge, labels.get("line", ""), last_ms))
            if wanted <= {entry.key for entry in devices}:
                break
        return devices

    async def _raw(self, key: SeriesKey, point: str, start_ms: int, end_ms: int) -> list[Sample]:
        values: dict[int, float] = {}
        codes: dict[int, float] = {}
        for series in await self._export(_selector(key, f"{POINT}={_text(point)}"), start_ms, end_ms):
            into = codes if series["metric"].get(_NAME, "").endswith(QUALITY) else values
            into.update(zip(series["timestamps"], series["values"], strict=True))
        times = sorted(when for when in values.keys() | codes.keys() if start_ms <= when < end_ms)
        return [to_sample(when, values.get(when), codes.get(when)) for when in times]

    async def _codes(self, key: SeriesKey, start_ms: int, end_ms: int) -> list[float]:
        return [
            code
            for series in await self._export(_selector(key, _REASONS), start_ms, end_ms)
            for when, code in zip(series["timestamps"], series["values"], strict=True)
            if start_ms <= when < end_ms
        ]

    async def _values(self, key: SeriesKey, start_ms: int, end_ms: int) -> int:
        selector = _selector(key, f"{_NAME}!~{_text(f'.*{QUALITY}')}")
        form = {
            "query": f"sum(count_over_time({selector}[{end_ms - start_ms}ms]))",
            # A window ends with its time and begins behind its other end. It is cut to whole milliseconds.
            "time": f"{(end_ms - 0.5) / 1000:.4f}",
            "nocache": "1",
        }
        reply = _ok(await self._http.ask("POST", "/api/v1/query", form=form), self._settings.url)
        return sum(int(instant.number) for instant in reply.json(MetricsVector).data.result)

    async def _export(self, selector: str, start_ms: int, end_ms: int) -> list[ExportedSeries]:
        """The raw samples of these series, and of a second before and behind."""
        form = {
            "match[]": selector,
            # Wider than asked: it computes with floating seconds. Who calls leaves out what is too much.
            "start": f"{max(start_ms / 1000 - 1, 0):.3f}",
            "end": f"{end_ms / 1000 + 1:.3f}",
        }
        reply = _ok(await self._http.ask("POST", "/api/v1/export", form=form), self._settings.url)
        exported = reply.json_lines(ExportedSeries)
        if any(len(series["timestamps"]) != len(series["values"]) for series in exported):
            raise UnreachableError(f"{self._settings.url} sent times that have no values")
        return exported

    async def _series(self, match: str) -> list[dict[str, str]]:
        reply = await self._http.ask("POST", "/api/v1/series", form={"match[]": match, "start": "1"})
        return _ok(reply, self._settings.url).json(MetricsSeries).data


def _selector(key: SeriesKey, more: str = "") -> str:
    profile = 'profile!=""' if key.profile is None else f"profile={_text(key.profile)}"
    device = f"device={_text(key.device)}, edge={_text(key.edge)}"
    return f"{{{', '.join(filter(None, (device, profile, _VALUES, more)))}}}"


def _field(labels: Mapping[str, str]) -> str:
    """The point, and the ending of a series of its reasons."""
    return labels.get(POINT, "") + (QUALITY if labels.get(_NAME, "").endswith(QUALITY) else "")


def _key(labels: Mapping[str, str]) -> DeviceKey:
    return DeviceKey(labels.get("edge", ""), labels.get("device", ""))


def _ok(reply: Reply, url: str) -> Reply:
    if not reply.ok:
        raise reply.unreachable(url)
    return reply


def _text(text: str) -> str:
    return msgspec.json.encode(text).decode()
