"""Asks a store and prints what it answers, for people or for programs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qilu.contract.accounting import COLLECTION, EDGE_COLLECTION
from qilu.contract.display.vocabulary import Language
from qilu.contract.errors import ConfigError
from qilu.contract.reading import DeviceKey
from qilu.stores.interfaces import Reader
from qilu_cli.commands.excel import print_sheet
from qilu_cli.commands.samples import SAMPLE_COLUMNS, SampleQuery, Span
from qilu_cli.point_meanings import Meanings
from qilu_cli.store_access import Rows, described_points, duration, print_table, reader, unknown_device, warn
from qilu_cli.time_zones import Zone, iso_time, parse_iso_time, zone

DEVICE_COLUMNS = ("edge", "device", "profile", "line", "last")
POINT_COLUMNS = ("edge", "device", "point", "unit")
_COLLECTING = (COLLECTION, EDGE_COLLECTION)
"""Profiles in which an edge reports about collecting."""
_MAX_NAMED = 5

Profiles = Mapping[DeviceKey, Sequence[str]]


@dataclass(frozen=True, slots=True)
class QueryOptions:
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
    excel: Language | None = None
    """A CSV file for Excel, with headings in this language."""


async def query(options: QueryOptions) -> None:
    """Print the answer on stdout; ConfigError for a question that makes no sense."""
    # Excel has no zones, and its reader has a clock on the wall.
    shown_in = zone("local" if options.excel and options.tz == "utc" else options.tz)
    meanings = Meanings(options.profiles)
    header: tuple[str, ...] = SAMPLE_COLUMNS
    _refuse_contradictions(options)
    async with reader(options.store) as store:
        if options.devices:
            header, rows = DEVICE_COLUMNS, await _devices(store, options, shown_in)
        else:
            chosen = await _chosen(store, options)
            meanings.learn(await described_points(store, chosen, options.device))
            sample_query = SampleQuery(store, meanings, shown_in)
            if options.excel is not None:
                await print_sheet(
                    store, meanings, chosen, options.point, _span(options, shown_in), _every_ms(options),
                    shown_in, options.excel,
                )  # fmt: skip
                return
            if options.points:
                header, rows = POINT_COLUMNS, await _points(store, chosen, meanings)
            elif options.latest:
                rows = await sample_query.latest(chosen, options.point)
            else:
                rows = await sample_query.between(
                    chosen, options.point, _span(options, shown_in), _every_ms(options)
                )
    print_table(options.form, header, rows, whose=("edge", "device", "point"))


def _refuse_contradictions(options: QueryOptions) -> None:
    for option, names in (
        ("--device", [options.device]), ("--edge", [options.edge]), ("--point", options.point),
    ):  # fmt: skip
        if "" in names:
            raise ConfigError("is empty", key=option, remedy="write a name, or leave the option out")
    if not (options.devices or options.points or options.latest or (options.device and options.point)):
        raise ConfigError(
            "what is asked?", remedy="give --devices, --points, --latest, or --device NAME --point NAME"
        )
    if options.latest and (options.last or options.start or options.end or options.every):
        raise ConfigError(
            "the latest values have no time range",
            key="--latest",
            remedy="leave out --last, --from, --to and --every",
        )
    if options.excel and not (options.device and options.point):
        raise ConfigError(
            "is for samples of one device", key="--excel", remedy="give --device NAME --point NAME"
        )
    if options.start and options.last:
        raise ConfigError("both name the begin", key="--from, --last", remedy="leave out one of them")


def _span(options: QueryOptions, input_zone: Zone) -> Span:
    end_ms = parse_iso_time("--to", options.end, input_zone) if options.end else int(time.time() * 1000) + 1
    if options.start:
        start_ms, words = parse_iso_time("--from", options.start, input_zone), "in the time asked for"
        if start_ms >= end_ms:
            raise ConfigError("is not before the end", key="--from", remedy="name an earlier time, or --to")
    else:
        last = options.last or "5m"
        start_ms = end_ms - round(duration("--last", last) * 1000)
        words = f"in the last {last}" if options.end is None else f"in the {last} before {options.end}"
    return Span(start_ms, end_ms, words)


def _every_ms(options: QueryOptions) -> int | None:
    return max(1, round(duration("--every", options.every) * 1000)) if options.every else None


async def _devices(reader: Reader, options: QueryOptions, shown_in: Zone) -> Rows:
    """One row for each device; what an edge reports about collecting it is one where nothing else is."""
    devices = [
        entry
        for entry in await reader.devices()
        if options.edge in (None, entry.edge) and options.device in (None, entry.device)
    ]
    _warn_of_shared_names({entry.key for entry in devices})
    machines = {entry.key for entry in devices if entry.profile not in _COLLECTING}
    return [
        (entry.edge, entry.device, entry.profile, entry.line, iso_time(entry.last_ms, shown_in))
        for entry in devices
        if entry.profile not in _COLLECTING or entry.key not in machines
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


async def _chosen(reader: Reader, options: QueryOptions) -> Profiles:
    """The profiles of each device that is asked for, without what its edge reports about collecting it.

    A point of that may have the name of one of the machine's: the machine's is meant. ConfigError when there
    is no such device.
    """
    known: dict[DeviceKey, list[str]] = {}
    for entry in await reader.devices():
        known.setdefault(entry.key, []).append(entry.profile)
    named = [key for key in known if options.device in (None, key.device)]
    if options.device and not named:
        raise await unknown_device(reader, options.device)
    chosen = [key for key in named if options.edge in (None, key.edge)]
    if options.edge and not chosen:
        edges = ", ".join(sorted({key.edge for key in named}))
        what = f"no device {options.device}" if options.device else "no devices"
        raise ConfigError(f"the edge {options.edge} has {what}", key="--edge", remedy=f"name one of: {edges}")
    _warn_of_shared_names(chosen)
    return {
        key: list(dict.fromkeys(profile for profile in known[key] if profile not in _COLLECTING))
        or known[key][:1]
        for key in chosen
    }


def _warn_of_shared_names(keys: Sequence[DeviceKey] | set[DeviceKey]) -> None:
    """Two edges that share a device's name are no error, and rarely meant."""
    edges: dict[str, list[str]] = {}
    for key in sorted(keys):
        edges.setdefault(key.device, []).append(key.edge)
    shared = [f"{device} ({', '.join(of)})" for device, of in edges.items() if len(of) > 1]
    if shared:
        more = f" and {len(shared) - _MAX_NAMED} more" if len(shared) > _MAX_NAMED else ""
        warn(
            f"several edges have a device of the same name: {', '.join(shared[:_MAX_NAMED])}{more}; "
            "each is a machine of its own, choose one with --edge"
        )
