"""Asks a store and prints what it answers, for people or for programs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qilu.contract.accounting import COLLECTION
from qilu.contract.errors import ConfigError
from qilu.contract.reading import DeviceKey
from qilu.stores.interfaces import Reader
from qilu_cli.commands.samples import SAMPLE_COLUMNS, Sampling, Span
from qilu_cli.meaning import Meanings
from qilu_cli.store_access import Rows, duration, reader, show, unknown_device, warn
from qilu_cli.time_zones import Zone, moment, parse_moment, zone

DEVICE_COLUMNS = ("edge", "device", "profile", "line", "last")
POINT_COLUMNS = ("edge", "device", "point", "unit")
_NAMED_AT_MOST = 5

Profiles = Mapping[DeviceKey, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `qilu query`, as they were given."""

    store: str
    devices: bool = False
    points: bool = False
    latest: bool = False
    device: str | None = None
    edge: str | None = None
    point: Sequence[str] = ()
    last: str | None = None
    start: str | None = None
    end: str | None = None
    every: str | None = None
    tz: str = "utc"
    profiles: Path | None = None
    form: str = "table"


async def query(asked: Asked) -> None:
    """Print the answer on stdout; ConfigError for a question that makes no sense."""
    shown_in = zone(asked.tz)
    meanings = Meanings(asked.profiles)
    header: tuple[str, ...] = SAMPLE_COLUMNS
    _refuse_contradictions(asked)
    async with reader(asked.store) as store:
        if asked.devices:
            header, rows = DEVICE_COLUMNS, await _devices(store, asked, shown_in)
        else:
            chosen = await _chosen(store, asked)
            sampling = Sampling(store, meanings, shown_in)
            if asked.points:
                header, rows = POINT_COLUMNS, await _points(store, chosen, meanings)
            elif asked.latest:
                rows = await sampling.latest(chosen, asked.point)
            else:
                rows = await sampling.between(chosen, asked.point, _span(asked, shown_in), _every_ms(asked))
    show(asked.form, header, rows, whose=("edge", "device", "point"))


def _refuse_contradictions(asked: Asked) -> None:
    if not (asked.devices or asked.points or asked.latest or (asked.device and asked.point)):
        raise ConfigError(
            "what is asked?",
            remedy="say --devices, --points, --latest, or --device NAME --point NAME",
        )
    if asked.latest and (asked.last or asked.start or asked.end or asked.every):
        raise ConfigError(
            "the latest values have no time range",
            key="--latest",
            remedy="leave out --last, --from, --to and --every",
        )
    if asked.start and asked.last:
        raise ConfigError("both name the begin", key="--from, --last", remedy="leave out one of them")


def _span(asked: Asked, given_in: Zone) -> Span:
    end_ms = parse_moment("--to", asked.end, given_in) if asked.end else int(time.time() * 1000) + 1
    if asked.start:
        start_ms, words = parse_moment("--from", asked.start, given_in), "in the time asked for"
        if start_ms >= end_ms:
            raise ConfigError("is not before the end", key="--from", remedy="name an earlier time, or --to")
    else:
        last = asked.last or "5m"
        start_ms = end_ms - round(duration("--last", last) * 1000)
        words = f"in the last {last}" if asked.end is None else f"in the {last} before {asked.end}"
    return Span(start_ms, end_ms, words)


def _every_ms(asked: Asked) -> int | None:
    return max(1, round(duration("--every", asked.every) * 1000)) if asked.every else None


async def _devices(reader: Reader, asked: Asked, shown_in: Zone) -> Rows:
    """One row for each device; what an edge reports about collecting it is one where nothing else is."""
    devices = [
        one
        for one in await reader.devices()
        if asked.edge in (None, one.edge) and asked.device in (None, one.device)
    ]
    _warn_of_shared_names({one.key for one in devices})
    machines = {one.key for one in devices if one.profile != COLLECTION}
    return [
        (one.edge, one.device, one.profile, one.line, moment(one.last_ms, shown_in))
        for one in devices
        if one.profile != COLLECTION or one.key not in machines
    ]


async def _points(reader: Reader, chosen: Profiles, meanings: Meanings) -> Rows:
    rows = []
    for key, profiles in sorted(chosen.items()):
        units: dict[str, str] = {}
        for profile in profiles:
            for point in await reader.points(key, profile=profile):
                units.setdefault(point, meanings.unit(profile, point))
        rows += [(key.edge, key.device, point, unit) for point, unit in sorted(units.items())]
    return rows


async def _chosen(reader: Reader, asked: Asked) -> Profiles:
    """The profiles of each device that is asked for, without what its edge reports about collecting it.

    A point of that may have the name of one of the machine's: the machine's is meant. ConfigError when there
    is no such device.
    """
    known: dict[DeviceKey, list[str]] = {}
    for one in await reader.devices():
        known.setdefault(one.key, []).append(one.profile)
    named = [key for key in known if asked.device in (None, key.device)]
    if asked.device and not named:
        raise await unknown_device(reader, asked.device)
    chosen = [key for key in named if asked.edge in (None, key.edge)]
    if asked.edge and not chosen:
        edges = ", ".join(sorted({key.edge for key in named}))
        what = f"no device {asked.device}" if asked.device else "no devices"
        raise ConfigError(f"the edge {asked.edge} has {what}", key="--edge", remedy=f"name one of: {edges}")
    _warn_of_shared_names(chosen)
    return {
        key: list(dict.fromkeys(profile for profile in known[key] if profile != COLLECTION)) or [COLLECTION]
        for key in chosen
    }


def _warn_of_shared_names(keys: Sequence[DeviceKey] | set[DeviceKey]) -> None:
    """Two edges that share a device's name are no error, and rarely meant."""
    edges: dict[str, list[str]] = {}
    for key in sorted(keys):
        edges.setdefault(key.device, []).append(key.edge)
    shared = [f"{device} ({', '.join(of)})" for device, of in edges.items() if len(of) > 1]
    if shared:
        more = f" and {len(shared) - _NAMED_AT_MOST} more" if len(shared) > _NAMED_AT_MOST else ""
        warn(
            f"several edges have a device of the same name: {', '.join(shared[:_NAMED_AT_MOST])}{more}; "
            "each is a machine of its own, choose one with --edge"
        )
