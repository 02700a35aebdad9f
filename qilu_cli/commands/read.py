"""One reading of a device of a gateway's settings, by its profile, without broker, spool and store."""

from __future__ import annotations

import sys
import time
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom

from gateway.interfaces import Event, EventListener
from gateway.load import load
from gateway.settings import GatewaySettings
from gateway.sources.modbus.device import DeviceSetup
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from gateway.sources.modbus.source import ModbusSource
from qilu.config.error_texts import nearest
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin, Poll
from qilu.modbus_client.connector import dial
from qilu.modbus_client.trace import Direction, traced
from qilu.runtime.monotonic_utc import Timebase
from qilu_cli.file_kinds import Kind, expected
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
    with expected(Kind.GATEWAY, options.file):
        settings, profiles = load(options.file)
    source, device = _find(settings, options.device)
    profile = profiles[device.profile]
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


def _find(settings: GatewaySettings, name: str) -> tuple[ModbusSettings, DeviceSettings]:
    devices = {device.device: (source, device) for source in settings.sources for device in source.devices}
    if name not in devices:
        meant = nearest(name, devices)
        remedy = f"did you mean {meant}?" if meant else f"it has {', '.join(sorted(devices)[:20])}"
        raise ConfigError(f"the settings have no device {name}", key="DEVICE", remedy=remedy)
    return devices[name]


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
    alone = source.model_copy(update={"devices": (device,)})
    modbus = ModbusSource(
        alone,
        [DeviceSetup(device, profile, origin)],
        Timebase(time.time(), time.monotonic()),
        SystemRandom(),
        dial=traced(_print_frame) if trace else dial,
        listener=listener,
    )
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
