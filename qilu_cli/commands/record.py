"""`qilu record`: the values of a real device in a table, one row per time, as the simulator plays it."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from gateway.sources.modbus.device import DeviceSetup
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from qilu.config.profiles import profile_of
from qilu.contract.errors import ConfigError, UnreachableError, describe_os_error
from qilu.contract.profile import SERVE_COUNTER, DeviceProfile
from qilu.contract.reading import Origin, Poll, Value
from qilu.runtime.private_files import make_folder, open_named
from qilu_cli.gateway_devices import device_of, single_source
from qilu_cli.store_access import duration

SLOWEST = 3600.0


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What `qilu record` is given on its command line."""

    source: str
    file: Path
    profile: str | None
    device: str | None
    unit_id: int
    every: str
    span: str


class RowAssembler:
    """Joins the polls of a device's groups to rows: a row is complete when a group comes again."""

    def __init__(self, points: Sequence[str]) -> None:
        self._points = points
        self._row: dict[str, Value] = {}
        self._groups: set[str] = set()
        self._time_ms = 0

    def add(self, poll: Poll) -> list[object] | None:
        """The row before, where this poll begins another: its time and a cell for each point."""
        group = poll.readings[0].columns.group
        done = self.row() if group in self._groups else None
        if done is not None or not self._groups:
            self._row, self._groups, self._time_ms = {}, set(), poll.due_ms
        self._groups.add(group)
        for reading in poll.readings:
            self._row.update(zip(reading.columns.points, reading.values, strict=True))
        return done

    def row(self) -> list[object] | None:
        """The row as far as it has come; None before the first poll and where no value was good."""
        if all(value is None for value in self._row.values()):
            return None
        return [self._time_ms, *(_cell(self._row.get(point)) for point in self._points)]


class RecordFile:
    """A table that is written row by row, so that it is whole at any time; `.csv`."""

    def __init__(self, path: Path) -> None:
        """ConfigError: it exists, or cannot be written."""
        self.rows = 0
        try:
            make_folder(path.parent)
            self._file = open(  # noqa: SIM115 - `close` does
                path, "x", encoding="utf-8", newline="", buffering=1, opener=open_named
            )
        except FileExistsError:
            raise ConfigError("exists already", file=path, remedy="name a new file") from None
        except OSError as error:
            remedy = "name a file that can be written"
            raise ConfigError(
                f"cannot write: {describe_os_error(error)}", file=path, remedy=remedy
            ) from error
        self._writer = csv.writer(self._file, lineterminator="\n")

    def head(self, names: Sequence[str]) -> None:
        self._writer.writerow(names)

    def add(self, row: Sequence[object] | None) -> None:
        """One more row; None is no row."""
        if row is not None:
            self._writer.writerow(row)
            self.rows += 1

    def close(self) -> None:
        self._file.close()


async def record(options: RecordOptions) -> None:
    """Write the file until the span is over. ConfigError: wrong settings. UnreachableError: no value came."""
    every, span = duration("--every", options.every), duration("--span", options.span)
    if every > min(span, SLOWEST):
        remedy = "give it less than the span, up to 1h"
        raise ConfigError(f"{options.every} does not fit", key="--every", remedy=remedy)
    if options.file.suffix != ".csv":
        raise ConfigError("is no CSV", file=options.file, remedy="give it a name that ends in .csv")
    source, device, profile = _target(options)
    device = device.model_copy(update={"poll_periods": dict.fromkeys(profile.groups, every)})
    points = [point.name for point in profile.points if point.name != SERVE_COUNTER]
    assembler = RowAssembler(points)
    with closing(RecordFile(options.file)) as file:
        file.head(["time_ms", *points])
        try:
            async with asyncio.timeout(span):
                async for poll in _polls(source, device, profile):
                    file.add(assembler.add(poll))
        except TimeoutError:
            file.add(assembler.row())
    if not file.rows:
        options.file.unlink()
        raise UnreachableError(f"{source.url} gave no value; `qilu probe` asks without a profile")
    print(f"{file.rows} rows of {len(points)} points: {options.file}")


def _target(options: RecordOptions) -> tuple[ModbusSettings, DeviceSettings, DeviceProfile]:
    """The device: by the settings of a gateway, or by its address and a profile."""
    if options.source.endswith((".yaml", ".yml")):
        return device_of(Path(options.source), options.device, "--device")[1:]
    if options.profile is None:
        remedy = "name the device profile with --profile, or give a gateway's file and --device"
        raise ConfigError("is missing", key="--profile", remedy=remedy)
    profile = profile_of(options.profile)
    url = options.source if "://" in options.source else f"tcp://{options.source}"
    device = {"device": "device", "profile": profile.profile, "unit_id": options.unit_id}
    try:
        source = ModbusSettings.model_validate({"type": "modbus", "url": url, "devices": [device]})
    except ValidationError as error:
        text = str(error.errors()[0]["msg"])
        raise ConfigError(text, key="SOURCE", remedy="write HOST[:PORT] or tcp://HOST[:PORT]") from error
    return source, source.devices[0], profile


async def _polls(
    source: ModbusSettings, device: DeviceSettings, profile: DeviceProfile
) -> AsyncIterator[Poll]:
    setup = DeviceSetup(device, profile, Origin("record", device.device, device.profile))
    modbus = single_source(source, setup)
    async with modbus, aclosing(modbus.polls()) as coming:
        async for poll in coming:
            yield poll


def _cell(value: Value) -> object:
    """A number or text as the simulator reads it; nothing where there is no value."""
    if value is None:
        return ""
    return int(value) if isinstance(value, bool) else value
