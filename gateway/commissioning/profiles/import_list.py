"""Makes a profile from a list of points that somebody keeps in a sheet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.commissioning.profiles.addressing import Addressing
from gateway.commissioning.profiles.point_list import Listed, read_list
from gateway.commissioning.profiles.yaml_writer import Draft, checked, destination, name_out_of, write
from qilu.contract.errors import ConfigError

ENCODINGS = ("utf-8-sig", "gb18030")
"""Of the list: what most programs write, then what spreadsheets in China write."""


def import_points(
    file: Path, name: str | None, out: Path | None, addressing: Addressing, *, force: bool
) -> tuple[Path, Listed]:
    """Write the profile and return where it is; ConfigError names line and column of the list."""
    name = name or name_out_of(file.stem)
    target = destination(name, out, force)
    try:
        listed = read_list(_read(file), addressing)
    except ConfigError as error:
        raise _placed(error, file) from None
    try:
        text = checked(_draft(file, name, listed))
    except ConfigError as error:
        raise _placed(error, file, listed) from None
    write(target, text)
    return target, listed


def _draft(file: Path, name: str, listed: Listed) -> Draft:
    more: dict[str, Any] = {"addressing": listed.addressing}
    groups = dict.fromkeys(str(point.keys["group"]) for point in listed.points if "group" in point.keys)
    if groups:
        more["groups"] = dict.fromkeys(groups, "1s")
    read = ", ".join(f"{key} from {heading!r}" for key, heading in listed.headings.items())
    head = [
        f"Made by `qilu profile import {file.name}`: {len(listed.points)} points; {read}.",
        "Look at it before you use it: limits of requests (`limits: {max_registers: ...}`), orders of bytes",
        "and words, and how often each group is read are seldom in a list. `qilu check` shows the mistakes.",
    ]
    if listed.unused_columns:
        head.append(f"Columns that were not understood: {', '.join(listed.unused_columns)}.")
    return Draft(name, head, f"the list {file.name}", listed.points, more)


def _read(file: Path) -> str:
    try:
        raw = file.read_bytes()
    except OSError as error:
        problem = f"cannot be read: {(error.strerror or str(error)).lower()}"
        raise ConfigError(problem, remedy="check the path") from None
    for encoding in ENCODINGS:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ConfigError("neither UTF-8 nor GB18030", remedy="save the sheet as CSV in UTF-8")


def _placed(error: ConfigError, file: Path, listed: Listed | None = None) -> ConfigError:
    """The error and its others, said of the list: a point of the profile becomes a line of the list."""
    placed = []
    for one in _each(error):
        line, key = one.line, one.key
        if listed is not None:
            parts = (one.key or "").split(".")
            is_point = len(parts) > 1 and parts[0] == "points" and parts[1].isdecimal()
            line = listed.lines[int(parts[1])] if is_point else None
            key = listed.headings.get(parts[2], parts[2]) if is_point and len(parts) > 2 else None
        placed.append(ConfigError(one.problem, file=file, line=line, key=key, remedy=one.remedy))
    placed[0].others = tuple(placed[1:])
    return placed[0]


def _each(error: ConfigError) -> Iterator[ConfigError]:
    yield error
    for other in error.others:
        yield from _each(other)
