"""`qilu query --excel`: a CSV file that Excel opens with a double click."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from qilu.contract.display.spreadsheet import BYTE_ORDER_MARK, MAX_LINES, Cell, SheetColumn, sheet
from qilu.contract.display.vocabulary import Language
from qilu.contract.errors import ConfigError
from qilu.contract.reading import DeviceKey
from qilu.stores.interfaces import Reader, Sample
from qilu_cli.commands.samples import Span
from qilu_cli.point_meanings import Meanings
from qilu_cli.time_zones import Zone


async def print_sheet(
    reader: Reader,
    meanings: Meanings,
    chosen: Mapping[DeviceKey, Sequence[str]],
    points: Sequence[str],
    span: Span,
    every_ms: int | None,
    shown_in: Zone,
    language: Language,
) -> None:
    """Print the samples of one device with a byte order mark; ConfigError where a sheet has too few lines."""
    if len(chosen) != 1:
        edges = ", ".join(sorted(key.edge for key in chosen))
        raise ConfigError("several edges have this device", key="--edge", remedy=f"name one of: {edges}")
    ((key, profiles),) = chosen.items()
    times: dict[int, dict[str, Cell]] = {}
    columns = []
    for point in dict.fromkeys(points):
        profile, samples = await _samples(reader, meanings, key, profiles, point, span, every_ms)
        columns.append(SheetColumn(point, meanings.point(profile, point), language))
        for sample in samples:
            value = meanings.value(profile, point, sample.value)
            times.setdefault(sample.time_ms, {})[point] = (value, sample.reason)
        check_lines(len(times))

    def time_text(time_ms: int) -> str:
        local = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(shown_in)
        return f"{local:%Y-%m-%d %H:%M:%S}.{time_ms % 1000:03}"

    sys.stdout.flush()
    out = sys.stdout.buffer
    out.write(BYTE_ORDER_MARK.encode())
    for line in sheet(columns, sorted(times.items()), time_text):
        out.write(line.encode("utf-8", "replace"))
    out.flush()


def check_lines(lines: int) -> None:
    """ConfigError where `lines` lines and the heading exceed the rows of a sheet."""
    if lines >= MAX_LINES:
        raise ConfigError(
            f"{lines} lines are more than a sheet of Excel has ({MAX_LINES})",
            key="--excel",
            remedy="ask for a shorter time, or for one line per interval: --every 1m",
        )


async def _samples(
    reader: Reader,
    meanings: Meanings,
    key: DeviceKey,
    profiles: Sequence[str],
    point: str,
    span: Span,
    every_ms: int | None,
) -> tuple[str, Sequence[Sample]]:
    """The first profile of the device that has samples of the point, and these."""
    for profile in profiles:
        last = not meanings.is_quantity(profile, point)
        samples = await reader.samples(
            key, point, span.start_ms, span.end_ms, every_ms, profile=profile, last=last
        )
        if samples:
            return profile, samples
    return profiles[0], ()
