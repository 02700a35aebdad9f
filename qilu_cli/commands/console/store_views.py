"""The views of a store: its devices, one device, a chart of any point. They read, and change nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from gateway.console.catalogue import label_value
from gateway.console.series import MAX_PIXELS, RecentSeries
from gateway.console.topics import COLUMNS, devices_changes
from qilu.contract.display.durations import duration_text
from qilu.contract.reading import Value
from qilu.stores.interfaces import Sample
from qilu.stores.sqlite.history.point_query import PointName
from qilu.stores.sqlite.history.reader import HistoryReader
from qilu.web.exchange import RefusalError, Request, Response, Route
from qilu.web.live import Topic
from qilu.web.vocabulary import vocabulary
from qilu_cli.commands.console.store_book import StoreBook, StoredDevice

VIEWS = ("devices", "device")
_RAW_MS = 2 * 3_600_000
"""A chart of a longer time asks for one value per pixel, in place of all samples."""
_NO_LABEL = {"zh": "", "en": ""}


class StoreViews:
    """Topics and routes over a book of a store; `name` is what people call the store."""

    def __init__(self, book: StoreBook, name: str, version: str, boot: str) -> None:
        self._book = book
        self._name = name
        self._version = version
        self._boot = boot
        self._started_ms = _now_ms()

    def find(self, name: str) -> Topic | None:
        if name == "overview":
            return Topic(name, self.overview)
        if name == "devices":
            return Topic(name, self.devices, devices_changes)
        device = self._book.devices.get(name.removeprefix("device/"))
        return None if device is None or "/" not in name else Topic(name, lambda: self.device(device))

    def routes(self) -> Sequence[Route]:
        """Those of the API of a gateway that a store can serve."""
        device = "/api/v1/devices/{device}"
        return [
            Route("GET", "/api/v1/info", self._info, "wall"),
            Route("GET", "/api/v1/vocabulary", self._vocabulary, "wall"),
            Route("GET", "/api/v1/devices", self._devices),
            Route("GET", device, self._device),
            Route("GET", f"{device}/points/{{point}}/series", self._series),
            Route("GET", "/api/v1/sparklines", self._sparklines),
            Route("GET", "/healthz", self._health, "open"),
        ]

    def overview(self) -> Mapping[str, Any]:
        """The sentence; the road of a store is not known."""
        newest_ms = max((device.entry.last_ms for device in self._book.devices.values()), default=0)
        age_s = (_now_ms() - newest_ms) / 1000
        count, problem = len(self._book.devices), self._book.problem
        zh = f"只读查看存储 {self._name}：{count} 台设备，最新数据在 {duration_text(age_s, 'zh')}前"
        en = f"Store {self._name}, read only: {count} devices, latest data {duration_text(age_s, 'en')} ago"
        sentence: Mapping[str, Any] = {
            "code": "store", "level": "fault" if problem else "normal", "since_ms": self._started_ms,
            "subject": "", "zh": f"{zh}；读取失败：{problem}" if problem else zh,
            "en": f"{en}; it cannot be read: {problem}" if problem else en, "more": [],
        }  # fmt: skip
        return {
            "edge": {"edge": self._name, "label": _NO_LABEL, "site": "", "enterprise": ""},
            "sentence": sentence,
            "road": _unknown_road(count),
            "devices": {
                name: {
                    "label": _NO_LABEL, "place": "", "line": device.entry.line, "state": _state(device),
                    "level": "normal", "time_ms": device.entry.last_ms, "period_ms": 0, "reason": None,
                    "value": _key_value(device),
                }
                for name, device in self._book.devices.items()
            },
        }  # fmt: skip

    def devices(self) -> Mapping[str, Any]:
        rows = [
            [
                name, _NO_LABEL, device.entry.edge, device.entry.line, device.entry.profile, "", 0,
                _state(device), "normal", device.entry.last_ms, 0, 0.0, 0, 0, None, None, _key_value(device),
            ]
            for name, device in self._book.devices.items()
        ]  # fmt: skip
        return {"columns": COLUMNS, "rows": rows}

    def device(self, device: StoredDevice) -> Mapping[str, Any]:
        """The newest value of each point."""
        device.asked_at = time.monotonic()
        return {
            "device": device.name, "label": _NO_LABEL, "place": "", "line": device.entry.line,
            "profile": device.entry.profile, "state": _state(device), "level": "normal", "since_ms": 0,
            "time_ms": device.entry.last_ms, "reason": None, "groups": {},
            "points": {
                point: {
                    "value": sample.value, "time_ms": sample.time_ms,
                    "quality": "good" if sample.reason is None else sample.reason.quality.value,
                    "reason": None if sample.reason is None else sample.reason.value,
                }
                for point, sample in device.latest.items()
            },
            "counters": {"polls": 0, "skipped": 0, "timeouts": 0, "errors": {}, "round_trip_ms": None},
            "plan": {"blocks": [], "learned": []},
        }  # fmt: skip

    async def _info(self, request: Request) -> Response:
        return Response(
            {
                "edge": self._name, "label": _NO_LABEL, "site": "", "enterprise": "",
                "version": self._version, "boot": self._boot, "started_ms": self._started_ms,
                "now_ms": _now_ms(), "role": "store", "views": VIEWS,
                "access": request.caller.role.name.lower(), "lang": None,
            }
        )  # fmt: skip

    async def _vocabulary(self, _: Request) -> Response:
        used = {device.entry.profile: device.profile for device in self._book.devices.values()}
        units = (point.unit for profile in used.values() if profile for point in profile.points.values())
        return Response(vocabulary(units, {}))

    async def _devices(self, _: Request) -> Response:
        return Response(self.devices())

    async def _device(self, request: Request) -> Response:
        device = self._named(request)
        device.asked_at = time.monotonic()
        await self._book.read_latest(device)
        described = [] if device.profile is None else device.profile.descriptions
        known = {entry["point"] for entry in described}
        return Response(
            {
                "device": device.name, "label": _NO_LABEL, "place": "", "line": device.entry.line,
                "profile": device.entry.profile, "endpoint": "", "unit_id": 0, "groups": {},
                "points": [*described, *(_plain(point) for point in device.latest if point not in known)],
            }
        )  # fmt: skip

    async def _series(self, request: Request) -> Response:
        device, point = self._named(request), request.path["point"]
        to_ms = _number(request, "to_ms", device.entry.last_ms + 1)
        from_ms = _number(request, "from_ms", to_ms - 3_600_000)
        pixels = max(1, min(_number(request, "pixels", 800), MAX_PIXELS))
        if from_ms >= to_ms:
            raise RefusalError(400, "range", "from_ms is not before to_ms", "give a range of time")
        reader = self._book.reader
        if isinstance(reader, HistoryReader):
            chart = await reader.chart(PointName(device.key, point), from_ms, to_ms, pixels)
            return Response(
                {
                    "from_ms": from_ms, "to_ms": to_ms, "bucket_ms": chart.bucket_ms,
                    "source": chart.source, "t": [time_ms for time_ms, _ in chart.intervals],
                    "min": [entry.low for _, entry in chart.intervals],
                    "max": [entry.high for _, entry in chart.intervals],
                    "last": [_float(entry.last) for _, entry in chart.intervals],
                    "n": [entry.number for _, entry in chart.intervals],
                    "bad": [
                        {
                            "from_ms": span.start_ms, "to_ms": span.end_ms, "quality": span.quality.value,
                            "reason": span.reason.value, "n": span.number,
                        }
                        for span in chart.bad
                    ],
                    "gaps": [],
                }
            )  # fmt: skip
        every_ms = None if to_ms - from_ms <= _RAW_MS else max(1, (to_ms - from_ms) // pixels)
        samples = await reader.samples(
            device.key, point, from_ms, to_ms, every_ms, profile=device.entry.profile
        )
        return Response(_chart(samples, from_ms, to_ms, pixels, every_ms))

    async def _sparklines(self, _: Request) -> Response:
        return Response({})

    async def _health(self, _: Request) -> Response:
        good = not self._book.problem
        return Response(
            {"status": "ok" if good else "failing", "checks": {"store": good}}, 200 if good else 503
        )

    def _named(self, request: Request) -> StoredDevice:
        device = self._book.devices.get(request.path["device"])
        if device is None:
            text = f"there is no device {request.path['device'][:80]!r}"
            raise RefusalError(404, "no_device", text, "see /api/v1/devices")
        return device


def _chart(
    samples: Sequence[Sample], from_ms: int, to_ms: int, pixels: int, every_ms: int | None
) -> Mapping[str, Any]:
    """Samples of a store as a chart; a gap is longer than ten times the usual distance."""
    distances = sorted(after.time_ms - before.time_ms for before, after in pairwise(samples))
    period_s = max(distances[len(distances) // 2] / 250 if distances else 60.0, 1.0)
    series = RecentSeries(from_ms, to_ms, pixels, period_s)
    for sample in samples:
        series.add(sample.time_ms, _float(sample.value), sample.reason)
    return {**series.value(), "source": "raw" if every_ms is None else "minutes"}


def _float(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _state(device: StoredDevice) -> str:
    point = None if device.profile is None else device.profile.state_point
    if point is None:
        return "unknown"
    sample = device.latest.get(point[0])
    value = None if sample is None else sample.value
    return point[1].get(int(value), "unknown") if isinstance(value, int | float) else "unknown"


def _key_value(device: StoredDevice) -> Mapping[str, Any] | None:
    point = None if device.profile is None else device.profile.key_point
    sample = None if point is None else device.latest.get(point.name)
    if point is None or sample is None:
        return None
    quality = "good" if sample.reason is None else sample.reason.quality.value
    return {
        "point": point.name, "label": label_value(point.label), "unit": point.unit, "value": sample.value,
        "quality": quality,
    }  # fmt: skip


def _plain(point: str) -> Mapping[str, Any]:
    """A point that no profile describes."""
    return {
        "point": point, "label": _NO_LABEL, "unit": "", "group": "", "type": "", "kind": "gauge", "enum": {},
        "normal": None, "limits": None, "decimals": 2, "counter": False,
    }  # fmt: skip


def _unknown_road(devices: int) -> Mapping[str, Any]:
    return {
        "machines": {"answering": devices, "expected": devices, "level": "unknown"},
        "gateway": {"readings_per_s": 0.0, "skipped_polls": 0, "level": "unknown"},
        "broker": {"connected": False, "address": "", "since_ms": 0, "level": "unknown"},
        "store": {"durable_delay_ms": None, "names": [], "level": "unknown"},
        "spool": {"records": 0, "bytes": 0, "hours_left": None},
    }


def _number(request: Request, key: str, default: int) -> int:
    text = request.query.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 17):
        raise RefusalError(400, "query", f"{key} is no number", f"correct {key}")
    return int(text)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
