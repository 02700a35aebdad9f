"""CSV files of one device: from the local history, or from the polls in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.console.catalogue import DeviceEntry
from gateway.console.watch import Watch
from qilu.contract.display.spreadsheet import BYTE_ORDER_MARK, MAX_LINES, Cell, SheetColumn, sheet
from qilu.contract.display.vocabulary import Language
from qilu.contract.reading import DeviceKey
from qilu.web.exchange import RefusalError

MAX_POINTS = 50
_CHUNK_MS = 3_600_000
"""Time of the history that is read at once."""

Rows = AsyncIterator[list[tuple[int, Mapping[str, Cell]]]]


@dataclass(frozen=True, slots=True)
class SheetRequest:
    """What somebody wants as a file; times are ms (UTC). `excel`: with a byte order mark and local times."""

    entry: DeviceEntry
    points: tuple[str, ...]
    from_ms: int
    to_ms: int
    language: Language
    excel: bool


def check_request(wanted: SheetRequest) -> None:
    """RefusalError: a point that is not there, or more lines than a sheet has."""
    known = wanted.entry.profile.points
    device = wanted.entry.settings.device
    if not wanted.points:
        raise RefusalError(400, "points", "no point is named", "name some: points=a,b")
    if len(wanted.points) > MAX_POINTS:
        raise RefusalError(400, "points", f"{len(wanted.points)} points are too many", f"name {MAX_POINTS}")
    for name in wanted.points:
        if name not in known:
            text = f"{device} has no point {name[:80]!r}"
            raise RefusalError(404, "no_point", text, f"see /api/v1/devices/{device}")
    if wanted.from_ms >= wanted.to_ms:
        raise RefusalError(400, "range", "from_ms is not before to_ms", "give a range of time")
    groups = {known[name].group for name in wanted.points}
    periods = wanted.entry.periods
    lines = sum((wanted.to_ms - wanted.from_ms) / 1000 / periods.get(group, 1.0) for group in groups)
    if wanted.excel and lines >= MAX_LINES:
        text = f"about {lines:.0f} lines are more than a sheet of Excel has ({MAX_LINES})"
        remedy = "ask for a shorter time, or use `qilu query --excel zh --every 1m`"
        raise RefusalError(400, "too_many", text, remedy)


async def sheet_chunks(wanted: SheetRequest, rows: Rows) -> AsyncIterator[bytes]:
    """The bytes of the file."""
    columns = [
        SheetColumn(name, wanted.entry.profile.points[name], wanted.language) for name in wanted.points
    ]
    start = BYTE_ORDER_MARK if wanted.excel else ""
    yield (start + "".join(sheet(columns, [], _time_text(wanted)))).encode()
    async for times in rows:
        lines = sheet(columns, times, _time_text(wanted), heading=False)
        yield "".join(lines).encode("utf-8", "replace")


def _time_text(wanted: SheetRequest) -> Callable[[int], str]:
    def local(time_ms: int) -> str:
        time = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone()
        return f"{time:%Y-%m-%d %H:%M:%S}.{time_ms % 1000:03}"

    def universal(time_ms: int) -> str:
        time = datetime.fromtimestamp(time_ms / 1000, UTC)
        return f"{time:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03}Z"

    return local if wanted.excel else universal


async def recent_rows(wanted: SheetRequest, watch: Watch) -> Rows:
    times: dict[int, dict[str, Cell]] = {}
    for poll in watch.recent(wanted.entry.settings.device):
        for reading in poll.readings:
            if wanted.from_ms <= reading.time_ms < wanted.to_ms:
                for place, name in enumerate(reading.columns.points):
                    if name in wanted.points:
                        cell = reading.values[place], reading.reasons.get(place)
                        times.setdefault(reading.time_ms, {})[name] = cell
    yield sorted(times.items())


async def history_rows(wanted: SheetRequest, edge: str, folder: Path) -> Rows:
    """From the files of the local history, an hour at a time."""
    from qilu.stores.sqlite.history.reader import HistoryReader

    key = DeviceKey(edge, wanted.entry.settings.device)
    async with HistoryReader(folder) as reader:
        for start_ms in range(wanted.from_ms, wanted.to_ms, _CHUNK_MS):
            end_ms = min(start_ms + _CHUNK_MS, wanted.to_ms)
            times: dict[int, dict[str, Cell]] = {}
            for name in wanted.points:
                for sample in await reader.samples(key, name, start_ms, end_ms):
                    times.setdefault(sample.time_ms, {})[name] = (sample.value, sample.reason)
            if times:
                yield sorted(times.items())
