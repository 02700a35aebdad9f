"""How long an outage may last: the first of the bounds counts, and the disk is one of them."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.spool.inspect import Summary, TimeToLimit, inspect
from gateway.spool.settings import SpoolSettings
from tests.gateway.spool.opened import body, disk_spool

NOW_MS = 1_700_000_000_000
HOUR, GB = 3600.0, 10**9
SETTINGS = SpoolSettings(
    directory=Path("none"), max_bytes=2 * GB, min_free_disk=GB // 5, max_age=30 * 24 * HOUR
)
EMPTY = Summary([], [], 0, 0, frozenset(), None, 1000.0, free=100 * GB, free_files=10**6)
"""An empty spool that grows by 1 kB a second, on a large disk."""


def test_the_bytes_of_the_spool_bound_an_outage() -> None:
    assert EMPTY.left(SETTINGS, NOW_MS) == TimeToLimit(2 * GB / 1000, "max_bytes")


def test_the_disk_bounds_an_outage() -> None:
    assert replace(EMPTY, free=GB).left(SETTINGS, NOW_MS) == TimeToLimit(0.8 * GB / 1000, "min_free_disk")


@pytest.mark.parametrize("rate", [0.0, 1000.0])
def test_a_full_disk_leaves_no_time_at_any_rate(rate: float) -> None:
    assert replace(EMPTY, free=0, rate=rate).left(SETTINGS, NOW_MS) == TimeToLimit(0.0, "min_free_disk")


def test_a_disk_that_takes_no_more_files_leaves_no_time() -> None:
    assert replace(EMPTY, free_files=0).left(SETTINGS, NOW_MS) == TimeToLimit(0.0, "min_free_disk")


def test_what_the_quarantine_has_can_be_freed() -> None:
    found = replace(EMPTY, free=GB, quarantined=7, quarantined_bytes=GB // 2).left(SETTINGS, NOW_MS)
    assert found == TimeToLimit(1.3 * GB / 1000, "min_free_disk")


def test_the_age_of_records_bounds_an_outage() -> None:
    assert replace(EMPTY, rate=1.0).left(SETTINGS, NOW_MS) == TimeToLimit(30 * 24 * HOUR, "max_age")


def test_without_a_rate_nothing_is_known() -> None:
    assert replace(EMPTY, rate=0.0).left(SETTINGS, NOW_MS) is None


async def test_a_real_disk_that_others_filled_leaves_no_time(small_disk: Path) -> None:
    async with disk_spool(small_disk / "spool") as spool:
        for number in range(100):
            spool.append(body(number))
        settings = SpoolSettings(directory=small_disk, min_free_disk=100_000)
        found = inspect(small_disk / "spool").left(settings, NOW_MS)
        assert found is None or found.limit == "min_free_disk"
        with (small_disk / "others").open("wb", buffering=0) as others, contextlib.suppress(OSError):
            while True:
                others.write(bytes(4096))
        assert inspect(small_disk / "spool").left(settings, NOW_MS) == TimeToLimit(0.0, "min_free_disk")
