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
class Asked:
    """What the user wrote."""

    plant: str
    action: str
    arguments: Sequence[str]
    fault: Mapping[str, Any]
    """How the fault is, where one is injected; what was not said is left out."""
    as_json: bool


async def fault(asked: Asked) -> None:
    """Ask and print the answer. ConfigError: it makes no sense; UnreachableError: no plant is there."""
    request = _request(asked)
    port = _port(asked.plant)
    answer = await _ask(port, request)
    if "error" in answer:
        raise ConfigError(str(answer["error"]))
    if asked.as_json:
        print(json.dumps(answer))
        return
    _show(answer)


def _request(asked: Asked) -> Mapping[str, Any]:
    if asked.action not in _TAKES:
        known = ", ".join(_TAKES)
        raise ConfigError(f"there is nothing like {asked.action!r} to do", remedy=f"there are: {known}")
    least, most, usage = _TAKES[asked.action]
    if not least <= len(asked.arguments) <= most:
        remedy = f"write qilu fault {asked.plant} {asked.action} {usage}".rstrip()
        raise ConfigError(f"{asked.action} takes {usage or 'nothing'}", remedy=remedy)
    first, second, *_ = (*asked.arguments, None, None)
    match asked.action:
        case "list":
            return {"do": "list", "device": first}
        case "inject" if second in WIRE_FAULTS:
            return {"do": "inject", "wire": _of_wire(asked)}
        case "inject":
            if len(asked.arguments) > 2:
                remedy = "KEY=VALUE is for faults of the wire; use --severity and the other options"
                raise ConfigError(f"{asked.arguments[2]!r} is too much", remedy=remedy)
            return {"do": "inject", "fault": {"begin": 0, **asked.fault, "device": first, "fault": second}}
        case "repair":
            return {"do": "repair", "device": first, "name": second}
        case "step":
            return {"do": "step", "ticks": _number(first or "1", whole=True)}
        case "speed":
            return {"do": "speed", "speed": _number(first or "", whole=False)}
    return {"do": asked.action}


def _of_wire(asked: Asked) -> Mapping[str, Any]:
    """A fault of the wire; a number or a * in place of the device is a port, or all of them."""
    device, name, *more = asked.arguments
    taken = {"begin", "duration", "point"}
    for option in asked.fault:
        if option not in taken:
            remedy = f"write its parameters as KEY=VALUE behind {name}; docs/faults.md names them"
            raise ConfigError(f"{option} is no setting of a fault of the wire", remedy=remedy)
    found: dict[str, Any] = {"fault": name}
    if device.isdecimal():
        found["port"] = int(device)
    elif device != EVERYWHERE:
        found["device"] = device
    for text in more:
        key, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"{text!r} is no parameter", remedy="write KEY=VALUE, such as share=0.2")
        found[key] = parse(value, "parameter")[0]
    if "point" in asked.fault:
        found["point"] = asked.fault["point"]
    if "begin" in asked.fault:
        found["since"] = asked.fault["begin"]
    if "duration" in asked.fault:
        found["until"] = _duration(asked.fault["duration"]) + _duration(asked.fault.get("begin", 0))
    return found


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
            raise ConfigError(f"{plant} is no port", remedy="write the port that `qilu simulate` told")
        return int(plant)
    if ":" in plant and not Path(plant).exists():
        remedy = "write the port alone; a plant can only be controlled from its own machine"
        raise ConfigError(f"{plant!r} is elsewhere", remedy=remedy)
    with expected(Kind.PLANT, Path(plant), "name the file of a plant, or its control port"):
        port = load(Path(plant), PlantSettings).control
    if port is None:
        remedy = "write `control: 5019` into it, or start with --control 5019 and write that port here"
        raise ConfigError("the plant says no port", file=plant, key="control", remedy=remedy)
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
        answer = json.loads(line)
    except (OSError, TimeoutError, ValueError) as error:
        raise UnreachableError(
            f"no plant answers at {LOOPBACK}:{port}: start it with --control {port}"
        ) from error
    if not isinstance(answer, dict):
        raise UnreachableError(f"what answers at {LOOPBACK}:{port} is no plant")
    return answer


def _show(answer: Mapping[str, Any]) -> None:
    out = console()
    pace = "paused" if answer["paused"] else f"at speed {answer['speed']:g}"
    given_up = f", {answer['ticks_given_up']} ticks given up" if answer["ticks_given_up"] else ""
    when = f"tick {answer['tick']}, {_time(answer['seconds'])} since it began"
    out.print(f"{answer['plant']}: {when}, {pace}{given_up}")
    if "repaired" in answer:
        out.print(f"{answer['repaired']} repaired")
    if answer.get("faults"):
        table = Table(
            "device", "fault", "point", "state", "begin", "end", "severity", box=None, pad_edge=False
        )
        for one in answer["faults"]:
            end = "" if one["end"] is None else _time(one["end"])
            severity = f"{one['severity']:.3f}" if one["state"] == "active" else ""
            struck, begin = one["point"] or "", _time(one["begin"])
            table.add_row(one["device"], one["fault"], struck, one["state"], begin, end, severity)
        out.print(table)
    if "possible" in answer:
        out.print(f"it may have: {', '.join(answer['possible'])}")


def _time(seconds: float) -> str:
    return format_duration(seconds) if seconds else "0s"
