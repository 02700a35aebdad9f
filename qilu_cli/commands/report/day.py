"""Reports a day of a local history, as JSON or as an HTML page for paper."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from gateway.console.catalogue import Catalogue
from gateway.console.day_page import day_page
from gateway.console.day_report import Day, ReportedDevice, day_report, reported_devices
from gateway.load import load
from qilu.contract.accounting import PROFILES
from qilu.contract.display.vocabulary import Language
from qilu.contract.errors import ConfigError, writing
from qilu.contract.profile import Label
from qilu.runtime.private_files import write_named
from qilu.stores.sqlite.history.reader import HistoryReader, is_history, no_history
from qilu_cli.commands.console.store_book import described
from qilu_cli.file_kinds import Kind, expected
from qilu_cli.store_access import print_json


@dataclass(frozen=True, slots=True)
class DayOptions:
    """What the user wants. `source`: gateway settings or the folder of a local history.

    `day`: YYYY-MM-DD of this machine's zone; None: yesterday. `html`: the file of the page; None: JSON.
    """

    source: Path
    day: str | None
    html: Path | None
    language: Language
    profiles: Path | None


@dataclass(frozen=True, slots=True)
class _ReportSource:
    """What is reported: the folder of the history, its edge, names for the heading, the devices."""

    folder: Path
    edge: str
    heading: Sequence[str]
    devices: Mapping[str, ReportedDevice]


async def report_day(options: DayOptions) -> None:
    """Print or write the report; ConfigError where there is no such history or day."""
    day = _day(options.day)
    reported = await _of_folder(options) if options.source.is_dir() else _of_gateway(options)
    async with HistoryReader(reported.folder) as reader:
        now_ms = time.time_ns() // 1_000_000
        report = await day_report(reported.edge, reported.devices, reader, day, now_ms, version("qilu"))
    if options.html is None:
        print_json(report)
        return
    page = day_page(report, reported.heading, None, options.language)
    with writing(options.html, "name another file", "--html"):
        write_named(options.html, page)


def _day(text: str | None) -> Day:
    wanted = text or (datetime.now().astimezone() - timedelta(days=1)).date().isoformat()
    try:
        return Day.of(wanted)
    except ValueError as error:
        remedy = "write it as 2026-11-30"
        raise ConfigError(f"{wanted!r} is not a day", key="DAY", remedy=remedy) from error


def _of_gateway(options: DayOptions) -> _ReportSource:
    with expected(Kind.GATEWAY, options.source, "name gateway settings or the folder of a local history"):
        settings, known = load(options.source)
    if not is_history(settings.history_folder):
        raise no_history(settings.history_folder)
    names = settings.enterprise, settings.site, settings.label.text(options.language)
    devices = reported_devices(Catalogue(settings, known))
    return _ReportSource(settings.history_folder, settings.edge, names, devices)


async def _of_folder(options: DayOptions) -> _ReportSource:
    """The devices of the edge of a folder, as its files name them."""
    if not is_history(options.source):
        raise no_history(options.source)
    async with HistoryReader(options.source) as reader:
        stored = [entry for entry in await reader.devices() if entry.profile not in PROFILES]
    edges = {entry.edge for entry in stored}
    edge = min(edges, default="")
    devices = {
        entry.device: ReportedDevice(Label(), described(entry.profile, options.profiles))
        for entry in stored
        if entry.edge == edge
    }
    return _ReportSource(options.source, edge, (), devices)
