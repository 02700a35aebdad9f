"""The times of an audit as a person reads them."""

from __future__ import annotations

from datetime import UTC

import pytest

from qilu_cli.commands.audit import at, span
from qilu_cli.time_zones import parse_iso_time, zone

_BEGIN = parse_iso_time("--from", "2026-11-23T02:10:05Z")
_HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("name", "moment", "together"),
    [
        ("utc", "11-23 02:10:05Z", "11-23 02:10:05-05:10:05Z"),
        ("Asia/Shanghai", "11-23 10:10:05+08:00", "11-23 10:10:05-13:10:05+08:00"),
        ("Asia/Kolkata", "11-23 07:40:05+05:30", "11-23 07:40:05-10:40:05+05:30"),
    ],
)
def test_times_are_shown_in_the_zone_that_is_asked_for(name: str, moment: str, together: str) -> None:
    assert at(_BEGIN, zone(name)) == moment
    assert span(_BEGIN, _BEGIN + 3 * _HOUR_MS, zone(name)) == together


def test_a_span_over_a_change_of_the_offset_names_both() -> None:
    berlin, change = zone("Europe/Berlin"), parse_iso_time("--from", "2026-10-25T00:30:00Z")
    assert span(change, change + _HOUR_MS, berlin) == "10-25 02:30:00+02:00-02:30:00+01:00"
    assert span(change, change + 24 * _HOUR_MS, UTC) == "10-25 00:30:00-10-26 00:30:00Z"


def test_a_time_of_no_calendar_is_shown_in_milliseconds() -> None:
    assert span(0, 2**62, UTC) == "01-01 00:00:00Z-4611686018427387904 ms"
