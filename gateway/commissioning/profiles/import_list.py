"""Makes a profile from a list of points that somebody keeps in a sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.commissioning.profiles.addressing import Addressing
from gateway.commissioning.profiles.point_list import PointList, read_list
from gateway.commissioning.profiles.yaml_writer import Draft, checked, destination, name_out_of, write
from qilu.contract.errors import ConfigError, combined, describe_os_error

ENCODINGS = ("utf-8-sig", "gb18030")
"""Of the list: what most programs write, then what spreadsheets in China write."""


def import_points(
    file: Path, name: str | None, out: Path | None, addressing: Addressing, *, force: bool
) -> tuple[Path, PointList]:
    """Write the profile and return where it is; ConfigError names line and column of the list."""
    name = name or name_out_of(file.stem)
    target = destination(name, out, force)
    try:
        point_list = read_list(_read(file), addressing)
    except ConfigError as error:
        raise _placed(error, file) from None
    try:
        text = checked(_draft(file, name, point_list))
    except ConfigError as error:
        raise _placed(error, file, point_list) from None
    write(target, text)
    return target, point_list


def _draft(file: Path, name: str, point_list: PointList) -> Draft:
    more: dict[str, Any] = {"addressing": point_list.addressing}
    groups = dict.fromkeys(str(point.keys["group"]) for point in point_list.points if "group" in point.keys)
    if groups:
        more["groups"] = dict.fromkeys(groups, "1s")
    read = ", ".join(f"{key} from {heading!r}" for key, heading in point_list.headings.items())
    head = [
        f"Made by `qilu profile import {file.name}`: {len(point_list.points)} points; {read}.",
        "Look at it before you use it: limits of requests (`limits: {max_registers: ...}`), orders of bytes",
        "and words, and how often each group is read are seldom in a list. `qilu check` shows the mistakes.",
    ]
    if point_list.unused_columns:
        head.append(f"Columns that are ignored: {', '.join(point_list.unused_columns)}.")
    head += [f"{sentence}." for sentence in point_list.unused]
    return Draft(name, head, f"the list {file.name}", point_list.points, more)


def _read(file: Path) -> str:
    try:
        raw = file.read_bytes()
    except OSError as error:
        problem = f"cannot be read: {describe_os_error(error)}"
        raise ConfigError(problem, remedy="check the path") from None
    for encoding in ENCODINGS:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ConfigError("neither UTF-8 nor GB18030", remedy="save the sheet as CSV in UTF-8")


def _placed(error: ConfigError, file: Path, point_list: PointList | None = None) -> ConfigError:
    """The error and those after it, of the list: a point of the profile becomes a line of the list."""
    placed = []
    for each_error in error.each():
        line, key = each_error.line, each_error.key
        if point_list is not None:
            parts = (each_error.key or "").split(".")
            is_point = len(parts) > 1 and parts[0] == "points" and parts[1].isdecimal()
            line = point_list.lines[int(parts[1])] if is_point else None
            key = point_list.headings.get(parts[2], parts[2]) if is_point and len(parts) > 2 else None
        placed.append(
            ConfigError(each_error.problem, file=file, line=line, key=key, remedy=each_error.remedy)
        )
    return combined(placed)
