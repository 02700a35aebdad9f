"""The gateway settings that collect exactly one simulated plant."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.settings import DeliverySettings, GatewaySettings
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from gateway.spool.settings import SpoolSettings
from qilu.contract.profile import DeviceProfile
from qilu.mqtt.settings import MqttSettings
from simulator.plant.plant_file import DevicePlacement
from simulator.plant.settings import PlantSettings


def gateway_settings(
    plant: PlantSettings,
    profiles: Mapping[str, DeviceProfile],
    ports: Mapping[int, int],
    *,
    edge: str,
    spool: SpoolSettings,
    mqtt: MqttSettings,
    store: str,
) -> GatewaySettings:
    """`ports`: where each port of the plant really listens. `store`: the id of the store to trust.

    A real serial line has the path of the simulator's port; the gateway is at the other end of the cable.
    """
    by_place: dict[int | str, list[DevicePlacement]] = {}
    for placed in plant.placed():
        by_place.setdefault(placed.port or placed.settings.wire_place, []).append(placed)
    sources = tuple(
        ModbusSettings(
            type="modbus",
            url=_url(together[0], plant.host, ports),
            timeout=max(_TIMEOUT, 2 * max(_latest(placement) for placement in together)),
            devices=tuple(_device(placement, profiles[placement.settings.profile]) for placement in together),
        )
        for together in by_place.values()
    )
    delivery = DeliverySettings(trusted_stores=(store,))
    return GatewaySettings(
        edge=edge,
        site=plant.plant,
        spool=spool,
        mqtt=mqtt,
        delivery=delivery,
        lines=plant.lines,
        sources=sources,
    )


_TIMEOUT: float = ModbusSettings.model_fields["timeout"].default
_SCHEMES = {"tcp": "tcp", "rtu": "rtu+tcp"}
_EVERYWHERE = ("0.0.0.0", "::")  # what is listened on so is found at the loopback address, too


def _url(placed: DevicePlacement, host: str, ports: Mapping[int, int]) -> str:
    serial = placed.settings.serial
    if serial is not None:
        path = serial.path.absolute().as_posix()
        if serial.pty is not None:
            return f"rtu://{path}?baudrate={serial.baudrate}"  # a pseudo terminal refuses any parity
        parity = serial.parity[0].upper()
        stop_bits = 2 if parity == "N" else 1
        return f"rtu://{path}?baudrate={serial.baudrate}&parity={parity}&stopbits={stop_bits}"
    reachable_host = "127.0.0.1" if host in _EVERYWHERE else host
    return f"{_SCHEMES[placed.settings.framing]}://{reachable_host}:{ports[placed.port]}"


def _latest(placed: DevicePlacement) -> float:
    """Seconds that the device takes at most."""
    latency = placed.settings.latency
    return 0.0 if latency is None else latency.mean + latency.jitter


def _device(placed: DevicePlacement, profile: DeviceProfile) -> DeviceSettings:
    # A machine's parameters are of its physics or of its registers; the gateway needs only the latter.
    parameters = {
        name: value for name, value in placed.settings.parameters.items() if name in profile.parameters
    }
    return DeviceSettings(
        device=placed.device,
        unit_id=placed.unit,
        profile=profile.profile,
        label=placed.label,
        line=placed.settings.line,
        place=placed.settings.place,
        parameters=parameters,
    )
