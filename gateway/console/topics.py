"""The live topics of a gateway: overview, devices, device/NAME, delivery, events."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gateway.console.catalogue import Catalogue, LabelValue, label_value
from gateway.console.device_topic import device_snapshot
from gateway.console.event_log import EventLog
from gateway.console.states import DeviceState, DeviceStates
from gateway.console.watch import Watch
from gateway.diagnosis.causes import Cause
from gateway.diagnosis.devices import DeviceBook
from gateway.diagnosis.observer import Observer
from gateway.diagnosis.sentence import Sentence, sentence
from gateway.diagnosis.view import GatewayView, Level
from qilu.web.live import FRESH, Changes, Topic
from qilu.web.merge_patch import merge_patch

COLUMNS = (
    "device", "label", "place", "line", "profile", "endpoint", "unit_id", "state", "level", "time_ms",
    "period_ms", "polls_per_min", "skipped", "errors", "reason", "round_trip_ms", "value",
)  # fmt: skip
_MAX_PAGES = 64
"""Devices whose page is remembered: more than there may be readers with one each."""


def sentence_value(result: Sentence) -> Mapping[str, Any]:
    return {**cause_value(result.worst), "more": [cause_value(cause) for cause in result.more]}


def cause_value(cause: Cause) -> Mapping[str, Any]:
    return {
        "code": cause.code.value,
        "level": cause.level.value,
        "since_ms": cause.since_ms,
        "subject": cause.subject,
        "zh": cause.zh,
        "en": cause.en,
    }


class Topics:
    """Finds topics by name. What they show is made of the view, the watch and the settings."""

    def __init__(
        self, catalogue: Catalogue, watch: Watch, book: DeviceBook, observer: Observer, events: EventLog
    ) -> None:
        self._catalogue = catalogue
        self._watch = watch
        self._book = book
        self._observer = observer
        self._events = events
        self.states = DeviceStates(catalogue, watch, book)
        self._tiles: dict[str, Mapping[str, Any]] = {name: {} for name in catalogue.devices}
        self._stale_tiles = self.states.follow()
        self._pages: dict[str, tuple[DeviceState, Mapping[str, Any]]] = {}
        self._rows: dict[str, list[Any]] = {name: [] for name in catalogue.devices}
        self._stale_rows = self.states.follow()

    def exchange(self, removed: Collection[str], added: Collection[str]) -> None:
        for device in removed:
            self._tiles.pop(device, None)
            self._rows.pop(device, None)  # its page stays for those who look at it, and grows old
        for device in added:
            self._tiles[device], self._rows[device] = {}, []
        self.states.exchange(removed, added)

    def arrange(self) -> None:
        """All devices may be called otherwise, and have the order of the settings."""
        self._tiles = {name: {} for name in self._catalogue.devices}
        self._rows = {name: [] for name in self._catalogue.devices}
        self.states.arrange()

    def find(self, name: str) -> Topic | None:
        """The topic of this name; None where there is none."""
        if name == "overview":
            return Topic(name, self.overview, overview_changes)
        if name == "devices":
            return Topic(name, self.devices, devices_changes)
        if name == "delivery":
            return Topic(name, self.delivery)
        if name == "events":
            return Topic(name, self._events.snapshot, self._events.changes)
        device = name.removeprefix("device/")
        if device != name and device in self._catalogue.devices:
            return Topic(name, lambda: self.device(device), _changes_of_another)
        return None

    def overview(self) -> Mapping[str, Any]:
        """The sentence, the road and a tile for each device."""
        view = self._observer.view()
        settings = self._catalogue.settings
        return {
            "edge": {
                "edge": settings.edge, "label": label_value(settings.label), "site": settings.site,
                "enterprise": settings.enterprise,
            },
            "sentence": sentence_value(sentence(view)),
            "road": road(view),
            "devices": self._present_tiles(),
        }  # fmt: skip

    def _present_tiles(self) -> Mapping[str, Mapping[str, Any]]:
        """A tile for each device; those of devices that did not change are the same objects as before."""
        states = self.states.states()
        for name in self._stale_tiles:
            self._tiles[name] = _tile(states[name], self._catalogue.devices[name].label)
        self._stale_tiles.clear()
        return dict(self._tiles)

    def devices(self) -> Mapping[str, Any]:
        """The table of all devices; rows of devices that did not change are the same objects as before."""
        states = self.states.states()
        for name in self._stale_rows:
            self._rows[name] = self._row(name, states[name])
        self._stale_rows.clear()
        return {"columns": COLUMNS, "rows": list(self._rows.values())}

    def _row(self, name: str, state: DeviceState) -> list[Any]:
        view = state.view
        round_trip_s = self._book.source_of(name).stats.rtt.get(name)
        return [
            name, self._catalogue.devices[name].label, view.place, view.line, view.profile, view.endpoint,
            view.unit_id, state.state, state.level.value, state.time_ms, round(view.period_s * 1000),
            state.polls_per_min, state.skipped, state.errors, state.reason,
            None if round_trip_s is None else round(round_trip_s * 1000, 1), state.value,
        ]  # fmt: skip

    def device(self, name: str) -> Mapping[str, Any]:
        """All about one device; the same object while nothing about it has changed."""
        known = self._pages.get(name)
        if name not in self._catalogue.devices:
            return {} if known is None else known[1]
        state = self.states.state(name)
        if known is not None and known[0] is state:
            return known[1]
        groups, source = self._watch.devices.get(name, {}), self._book.source_of(name)
        page = device_snapshot(self._catalogue.devices[name], state, groups, source)
        if len(self._pages) >= _MAX_PAGES:
            self._pages.clear()
        self._pages[name] = state, page
        return page

    def delivery(self) -> Mapping[str, Any]:
        """The link, the spool and the stores."""
        return {**delivery_value(self._observer.view()), "details": self._observer.delivery_details()}


def _tile(state: DeviceState, label: LabelValue) -> Mapping[str, Any]:
    view = state.view
    return {
        "label": label, "place": view.place, "line": view.line, "state": state.state,
        "level": state.level.value, "time_ms": state.time_ms, "period_ms": round(view.period_s * 1000),
        "reason": state.reason, "value": state.value,
    }  # fmt: skip


def road(view: GatewayView) -> Mapping[str, Any]:
    """The four boxes from the machines to the store, and the spool."""
    spool, online = view.spool, [device.online for device in view.devices]
    return {
        "machines": {
            "answering": online.count(True),
            "expected": len(online),
            "level": _machines_level(online).value,
        },
        "gateway": {
            "readings_per_s": round(view.polls_per_s, 1),
            "skipped_polls": view.skipped_recently,
            "level": (Level.WARNING if view.skipped_recently else Level.NORMAL).value,
        },
        "broker": {
            "connected": view.broker.connected,
            "address": view.broker.address,
            "since_ms": view.broker.since_ms,
            "level": (Level.NORMAL if view.broker.connected else Level.FAULT).value,
        },
        "store": {
            "durable_delay_ms": None if view.durable_delay_s is None else round(view.durable_delay_s * 1000),
            "names": [store.store for store in view.stores],
            "level": _store_level(view).value,
        },
        "spool": {
            "records": spool.records,
            "bytes": spool.size_bytes,
            "hours_left": None if spool.hours_left is None else round(spool.hours_left, 1),
        },
    }


def _machines_level(online: Collection[bool | None]) -> Level:
    if False in online:
        return Level.FAULT
    return Level.UNKNOWN if None in online else Level.NORMAL


def _store_level(view: GatewayView) -> Level:
    if not view.broker.connected:
        return Level.UNKNOWN
    late = view.waiting_since_ms and view.now_ms - view.waiting_since_ms > 2000 * view.ack_timeout_s
    if late:
        return Level.FAULT
    return Level.NORMAL if view.last_durable_ms else Level.UNKNOWN


def delivery_value(view: GatewayView) -> Mapping[str, Any]:
    """What the topic `delivery` has without its details."""
    spool = view.spool
    return {
        "connected": view.broker.connected,
        "address": view.broker.address,
        "since_ms": view.broker.since_ms,
        "problem": view.broker.problem,
        "disconnects": view.broker.disconnects,
        "spool": {
            "records": spool.records, "bytes": spool.size_bytes, "max_bytes": spool.max_bytes,
            "hours_left": None if spool.hours_left is None else round(spool.hours_left, 1),
            "oldest_age_s": round(spool.oldest_age_s, 1), "dropped": spool.dropped,
            "blocked": None if spool.blocked is None else spool.blocked.value, "held": spool.held,
        },
        "quarantine": {
            "records": spool.quarantined, "dropped": spool.quarantine_dropped,
            "reasons": {code.value: count for code, count in spool.rejections.items()},
            "deferred": {code.value: count for code, count in spool.deferred.items()},
        },
        "stores": [
            {"store": store.store, "last_ack_ms": store.last_ack_ms, "announced": store.announced}
            for store in view.stores
        ],
        "durable_records": view.durable_records,
        "last_durable_ms": view.last_durable_ms,
    }  # fmt: skip


def _changes_of_another(previous: Mapping[str, Any], current: Mapping[str, Any]) -> Changes:
    """As `merge_patch`, without a look into the same object."""
    return None if previous is current else merge_patch(previous, current)


def overview_changes(previous: Mapping[str, Any], current: Mapping[str, Any]) -> Changes:
    """As `merge_patch`, without a look into the tiles that are the same objects."""
    before, now = previous["devices"], current["devices"]
    if before.keys() != now.keys():
        return FRESH
    tiles = {name: merge_patch(before[name], tile) for name, tile in now.items() if tile is not before[name]}
    rest = merge_patch(
        {key: value for key, value in previous.items() if key != "devices"},
        {key: value for key, value in current.items() if key != "devices"},
    )
    tiles = {name: changes for name, changes in tiles.items() if changes}
    return ({**(rest or {}), "devices": tiles} if tiles else rest) or None


def devices_changes(previous: Mapping[str, Any], current: Mapping[str, Any]) -> Changes:
    """The cells that differ: [row, column, value]; FRESH where rows come or go."""
    before, now = previous["rows"], current["rows"]
    if len(before) != len(now):
        return FRESH
    cells: list[list[Any]] = []
    for number, (old, row) in enumerate(zip(before, now, strict=True)):
        if old is row:
            continue
        if old[0] != row[0]:
            return FRESH
        cells += [[number, column, row[column]] for column in range(len(row)) if old[column] != row[column]]
    return {"cells": cells} if cells else None
