"""Controls a plant that `qilu simulate` runs on this machine: its faults and its time."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from rich.table import Table

from qilu.config.settings_file import load
from qilu.config.yaml_loader import parse
from qilu.contract.errors import ConfigError, QiluError, UnreachableError
from qilu.contract.units import format_duration, parse_duration
from qilu_cli.file_kinds import Kind, expected
from qilu_cli.terminal import console
from simulator.control.commands import EVERYWHERE
from simulator.network_faults.catalogue import FAULTS as NETWORK_FAULTS
from simulator.plant.settings import PlantSettings

WITHIN = 600.0  # seconds: stepping a big plant by hand takes its time
LOOPBACK = "127.0.0.1"
MAX_REPLY = 4_000_000
TOKEN_VARIABLE = "QILU_TOKEN"
"""The environment variable with a token, where the plant demands one."""


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
    reply = await asyncio.to_thread(_reply, place, method, f"api/v1/{path}", body)
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


def _duration(text: object) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _place(plant: str) -> str:
    """The address of the control, as a URL: of a port, or as in the plant's file."""
    if plant.isdecimal():
        if not 1 <= int(plant) <= 65535:
            raise ConfigError(f"{plant} is no port", remedy="write the port that `qilu simulate` printed")
        return f"http://{LOOPBACK}:{plant}/"
    if ":" in plant and not Path(plant).exists():
        remedy = "write the port alone; a plant can only be controlled from its own machine"
        raise ConfigError(f"{plant!r} is neither a port nor a file", remedy=remedy)
    with expected(Kind.PLANT, Path(plant), "name the file of a plant, or its control port"):
        control = load(Path(plant), PlantSettings).control_settings
    if control is None:
        remedy = "write `control: 5019` into it, or start with --control 5019 and write that port here"
        raise ConfigError("the plant has no control port", file=plant, key="control", remedy=remedy)
    host = LOOPBACK if control.host in ("0.0.0.0", "::") else control.listen.rpartition(":")[0]
    return f"{'https' if control.tls else 'http'}://{host}:{control.port}{control.base}"


def _reply(place: str, method: str, path: str, body: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Blocks. The client of the standard library: a command needs no more."""
    request = Request(place + path, method=method)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    if token := os.environ.get(TOKEN_VARIABLE):
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=WITHIN) as response:
            content = response.read(MAX_REPLY)
    except HTTPError as error:
        raise _refusal(error) from None
    except (OSError, ValueError, HTTPException) as error:
        port = place.rstrip("/").rpartition(":")[2]
        remedy = f"start it with --control {port.partition('/')[0]}"
        raise UnreachableError(f"no plant replies at {place}: {remedy}") from error
    reply = _decoded(content)
    if not isinstance(reply, dict) or "tick" not in reply:
        raise UnreachableError(f"the server at {place} is no plant")
    return reply


def _refusal(error: HTTPError) -> QiluError:
    content = _decoded(error.read(MAX_REPLY))
    detail = content.get("error") if isinstance(content, dict) else None
    if not isinstance(detail, dict):
        return UnreachableError(f"the server at {error.url} is no plant")
    if detail.get("code") == "token":
        remedy = f"put it into {TOKEN_VARIABLE}; qilu console token operator PLANT.yaml makes one"
        return ConfigError("the plant demands a token", remedy=remedy)
    return ConfigError(str(detail.get("text")), remedy=str(detail.get("remedy") or "") or None)


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


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
