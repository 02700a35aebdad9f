"""Makes a profile from what a device answers: a beginning for the person who knows the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from typing import Any

from gateway.commissioning.probe.arguments import parse_range, parse_target
from gateway.commissioning.probe.interpretations import VIEWS, View
from gateway.commissioning.probe.range_dump import Dump
from gateway.commissioning.probe.reader import Prober, identity, read_range, settings_for
from gateway.commissioning.probe.type_inference import tiles
from gateway.commissioning.profiles.yaml_writer import (
    Draft,
    PointEntry,
    checked,
    destination,
    name_out_of,
    write,
)
from qilu.contract.errors import ConfigError
from qilu.modbus.device_identification import ObjectId

MAX_READINGS = 4  # other ways to read a register that a comment names
EVERYWHERE = ("holding:0-99", "input:0-99", "coil:0-31", "discrete:0-31")
"""Where to look when nothing else is known of a device."""


Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Shows how far a range is read: what it is, and its size, to what is called with the addresses done."""


async def new_from_probe(
    target: str,
    unit: int,
    reads: Sequence[str],
    name: str | None,
    out: Path | None,
    progress: Progress,
    *,
    force: bool,
    timeout: float = 1.0,
) -> Path:
    """Write the profile and return where it is; ConfigError where there is nothing to read.

    `timeout`: seconds from a request to its reply.

    Without a name it gets that of the device's model or product code.
    """
    ranges = [parse_range(text) for text in reads]
    url = parse_target(target)
    if name is not None:
        destination(name, out, force)  # reported before any request
    async with Prober(settings_for(url, timeout), Random()) as prober:
        identity_texts = await identity(prober, unit)
        name = name or name_out_of(
            identity_texts.get(ObjectId.MODEL_NAME, ""), identity_texts.get(ObjectId.PRODUCT_CODE, "")
        )
        file = destination(name, out, force)
        dumps = []
        for span in ranges:
            with progress(str(span), span.size) as bar:
                dumps.append(await read_range(prober, unit, span, bar))
    if not any(dump.values for dump in dumps):
        raise ConfigError(
            "no address of these ranges can be read",
            key="--read",
            remedy="find readable ones with `qilu probe read`",
        )
    named = " ".join(identity_texts[number] for number in sorted(identity_texts)[:3])
    write(file, checked(draft(name, target, unit, named, dumps, prober.notes)))
    return file


def draft(
    name: str, target: str, unit: int, identity_: str, dumps: Sequence[Dump], notes: Sequence[str] = ()
) -> Draft:
    """A guess: each value as it most likely is, with what else it could be in the comment. Pure."""
    device = f"unit {unit} at {target}" + (f" ({identity_})" if identity_ else "")
    head = [
        f"Read from {device}. Every type is a guess from one look at its registers:",
        "compare the values with the display, give points their names, units and scales, remove the rest.",
        "`qilu probe find` finds a value that you know, `qilu probe watch` shows what moves.",
    ]
    head += [f"Note: {note}" for note in notes]
    more: dict[str, Any] = {}
    if gaps := [gap for dump in dumps for gap in _gaps(dump)]:
        more["limits"] = {"unreadable": gaps}
        head.append("`unreadable` are addresses that the device refused.")
    points = [line for dump in dumps for line in _points(dump)]
    return Draft(name, head, f"{device}, registers read by qilu probe", points, more)


def _points(dump: Dump) -> Iterator[PointEntry]:
    table = dump.table.value
    if dump.table.holds_bits:
        for address, value in sorted(dump.values.items()):
            keys = {"name": f"{table}_{address}", "table": table, "address": address, "type": "bool"}
            yield PointEntry(keys, f"read {value}")
        return
    for tile in tiles(dump):
        keys = {"name": f"{table}_{tile.address}", "table": table, "address": tile.address, **tile.view.keys}
        alternatives = [
            f"{number:.6g} as {view.name}"
            for view in VIEWS
            if view != tile.view
            and isinstance(tile.view, View)
            and (number := view.at(dump, tile.address)) is not None
            and view.plausible(number)
        ]
        also = f"; or {', '.join(alternatives[:MAX_READINGS])}" if alternatives else ""
        yield PointEntry(keys, f"read {tile.display}{also}")


def _gaps(dump: Dump) -> Iterator[dict[str, Any]]:
    """What is missing between addresses that are there: what lies outside is never read anyway."""
    if not dump.values:
        return
    first: int | None = None
    for address in range(min(dump.values), max(dump.values) + 1):
        if address not in dump.values:
            first = address if first is None else first
        elif first is not None:
            yield {"table": dump.table.value, "first": first, "last": address - 1}
            first = None
