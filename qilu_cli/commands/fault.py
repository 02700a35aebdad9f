"""Asks a plant that `qilu simulate` runs on this machine: what is wrong in it, and what shall go wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from qilu.config.settings_file import load
from qilu.config.yaml_loader import parse
from qilu.contract.errors import ConfigError, UnreachableError
from qilu.contract.units import format_duration, parse_duration
from qilu_cli.file_kinds import Kind, expected
from qilu_cli.terminal import console
from simulator.control import EVERYWHERE, LOOPBACK, MAX_LINE
from simulator.network_faults.catalogue import FAULTS as WIRE_FAULTS
from simulator.plant.settings import PlantSettings

WITHIN = 600.0  # seconds: stepping a big plant by hand takes its time

_TAKES: Mapping[str, tuple[int, int, str]] = {
    # least and most arguments, and what they are
    "list": (0, 1, "[DEVICE]"),
    "inject": (2, 20, "DEVICE FAULT [KEY=VALUE ...]"),
    "repair": (1, 2, "DEVICE [FAULT]"),
    "pause": (0, 0, ""),
    "resume": (0, 0, ""),
    "step": (0, 1, "[TICKS]"),
    "speed": (1, 1, "SPEED"),
}


@dataclass(frozen=True)
class FaultOptions:
    """What the user wrote."""

    plant: str
    action: str
    arguments: Sequence[str]
    fault: Mapping[str, Any]
    """How the fault is, where one is injected; what was not said is left out."""
    as_json: bool


async def fault(options: FaultOptions) -> None:
    """Ask and print the answer. ConfigError: it makes no sense; UnreachableError: no plant is there."""
    request = _request(options)
    port = _port(options.plant)
    reply = await _ask(port, request)
    if "error" in reply:
        raise ConfigError(str(reply["error"]))
    if options.as_json:
        print(json.dumps(reply))
        return
    _show(reply)


def _request(options: FaultOptions) -> Mapping[str, Any]:
    if options.action not in _TAKES:
        known = ", ".join(_TAKES)
        raise ConfigError(f"there is nothing like {options.action!r} to do", remedy=f"there are: {known}")
    min_count, max_count, usage = _TAKES[options.action]
    if not min_count <= len(options.arguments) <= max_count:
        remedy = f"write qilu fault {options.plant} {options.action} {usage}".rstrip()
        raise ConfigError(f"{options.action} takes {usage or 'nothing'}", remedy=remedy)
    first, second, *_ = (*options.arguments, None, None)
    match options.action:
        case "list":
            return {"do": "list", "device": first}
        case "inject" if second in WIRE_FAULTS:
            return {"do": "inject", "wire": _of_wire(options)}
        case "inject":
            if len(options.arguments) > 2:
                remedy = "KEY=VALUE is for faults of the wire; use --severity and the other options"
                raise ConfigError(f"{options.arguments[2]!r} is too much", remedy=remedy)
            return {"do": "inject", "fault": {"begin": 0, **options.fault, "device": first, "fault": second}}
        case "repair":
            return {"do": "repair", "device": first, "name": second}
        case "step":
            return {"do": "step", "ticks": _number(first or "1", whole=True)}
        case "speed":
            return {"do": "speed", "speed": _number(first or "", whole=False)}
    return {"do": options.action}


def _of_wire(options: FaultOptions) -> Mapping[str, Any]:
    """A fault of the wire; a number or a * in place of the device is a port, or all of them."""
    device, name, *more = options.arguments
    accepted = {"begin", "duration", "point"}
    for option in options.fault:
        if option not in accepted:
            remedy = f"write its parameters as KEY=VALUE behind {name}; docs/faults.md names them"
            raise ConfigError(f"{option} is no setting of a fault of the wire", remedy=remedy)
    parameters: dict[str, Any] = {"fault": name}
    if device.isdecimal():
        parameters["port"] = int(device)
    elif device != EVERYWHERE:
        parameters["device"] = device
    for text in more:
        key, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"{text!r} is no parameter", remedy="write KEY=VALUE, such as share=0.2")
        parameters[key] = parse(value, "parameter")[0]
    if "point" in options.fault:
        parameters["point"] = options.fault["point"]
    if "begin" in options.fault:
        parameters["since"] = options.fault["begin"]
    if "duration" in options.fault:
        parameters["until"] = _duration(options.fault["duration"]) + _duration(options.fault.get("begin", 0))
    return parameters


def _duration(text: object) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _number(text: str, *, whole: bool) -> float:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        remedy = "write how many ticks" if whole else "write simulated seconds per second, such as 60"
        raise ConfigError(f"{text!r} is not a number", remedy=remedy) from None


def _port(plant: str) -> int:
    """The port of control: as given, or as the plant's file says it."""
    if plant.isdecimal():
        if not 1 <= int(plant) <= 65535:
            raise ConfigError(f"{plant} is no port", remedy="write the port that `qilu simulate` printed")
        return int(plant)
    if ":" in plant and not Path(plant).exists():
        remedy = "write the port alone; a plant can only be controlled from its own machine"
        raise ConfigError(f"{plant!r} is elsewhere", remedy=remedy)
    with expected(Kind.PLANT, Path(plant), "name the file of a plant, or its control port"):
        port = load(Path(plant), PlantSettings).control
    if port is None:
        remedy = "write `control: 5019` into it, or start with --control 5019 and write that port here"
        raise ConfigError("the plant has no control port", file=plant, key="control", remedy=remedy)
    return port


async def _ask(port: int, request: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        async with asyncio.timeout(WITHIN):
            reader, writer = await asyncio.open_connection(LOOPBACK, port, limit=16 * MAX_LINE)
            try:
                writer.write(json.dumps(request).encode() + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
        reply = json.loads(line)
    except (OSError, TimeoutError, ValueError) as error:
        raise UnreachableError(
            f"no plant replies at {LOOPBACK}:{port}: start it with --control {port}"
        ) from error
    if not isinstance(reply, dict):
        raise UnreachableError(f"the server at {LOOPBACK}:{port} is no plant")
    return reply


def _show(reply: Mapping[str, Any]) -> None:
    out = console()
    pace = "paused" if reply["paused"] else f"at speed {reply['speed']:g}"
    skipped = f", {reply['ticks_given_up']} ticks given up" if reply["ticks_given_up"] else ""
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
        out.print(f"it may have: {', '.join(reply['possible'])}")


def _time(seconds: float) -> str:
    return format_duration(seconds) if seconds else "0s"
