"""The API of a gateway: `gateway/console/openapi.yaml` describes it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gateway.console.catalogue import Catalogue, DeviceEntry, label_value
from gateway.console.event_log import SHOWN, EventLog
from gateway.console.metrics import device_metrics, gateway_metrics
from gateway.console.raw_replies import registers
from gateway.console.series import MAX_PIXELS, RecentSeries, fill, series_value, sparkline
from gateway.console.sheets import SheetRequest, check_request, history_rows, recent_rows, sheet_chunks
from gateway.console.topics import Topics, cause_value, delivery_value, road, sentence_value
from gateway.console.watch import MAX_AGE_MS, Watch
from gateway.diagnosis.devices import DeviceBook
from gateway.diagnosis.observer import Observer
from gateway.diagnosis.sentence import sentence
from gateway.health import Health
from qilu.contract.profile import Point
from qilu.web.exchange import RefusalError, Request, Response, Route, integer
from qilu.web.exposition import CONTENT_TYPE, exposition
from qilu.web.vocabulary import vocabulary

if TYPE_CHECKING:
    from gateway.history.history import History

VIEWS = ("overview", "devices", "device", "delivery", "events")
_MAX_SPARKLINES = 100
_DEFAULT_PIXELS = 800


@dataclass(frozen=True)
class ApiParts:
    """What the API reads. `version` is that of the program, `boot` tells one run from the next."""

    catalogue: Catalogue
    watch: Watch
    book: DeviceBook
    observer: Observer
    health: Health
    events: EventLog
    topics: Topics
    version: str
    boot: str
    history: History | None = None
    """The local history; without one, charts come from the watch."""
    more_views: Sequence[str] = ()


class Api:
    """The handlers of the routes."""

    def __init__(self, parts: ApiParts) -> None:
        self._parts = parts
        self._started_ms = parts.observer.view().now_ms

    def routes(self) -> list[Route]:
        device = "/api/v1/devices/{device}"
        return [
            Route("GET", "/api/v1/info", self.info, "wall"),
            Route("GET", "/api/v1/vocabulary", self.vocabulary, "wall"),
            Route("GET", "/api/v1/status", self.status, "wall"),
            Route("GET", "/api/v1/devices", self.devices),
            Route("GET", device, self.device),
            Route("GET", f"{device}/registers", self.registers),
            Route("GET", f"{device}/points/{{point}}/series", self.series),
            Route("GET", f"{device}/csv", self.csv, timeout_s=600.0),
            Route("GET", "/api/v1/sparklines", self.sparklines),
            Route("GET", "/api/v1/events", self.event_page),
            Route("GET", "/api/v1/report/day/{day}", self.day_report, timeout_s=120.0),
            Route("GET", "/metrics", self.metrics, "open" if self._is_open else "viewer"),
            Route("GET", "/healthz", self.healthz, "open" if self._is_open else "viewer"),
            Route("GET", "/readyz", self.readyz, "open" if self._is_open else "viewer"),
        ]

    @property
    def _is_open(self) -> bool:
        console = self._parts.catalogue.settings.console
        return console is None or not console.needs_token

    async def info(self, request: Request) -> Response:
        """Who this is, and what the caller may do."""
        settings, parts = self._parts.catalogue.settings, self._parts
        console = settings.console
        return Response(
            {
                "edge": settings.edge, "label": label_value(settings.label), "site": settings.site,
                "enterprise": settings.enterprise, "version": parts.version, "boot": parts.boot,
                "started_ms": self._started_ms, "now_ms": parts.observer.view().now_ms, "role": "gateway",
                "views": [*VIEWS, *(() if parts.history is None else ("day",)), *parts.more_views],
                "access": request.caller.role.name.lower(),
                "lang": None if console is None else console.language,
                "lines": {line: label_value(label) for line, label in settings.lines.items()},
            }
        )  # fmt: skip

    async def vocabulary(self, _: Request) -> Response:
        """Words, colours and units."""
        console = self._parts.catalogue.settings.console
        entries = {entry.profile.profile.profile: entry for entry in self._parts.catalogue.devices.values()}
        units = (point.unit for entry in entries.values() for point in entry.profile.points.values())
        return Response(vocabulary(units, {} if console is None else console.units()))

    async def status(self, _: Request) -> Response:
        """The sentence, the road and the counters: what `qilu status` prints."""
        self._demand_ready()
        view = self._parts.observer.view()
        return Response(
            {
                "role": "gateway", "name": view.edge, "version": self._parts.version, "now_ms": view.now_ms,
                "started_ms": view.started_ms, "sentence": sentence_value(sentence(view)),
                "road": road(view), "delivery": delivery_value(view),
                "counters": dict(self._parts.health.read()),
            }
        )  # fmt: skip

    async def devices(self, _: Request) -> Response:
        return Response(self._parts.topics.devices())

    async def device(self, request: Request) -> Response:
        """What the settings and the profile say of a device."""
        return Response(self._entry(request).description())

    async def registers(self, request: Request) -> Response:
        """The words of the last replies."""
        entry = self._entry(request)
        name = entry.settings.device
        return Response(registers(entry, self._parts.book.source_of(name).last_replies(name)))

    async def series(self, request: Request) -> Response:
        entry, point = self._point(request)
        now_ms = self._parts.observer.view().now_ms
        to_ms = integer(request.query, "to_ms", now_ms, 0, 2**53)
        from_ms = integer(request.query, "from_ms", to_ms - MAX_AGE_MS, 0, 2**53)
        pixels = integer(request.query, "pixels", _DEFAULT_PIXELS, 1, MAX_PIXELS)
        if from_ms >= to_ms:
            raise RefusalError(400, "range", "from_ms is not before to_ms", "give a range of time")
        history = self._parts.history
        if history is not None:
            kept = await history.series(entry.settings.device, point.name, from_ms, to_ms, pixels)
            return Response(series_value(kept))
        period_s = entry.periods.get(point.group, 1.0)
        chart = RecentSeries(from_ms, to_ms, pixels, period_s)
        return Response(fill(chart, self._parts.watch.recent(entry.settings.device), point.name).value())

    async def csv(self, request: Request) -> Response:
        entry, parts = self._entry(request), self._parts
        now_ms = parts.observer.view().now_ms
        to_ms = integer(request.query, "to_ms", now_ms, 0, 2**53)
        from_ms = integer(request.query, "from_ms", to_ms - MAX_AGE_MS, 0, 2**53)
        wanted = SheetRequest(
            entry,
            tuple(name for name in request.query.get("points", "").split(",") if name),
            from_ms,
            to_ms,
            "zh" if request.query.get("lang") == "zh" else "en",
            request.query.get("excel") == "1",
        )
        check_request(wanted)
        folder = None if parts.history is None else parts.catalogue.settings.history_folder
        samples = (
            recent_rows(wanted, parts.watch)
            if folder is None
            else history_rows(wanted, parts.catalogue.settings.edge, folder)
        )
        name = f"{entry.settings.device}.csv"
        disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        return Response(
            sheet_chunks(wanted, samples),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": disposition},
        )

    async def sparklines(self, request: Request) -> Response:
        """The last values of the key point of some devices."""
        names = [name for name in request.query.get("devices", "").split(",") if name]
        if len(names) > _MAX_SPARKLINES:
            text = f"{len(names)} devices are asked for, and {_MAX_SPARKLINES} is the limit"
            raise RefusalError(400, "too_many", text, "ask for the devices that are in view")
        return Response({name: line for name in names if (line := self._sparkline(name)) is not None})

    def _sparkline(self, name: str) -> Mapping[str, Any] | None:
        entry = self._parts.catalogue.devices.get(name)
        point = None if entry is None else entry.profile.key_point
        if point is None:
            return None
        group = self._parts.watch.devices.get(name, {}).get(point.group)
        return {"point": point.name, "values": [] if group is None else sparkline(list(group.spark))}

    async def event_page(self, request: Request) -> Response:
        """Events, the newest first."""
        before = integer(request.query, "before", 0, 0, 2**53)
        limit = integer(request.query, "limit", SHOWN, 1, SHOWN)
        return Response({"events": self._parts.events.page(before or None, limit)})

    async def day_report(self, request: Request) -> Response:
        parts = self._parts
        if parts.history is None:
            text, remedy = "this gateway keeps no local history", "add `history: {}` to its settings"
            raise RefusalError(404, "no_history", text, remedy)
        from gateway.console.day_report import Day, day_report, reported_devices
        from qilu.stores.sqlite.history.reader import HistoryReader

        try:
            day = Day.of(request.path["day"])
        except (ValueError, OverflowError) as error:
            text = f"{request.path['day'][:40]!r} is no day"
            raise RefusalError(400, "day", text, "write it as 2026-11-30") from error
        now_ms = parts.observer.view().now_ms
        async with HistoryReader(parts.catalogue.settings.history_folder) as reader:
            edge, devices = parts.catalogue.settings.edge, reported_devices(parts.catalogue)
            return Response(await day_report(edge, devices, reader, day, now_ms, parts.version))

    async def metrics(self, _: Request) -> Response:
        self._demand_ready()
        parts = self._parts
        round_trips_s = {
            name: seconds for source in parts.book.sources for name, seconds in source.stats.rtt.items()
        }
        view = parts.observer.view()
        metrics = itertools.chain(
            gateway_metrics(view, parts.health.read(), parts.version),
            device_metrics(parts.topics.states.states(), parts.watch.devices, round_trips_s),
        )
        return Response(exposition(metrics), content_type=CONTENT_TYPE)

    async def healthz(self, _: Request) -> Response:
        """Whether the process and its loop work: they do where this is sent."""
        return Response({"status": "ok", "checks": {"process": True}})

    async def readyz(self, _: Request) -> Response:
        """Whether it collects and delivers."""
        view = self._parts.observer.view()
        collecting = any(device.online is True for device in view.devices) and view.spool.blocked is None
        late_ms = 2000 * view.ack_timeout_s
        delivering = view.broker.connected and not (
            view.waiting_since_ms and view.now_ms - view.waiting_since_ms > late_ms
        )
        ready = collecting and delivering
        body = {
            "status": "ok" if ready else "failing",
            "checks": {"collecting": collecting, "delivering": delivering},
            "sentence": cause_value(sentence(view).worst),
        }
        return Response(body, 200 if ready else 503)

    def _demand_ready(self) -> None:
        if not self._parts.observer.is_ready:
            raise RefusalError(503, "starting", "the gateway is starting", "ask again in a second")

    def _entry(self, request: Request) -> DeviceEntry:
        name = request.path["device"]
        entry = self._parts.catalogue.devices.get(name)
        if entry is None:
            text = f"there is no device {name[:80]!r}"
            raise RefusalError(404, "no_device", text, "see /api/v1/devices")
        return entry

    def _point(self, request: Request) -> tuple[DeviceEntry, Point]:
        entry, name = self._entry(request), request.path["point"]
        point = entry.profile.points.get(name)
        if point is None:
            text = f"{entry.settings.device} has no point {name[:80]!r}"
            raise RefusalError(404, "no_point", text, f"see /api/v1/devices/{entry.settings.device}")
        return entry, point
