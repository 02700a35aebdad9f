"""One device of a gateway's settings, and the source that polls it alone."""

from __future__ import annotations

import time
from pathlib import Path
from random import SystemRandom

from gateway.interfaces import EventListener
from gateway.load import load
from gateway.settings import GatewaySettings
from gateway.sources.modbus.device import DeviceSetup
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from gateway.sources.modbus.source import ModbusSource
from qilu.config.error_texts import did_you_mean
from qilu.contract.errors import ConfigError
from qilu.contract.profile import DeviceProfile
from qilu.modbus_client.connector import Dial
from qilu.modbus_client.connector import dial as dial_endpoint
from qilu.runtime.monotonic_utc import Timebase
from qilu_cli.file_kinds import Kind, expected

GatewayDevice = tuple[GatewaySettings, ModbusSettings, DeviceSettings, DeviceProfile]


def device_of(file: Path, name: str | None, option: str) -> GatewayDevice:
    """The device of this name; ConfigError, of the command's `option` where there is no such device."""
    with expected(Kind.GATEWAY, file):
        settings, profiles = load(file)
    devices = {device.device: (source, device) for source in settings.sources for device in source.devices}
    if name not in devices:
        remedy = did_you_mean(name or "", devices, f"it has {', '.join(sorted(devices)[:20])}")
        raise ConfigError(f"the settings have no device {name}", key=option, remedy=remedy)
    source, device = devices[name]
    return settings, source, device, profiles[device.profile]


def single_source(
    source: ModbusSettings,
    setup: DeviceSetup,
    *,
    dial: Dial = dial_endpoint,
    listener: EventListener | None = None,
) -> ModbusSource:
    """The source without its other devices."""
    alone = source.model_copy(update={"devices": (setup.settings,)})
    timebase = Timebase(time.time(), time.monotonic())
    return ModbusSource(alone, [setup], timebase, SystemRandom(), dial=dial, listener=listener)
