"""Asks a running gateway or ingester for its status and prints it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from qilu.config.settings_file import load, load_plain
from qilu.contract.display.durations import duration_text
from qilu.contract.display.vocabulary import Language
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.text_escaping import plain
from qilu.web.settings import WebSettings
from qilu_cli.file_kinds import Kind, kind_of
from qilu_cli.http_client import Server
from qilu_cli.store_access import print_json
from qilu_cli.terminal import console

LANGUAGE_ZH: Language = "zh"
LANGUAGE_EN: Language = "en"
_WATCH_INTERVAL_S = 2.0
_SERVER = Server("no gateway and no ingester", "role", "viewer", timeout_s=10.0)
_STYLES = {"fault": "bold red", "warning": "bold yellow", "normal": "green"}


async def status(place: str, language: Language, *, watch: bool, as_json: bool) -> None:
    """Print once, or again and again; UnreachableError when nothing replies there, ConfigError."""
    url = _url(place)
    if not watch:
        _print(await asyncio.to_thread(fetch, url), language, as_json=as_json)
        return
    if as_json or not console().is_terminal:
        while True:
            _print(await asyncio.to_thread(fetch, url), language, as_json=as_json)
            await asyncio.sleep(_WATCH_INTERVAL_S)
    with Live(console=console(), auto_refresh=False) as live:
        while True:
            try:
                live.update(_picture(await asyncio.to_thread(fetch, url), language), refresh=True)
            except UnreachableError as error:
                live.update(Text(plain(str(error)), style="bold red"), refresh=True)
            await asyncio.sleep(_WATCH_INTERVAL_S)


def _url(place: str) -> str:
    """The address of the server, ending in a slash."""
    if place.startswith(("http://", "https://")):
        return place.rstrip("/") + "/"
    file = Path(place)
    kind = kind_of(load_plain(file))
    settings: WebSettings | None
    if kind is Kind.GATEWAY:
        from gateway.settings import GatewaySettings

        settings, key = load(file, GatewaySettings).console, "console"
    elif kind is Kind.INGESTER:
        from cloud.settings import IngesterSettings

        settings, key = load(file, IngesterSettings).metrics, "metrics"
    else:
        raise ConfigError(
            "these are no settings of a gateway or an ingester", file=file, remedy="name one of these"
        )
    if settings is None:
        raise ConfigError(
            "is missing, so nothing replies", file=file, key=key, remedy=f"add `{key}: {{}}` and restart"
        )
    return settings.url()


def fetch(url: str) -> Mapping[str, Any]:
    """The status document of the server at `url`; errors as those of `Server.ask`."""
    return _SERVER.ask(f"{url}api/v1/status")


def _print(document: Mapping[str, Any], language: Language, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        console().print(_picture(document, language))


def _picture(document: Mapping[str, Any], language: Language) -> Group:
    if document["role"] != "gateway":
        return Group(_table(_ingester_rows(document)))
    sentence = document["sentence"]
    lines = [_sentence(cause, language) for cause in (sentence, *sentence["more"])]
    return Group(*lines, _table(_gateway_rows(document)))


def _sentence(cause: Mapping[str, Any], language: Language) -> Text:
    return Text(plain(str(cause[language])), style=_STYLES.get(cause["level"], ""))


def _table(rows: Iterator[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in rows:
        table.add_row(name, plain(value))
    return table


def _gateway_rows(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    road, delivery, counters = document["road"], document["delivery"], document["counters"]
    spool = delivery["spool"]
    up_s = max(document["now_ms"] - document["started_ms"], 0) / 1000
    yield "edge", f"{document['name']}, version {document['version']}, up {duration_text(up_s, 'en')}"
    machines = road["machines"]
    yield "machines", f"{machines['answering']} of {machines['expected']} reply"
    yield (
        "gateway",
        (
            f"{road['gateway']['readings_per_s']:g} polls/s, {counters['polls']:.0f} polls,"
            f" {counters['points']:.0f} values, {counters['bad_points']:.0f} not good,"
            f" {counters['skipped_polls']:.0f} polls skipped"
        ),
    )
    state = "connected" if delivery["connected"] else f"disconnected: {delivery['problem']}"
    yield "broker", f"{delivery['address']} {state}, {delivery['disconnects']} disconnects"
    delay = road["store"]["durable_delay_ms"]
    after = "" if delay is None else f", durable after {delay} ms"
    yield "store", f"{', '.join(road['store']['names'])}, {counters['durable_records']:.0f} records{after}"
    hours = spool["hours_left"]
    room = "" if hours is None else f", room for {duration_text(hours * 3600, 'en')}"
    yield (
        "spool",
        (
            f"{spool['records']} records, {spool['bytes'] / 1e6:.1f} of"
            f" {spool['max_bytes'] / 1e6:.0f} MB{room}, {spool['dropped']} dropped"
        ),
    )
    quarantine = delivery["quarantine"]
    if quarantine["records"] or quarantine["dropped"]:
        yield "quarantine", f"{quarantine['records']} records, {quarantine['dropped']} dropped"


def _ingester_rows(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    up_s = max(time.time() - document["started_ms"] / 1000, 0)
    state = "ready" if document["ready"] else "not ready"
    yield (
        "ingester",
        f"{document['ingester']}, {state}, version {document['version']}, up {duration_text(up_s, 'en')}",
    )
    for broker, since_ms in document["links"].items():
        yield "broker", f"{broker} {'connected' if since_ms else 'disconnected'}"
    problem = document["store_error"] or document["problem"]
    yield "store", f"{document['store']}{problem and f': {problem}'}"
    yield (
        "queue",
        (
            f"{document['queued_records']} records, {document['queued_bytes'] / 1e6:.1f} MB,"
            f" {document['unconfirmed_records']} not confirmed"
        ),
    )
    for name, value in document["tally"].items():
        yield name.replace("_", " "), f"{value:g}"
