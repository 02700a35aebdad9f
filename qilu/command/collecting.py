"""The gateway settings that collect exactly one simulated plant."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.settings import DeliverySettings, GatewaySettings
from gateway.sources.settings import DeviceSettings, ModbusSettings
from gateway.spool.settings import SpoolSettings
from qilu.contract.profile import DeviceProfile
from qilu.mqtt.settings import MqttSettings
from simulator.settings import Placed, PlantSettings


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
    """`ports`: where each port of the plant really listens. `store`: the id of the store to trust."""
    by_port: dict[int, list[Placed]] = {}
    for placed in plant.placed():
        by_port.setdefault(placed.port, []).append(placed)
    sources = tuple(
        ModbusSettings(
            type="modbus",
            url=f"tcp://{plant.host}:{ports[port]}",
            devices=tuple(_device(one, profiles[one.settings.machine]) for one in together),
        )
        for port, together in by_port.items()
    )
    delivery = DeliverySettings(durable_when=(store,))
    return GatewaySettings(
        edge=edge, site=plant.plant, spool=spool, mqtt=mqtt, delivery=delivery, sources=sources
    )


def _device(placed: Placed, profile: DeviceProfile) -> DeviceSettings:
    # A machine's parameters are of its physics or of its registers; the gateway needs only the latter.
    parameters = {
        name: value for name, value in placed.settings.parameters.items() if name in profile.parameters
    }
    return DeviceSettings(
        device=placed.device,
        unit=placed.unit,
        profile=profile.profile,
        line=placed.settings.line,
        parameters=parameters,
    )
