"""What a store requests from its server before the first write: whether it is there, and of the kind in the
settings."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from qilu.contract.errors import ConfigError, UnreachableError
from qilu.stores.influx.http import Http, Reply
from qilu.stores.influx.shapes import Buckets, InfluxqlResults
from qilu.stores.settings import InfluxSettings

_log = logging.getLogger(__name__)

_FLAG_LINE = re.compile(r'^-{1,2}([A-Za-z0-9_.]+)="(.*)"$')
_FLAG_METRIC = re.compile(r'^flag\{name="([^"]+)",\s*value="([^"]*)"')
_PERIOD = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?)(ms|[smhdwyM]?)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 365 * 86_400}
_MONTH = 31 * 86_400
_MAX_DEDUP = 0.001
_NEEDED_FLAGS = {
    "influxTrimTimestamp": "1ms",
    "influxMeasurementFieldSeparator": "_",
    "influxSkipMeasurement": "false",
    "influxSkipSingleField": "false",
    "precisionBits": "64",
}
"""With any other value samples get another time, name or value than they were written with."""
_FLUSHES = 2  # to disk, between which a value is sure to be in one


async def handshake(http: Http, settings: InfluxSettings) -> float | None:
    """Return how far back (s) the server keeps what it is given, None where it refuses older data by itself.

    ConfigError when it is another server, lacks the database or the right to write, or would keep a reading
    twice; UnreachableError when it does not answer.
    """
    greetings: Mapping[str, Callable[[Http, InfluxSettings], Awaitable[float | None]]] = {
        "influxdb1": _greet_influxdb1,
        "influxdb2": _greet_influxdb2,
        "influxdb3": _greet_influxdb3,
        "victoriametrics": _greet_victoriametrics,
    }
    return await greetings[settings.server](http, settings)


async def _greet_influxdb1(http: Http, settings: InfluxSettings) -> None:
    ping = await http.ask("GET", "/ping")
    version = ping.header("X-Influxdb-Version")
    if not ping.ok or version is None or not version.lstrip("v").startswith("1."):
        version_text = f" (it answers with version {version})" if version else ""
        raise _wrong_server(settings, f"an InfluxDB 1{version_text}", ping)
    quoted = '"' + str(settings.database).replace("\\", "\\\\").replace('"', '\\"') + '"'
    shown = await http.ask("POST", "/query", form={"q": "SHOW DATABASES"})
    _require_authorised(shown, settings)
    if [settings.database] not in _rows(shown):
        creation = await http.ask("POST", "/query", form={"q": f"CREATE DATABASE {quoted}"})
        if not creation.ok or "error" in creation.json(InfluxqlResults).results[0]:
            raise ConfigError(
                f"there is no database {settings.database!r}, and it may not be made: {creation.reason}",
                key="store.database",
                remedy=f"let an administrator run: CREATE DATABASE {quoted}",
            )


async def _greet_influxdb2(http: Http, settings: InfluxSettings) -> None:
    parameters = {"name": str(settings.bucket), "org": str(settings.org)}
    reply = await http.ask("GET", "/api/v2/buckets", parameters)
    if reply.status == 404 and b"organization" not in reply.body:
        raise _wrong_server(settings, "an InfluxDB 2", reply)
    if reply.status != 404:
        _require_authorised(reply, settings)
    if reply.status == 404 or not reply.json(Buckets).buckets:
        raise ConfigError(
            f"there is no bucket {settings.bucket!r} of {settings.org!r} that this token may see",
            key="store.bucket",
            remedy=f"influx bucket create --org {settings.org} --name {settings.bucket}",
        )


async def _greet_influxdb3(http: Http, settings: InfluxSettings) -> None:
    # It makes a database at the first write.
    health = await http.ask("GET", "/health")
    if health.status == 404:
        raise _wrong_server(settings, "an InfluxDB 3", health)
    _require_authorised(health, settings)


async def _greet_victoriametrics(http: Http, settings: InfluxSettings) -> float:
    flags = await _flags(http, settings)
    interval = period(flags.get("dedup.minScrapeInterval", "0s"))
    if interval is None or not 0 < interval <= _MAX_DEDUP:
        now = flags.get("dedup.minScrapeInterval", "not set")
        raise ConfigError(
            f"VictoriaMetrics runs with -dedup.minScrapeInterval {now}: it would keep a reading that is sent"
            " again as a second one, or drop readings that are close together",
            key="store.url",
            remedy="start VictoriaMetrics with -dedup.minScrapeInterval=1ms",
        )
    for flag, needed in _NEEDED_FLAGS.items():
        if flags.get(flag, needed) != needed:
            raise ConfigError(
                f"VictoriaMetrics runs with -{flag}={flags[flag]}: it would reply 204 and change the values",
                key="store.url",
                remedy=f"start VictoriaMetrics without -{flag}",
            )
    safe = _FLUSHES * (period(flags.get("inmemoryDataFlushInterval", "5s")) or 5.0)
    if settings.effective_durability_delay < safe:
        _log.warning(
            "store %s: store.durability_delay of %g s is too short: a killed VictoriaMetrics may lose what it"
            " took %g s ago; give more than that, or remove the key",
            settings.identity,
            settings.effective_durability_delay,
            safe,
        )
    return period(flags.get("retentionPeriod", "1")) or _MONTH


async def _flags(http: Http, settings: InfluxSettings) -> dict[str, str]:
    """The flags that the server was started with: a page of its own, in newer ones also a metric each."""
    flags: dict[str, str] = {}
    for path, pattern in (("/flags", _FLAG_LINE), ("/metrics", _FLAG_METRIC)):
        reply = await http.ask("GET", path)
        if path == "/metrics" and (not reply.ok or b"vm_" not in reply.body):
            _require_authorised(reply, settings)
            raise _wrong_server(settings, "a VictoriaMetrics", reply)
        if reply.ok:
            matches = (pattern.match(line) for line in reply.body.decode(errors="replace").splitlines())
            flags.update({match[1]: match[2] for match in matches if match})
    return flags


def period(text: str) -> float | None:
    """Seconds of a duration as VictoriaMetrics' flags spell it ("1ms", "100y", "12" months), else None."""
    match = _PERIOD.fullmatch(text)
    if match is None:
        return None
    return float(match[1]) * (_SECONDS.get(match[2]) or _MONTH)


def _require_authorised(reply: Reply, settings: InfluxSettings) -> None:
    """Return when the server let us in; ConfigError when it will not, UnreachableError when it cannot now."""
    if reply.status in (401, 403):
        raise ConfigError(
            f"{settings.url} refuses the ingester: {reply.reason}",
            key="store.token_file" if settings.username is None else "store.username",
            remedy="correct the token, or user and password, and its rights",
        )
    if not reply.ok:
        raise reply.unreachable(settings.url)


def _wrong_server(settings: InfluxSettings, wanted: str, reply: Reply) -> ConfigError | UnreachableError:
    if reply.status >= 500 or reply.status == 429:
        return reply.unreachable(settings.url)
    return ConfigError(
        f"the server at {settings.url} is not {wanted}", key="store.server", remedy="correct server or url"
    )


def _rows(reply: Reply) -> list[list[Any]]:
    """The rows of the first series of an InfluxQL result."""
    series = reply.json(InfluxqlResults).series()[0]
    return series[0]["values"] if series else []
