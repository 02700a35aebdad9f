"""One reading of a device of a gateway's settings, by its profile, without broker, spool and store."""

from __future__ import annotations

import sys
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from gateway.interfaces import Event, EventListener
from gateway.settings import GatewaySettings
from gateway.sources.modbus.device import DeviceSetup
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from qilu.contract.errors import UnreachableError
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin, Poll
from qilu.modbus_client.connection import Direction
from qilu.modbus_client.connector import dial
from qilu.modbus_client.trace import traced
from qilu_cli.gateway_devices import device_of, single_source
from qilu_cli.point_meanings import Meanings
from qilu_cli.store_access import print_table

_HEADER = ("point", "value", "unit", "text", "quality", "reason")


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What `qilu read` is given on its command line."""

    file: Path
    device: str
    form: str
    trace: bool


async def read(options: ReadOptions) -> None:
    """Poll each group of the device once and print the values.

    ConfigError for wrong settings or an unknown device, UnreachableError when not one value was good.
    """
    settings, source, device, profile = device_of(options.file, options.device, "DEVICE")
    events: list[Event] = []
    polls = await _poll_once(settings, source, device, profile, events.append, trace=options.trace)
    meanings = Meanings(settings.profiles)
    rows = [
        (
            point,
            meanings.value(profile.profile, point, value),
            meanings.unit(profile.profile, point),
            meanings.text(profile.profile, point, value),
            str(reading.quality(index)),
            str(reading.reasons.get(index, "")),
        )
        for poll in polls
        for reading in poll.readings
        for index, (point, value) in enumerate(zip(reading.columns.points, reading.values, strict=True))
    ]
    print_table(options.form, _HEADER, rows)
    if all(row[-1] for row in rows):
        why = events[-1].text if events else "gave no good value"
        raise UnreachableError(
            f"{device.device} {why}; --trace shows the frames, `qilu probe` asks without a profile"
        )


async def _poll_once(
    settings: GatewaySettings,
    source: ModbusSettings,
    device: DeviceSettings,
    profile: DeviceProfile,
    listener: EventListener,
    *,
    trace: bool,
) -> list[Poll]:
    """The first poll of each group."""
    origin = Origin(settings.edge, device.device, device.profile, line=device.line)
    dialled = traced(_print_frame) if trace else dial
    modbus = single_source(source, DeviceSetup(device, profile, origin), dial=dialled, listener=listener)
    groups = {expected.group for expected in modbus.expected()}
    polls: dict[str, Poll] = {}
    async with modbus, aclosing(modbus.polls()) as coming:
        async for poll in coming:
            polls.setdefault(poll.readings[0].columns.group, poll)
            if polls.keys() >= groups:
                break
    return list(polls.values())


def _print_frame(direction: Direction, data: bytes) -> None:
    print(f"{'>' if direction == 'sent' else '<'} {data.hex(' ')}", file=sys.stderr)
