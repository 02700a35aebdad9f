"""Controls a plant that `qilu simulate` runs on this machine: its faults and its time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.table import Table

from qilu.config.settings_file import load
from qilu.config.yaml_loader import parse
from qilu.contract.errors import ConfigError
from qilu.contract.units import format_duration
from qilu.web.settings import on_port
from qilu_cli.file_kinds import Kind, expected
from qilu_cli.http_client import Server
from qilu_cli.terminal import console
from simulator.control.commands import EVERYWHERE
from simulator.network_faults.catalogue import FAULTS as NETWORK_FAULTS
from simulator.plant.settings import PlantSettings

_SERVER = Server("no plant", "tick", "operator", timeout_s=600.0)
"""The time-out is that long because stepping a big plant by hand takes its time."""


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault as the user wrote it; None is what was not written."""

    device: str
    fault: str
    parameters: Sequence[str]
    """Of a network fault, each as KEY=VALUE."""
    start_in: str | None = None
    ramp: str | None = None
    duration: str | None = None
    severity: float | None = None
    point: str | None = None
    magnitude: float | None = None


async def inject(plant: str, injection: Injection, *, as_json: bool) -> None:
    """Inject the fault and print the state of the plant; errors as those of `send`."""
    of_network = injection.fault in NETWORK_FAULTS
    fault = _network_fault(injection) if of_network else _machine_fault(injection)
    await send(plant, "POST", "factory/faults", fault, as_json=as_json)


async def send(
    plant: str, method: str, path: str, body: Mapping[str, Any] | None = None, *, as_json: bool
) -> None:
    """Send a request of `simulator/control/openapi.yaml` below /api/v1 and print the reply.

    ConfigError: the plant refuses the request; UnreachableError: no plant is there.
    """
    place = _place(plant)
    reply = await asyncio.to_thread(_SERVER.ask, f"{place}api/v1/{path}", method, body)
    if as_json:
        print(json.dumps(reply))
        return
    _show(reply)


def faults_path(device: str | None, fault: str | None = None) -> str:
    """The path of the faults of a device, or of one fault."""
    parts = [quote(part, safe="") for part in (device, fault) if part is not None]
    return "/".join(["factory/faults", *parts])


def _machine_fault(injection: Injection) -> Mapping[str, Any]:
    if injection.parameters:
        remedy = "KEY=VALUE is for network faults; use --severity and the other options"
        raise ConfigError(f"{injection.parameters[0]!r} is no parameter of a machine fault", remedy=remedy)
    values = {
        "start": injection.start_in or 0,
        "ramp": injection.ramp,
        "duration": injection.duration,
        "severity": injection.severity,
        "point": injection.point,
        "magnitude": injection.magnitude,
    }
    named = {"device": injection.device, "fault": injection.fault}
    return named | {key: value for key, value in values.items() if value is not None}


def _network_fault(injection: Injection) -> Mapping[str, Any]:
    """A number or a * in place of the device is a port, or all of them."""
    for option in ("ramp", "severity", "magnitude"):
        if getattr(injection, option) is not None:
            remedy = f"write its parameters as KEY=VALUE behind {injection.fault}; docs/faults.md names them"
            raise ConfigError("network faults have no such option", key=f"--{option}", remedy=remedy)
    fault: dict[str, Any] = {"fault": injection.fault}
    if injection.device.isdecimal():
        fault["port"] = int(injection.device)
    elif injection.device != EVERYWHERE:
        fault["device"] = injection.device
    for text in injection.parameters:
        key, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"{text!r} is no parameter", remedy="write KEY=VALUE, such as probability=0.2")
        fault[key] = parse(value, "parameter")[0]
    if injection.point is not None:
        fault["point"] = injection.point
    if injection.start_in is not None:
        fault["start"] = injection.start_in
    if injection.duration is not None:
        fault["duration"] = injection.duration
    return fault


def _place(plant: str) -> str:
    """The address of the control, as a URL: of a port, or as in the plant's file."""
    if plant.isdecimal():
        if not 1 <= int(plant) <= 65535:
            raise ConfigError(f"{plant} is no port", remedy="write the port that `qilu simulate` printed")
        return on_port(int(plant)).url()
    if ":" in plant and not Path(plant).exists():
        remedy = "write the port alone; a plant can only be controlled from its own machine"
        raise ConfigError(f"{plant!r} is neither a port nor a file", remedy=remedy)
    with expected(Kind.PLANT, Path(plant), "name the file of a plant, or its control port"):
        control = load(Path(plant), PlantSettings).control_settings
    if control is None:
        remedy = "write `control: 5019` into it, or start with --control 5019 and write that port here"
        raise ConfigError("the plant has no control port", file=plant, key="control", remedy=remedy)
    return control.url()


def _show(reply: Mapping[str, Any]) -> None:
    out = console()
    pace = "paused" if reply["paused"] else f"at speed {reply['speed']:g}"
    skipped = f", {reply['ticks_skipped']} ticks skipped" if reply["ticks_skipped"] else ""
    when = f"tick {reply['tick']}, {_time(reply['seconds'])} since it began"
    out.print(f"{reply['plant']}: {when}, {pace}{skipped}")
    if "repaired" in reply:
        out.print(f"{reply['repaired']} repaired")
    if reply.get("faults"):
        table = Table(
            "device", "fault", "point", "state", "begin", "end", "severity", box=None, pad_edge=False
        )
        for entry in reply["faults"]:
            end = "" if entry["end"] is None else _time(entry["end"])
            severity = f"{entry['severity']:.3f}" if entry["state"] == "active" else ""
            struck, start = entry["point"] or "", _time(entry["begin"])
            table.add_row(entry["device"], entry["fault"], struck, entry["state"], start, end, severity)
        out.print(table)
    if "possible" in reply:
        out.print(f"it may have: {', '.join(fault['fault'] for fault in reply['possible'])}")


def _time(seconds: float) -> str:
    return format_duration(seconds) if seconds else "0s"
