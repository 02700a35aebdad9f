"""Times on the command line: read and printed in one zone, always with the zone beside them."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from qilu.contract.errors import ConfigError

Zone = tzinfo | None
"""None is the zone of this machine, whose offset may differ from date to date."""


def zone(text: str) -> Zone:
    """The zone that `--tz` names: utc, local, or a name of the IANA database; ConfigError."""
    if text.lower() in ("utc", "z"):
        return UTC
    if text.lower() == "local":
        return None
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"there is no time zone {text!r} on this machine",
            key="--tz",
            remedy="write utc, local, or a name such as Asia/Shanghai",
        ) from error


def local_time(time_ms: int, shown_in: Zone = UTC) -> datetime | None:
    """The date and time of a zone; None where no calendar knows the year, which a store may hold."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(shown_in)
    except (ValueError, OverflowError, OSError):
        return None


def iso_time(time_ms: int, shown_in: Zone = UTC) -> str:
    """ISO 8601 in milliseconds: UTC with Z, another zone with its offset."""
    local = local_time(time_ms, shown_in)
    if local is None:
        return f"{time_ms} ms"
    return local.isoformat(timespec="milliseconds").replace("+00:00", "Z" if shown_in is UTC else "+00:00")


def parse_iso_time(option: str, text: str, input_zone: Zone = UTC) -> int:
    """UTC in milliseconds of a date, or a date and time, of ISO 8601; ConfigError.

    Without an offset it is of the zone `input_zone`.
    """
    try:
        parsed = datetime.fromisoformat(text.strip())
        if parsed.tzinfo is None:
            parsed = parsed.astimezone() if input_zone is None else parsed.replace(tzinfo=input_zone)
        return round(parsed.timestamp() * 1000)
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigError(
            f"{text!r} is not a time",
            key=option,
            remedy="write 2026-11-23, 2026-11-23T07:30 or 2026-11-23T07:30:00+08:00",
        ) from error
