"""`qilu plant gateway-config`: gateway settings that collect exactly one plant, to go on with."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from gateway.settings import GatewaySettings
from gateway.sources.modbus.settings import MAX_IN_FLIGHT
from gateway.spool.settings import SpoolSettings
from qilu.config.settings_file import load
from qilu.contract.errors import ConfigError, writing
from qilu.contract.profile import DeviceProfile
from qilu.mqtt.settings import MqttSettings
from qilu_cli.commands.plant_gateway import gateway_settings
from qilu_cli.commands.read_plan import endpoint_plans
from qilu_cli.file_kinds import Kind, expected
from simulator.app import load as load_plant
from simulator.plant.plant import Plant

EDGE, STORE = "edge-1", "plant-store"
WIDTH = 10_000  # one device, one line


def write_gateway_config(file: Path, out: Path) -> None:
    """Write the settings that collect the plant of `file`; ConfigError: it is wrong, or `out` is there."""
    if out.exists():
        raise ConfigError("is there already", file=out, remedy="name a new file")
    with expected(Kind.PLANT, file):
        plant = load_plant(file)
    text = "\n".join(_lines(plant, file, out)) + "\n"
    with writing(out, "name a file in a folder that exists"), out.open("x", encoding="utf-8") as written:
        written.write(text)
    load(out, GatewaySettings)
    print(f"{out}: {len(plant.devices)} devices; see `qilu check {out}`, then run `qilu gateway {out}`")


def _lines(plant: Plant, file: Path, out: Path) -> Iterator[str]:
    profiles = plant.profiles
    ports = {port: port for port in plant.endpoints()}
    settings = gateway_settings(
        plant.settings, profiles, ports, edge=EDGE,
        spool=SpoolSettings(directory=Path("spool")), mqtt=MqttSettings(), store=STORE,
    )  # fmt: skip
    settings = _keeping_up(settings, profiles)
    yield f"# Collects every device of the plant {plant.settings.plant} as {file.name} describes it."
    yield f"# Made by `qilu plant gateway-config {file.name} {out.name}`; change it as you like."
    yield f"edge: {settings.edge}"
    yield f"site: {_flow(settings.site)}"
    if (file.parent / "profiles").is_dir():
        beside = Path(os.path.relpath(file.parent / "profiles", out.parent)).as_posix()
        yield "# The device profiles, where they are not the shipped ones."
        yield f"profiles: {_flow(beside)}"
    yield "# What is not yet safe in the store is kept here, beside this file."
    yield "spool: {directory: spool}"
    yield "# The broker."
    yield f"mqtt: {{host: {settings.mqtt.host}, port: {settings.mqtt.port}}}"
    yield "# The id of the store that must have a reading before it is forgotten here: the ingester says it."
    yield f"delivery: {{trusted_stores: [{STORE}]}}"
    yield "sources:"
    for source in settings.sources:
        fields = source.model_dump(mode="json", exclude_defaults=True)
        devices = fields.pop("devices")
        lines = ", ".join(sorted({device["line"] for device in devices if device.get("line")}))
        yield f"  # {lines or 'machines'}"
        if fields["url"].startswith("rtu:"):
            yield "  # a real line is here under the simulator's name for it: write your end of the cable"
        first = True
        for key, value in fields.items():
            yield f"  {'-' if first else ' '} {key}: {_flow(value)}"
            first = False
        yield "    devices:"
        yield from (f"      - {_flow(_with_unit(device))}" for device in devices)


def _keeping_up(settings: GatewaySettings, profiles: Mapping[str, DeviceProfile]) -> GatewaySettings:
    """The same with as many requests in flight as an endpoint with many devices needs."""
    sources = tuple(
        endpoint.source.model_copy(update={"max_in_flight": min(math.ceil(endpoint.busy), MAX_IN_FLIGHT)})
        if endpoint.busy > 1 and endpoint.source.endpoint.framing == "tcp"
        else endpoint.source
        for endpoint in endpoint_plans(settings, profiles)
    )
    return settings.model_copy(update={"sources": sources})


def _with_unit(device: Mapping[str, Any]) -> Mapping[str, Any]:
    """With its unit id, also where that is the default."""
    named = {"device": device["device"], "unit_id": device.get("unit_id", 1)}
    return named | {key: value for key, value in device.items() if key not in named}


def _flow(value: Mapping[str, Any] | str | float) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=WIDTH, allow_unicode=True, sort_keys=False)
    return text.removesuffix("...\n").strip()
