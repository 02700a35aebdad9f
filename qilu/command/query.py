"""Asks a store and prints what it answers, for people or for programs."""

from __future__ import annotations

import time
from dataclasses import dataclass

from qilu.command.asking import Rows, duration, moment, reader, show, unknown_device
from qilu.contract.errors import ConfigError
from qilu.runtime.wording import nearest
from qilu.stores.components import Reader, Sample


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `qilu query`, as they were given."""

    store: str
    devices: bool
    points: bool
    device: str | None
    point: str | None
    last: str
    every: str | None
    form: str


async def query(asked: Asked) -> None:
    """Print the answer on stdout; ConfigError for a question that makes no sense."""
    header: tuple[str, ...]
    async with reader(asked.store) as store:
        if asked.devices:
            header, rows = ("device", "profile", "line", "edge", "last"), await _devices(store)
        elif asked.points:
            header, rows = ("device", "point"), await _points(store, asked.device)
        elif asked.device and asked.point:
            header, rows = ("time", "value", "quality"), await _samples(store, asked)
        else:
            raise ConfigError(
                "what is asked?", remedy="say --devices, --points, or --device NAME --point NAME"
            )
    show(asked.form, header, rows)


async def _devices(reader: Reader) -> Rows:
    return [(d.device, d.profile, d.line, d.edge, moment(d.last_ms)) for d in await reader.devices()]


async def _points(reader: Reader, device: str | None) -> Rows:
    names = [device] if device else [one.device for one in await reader.devices()]
    rows = [(name, point) for name in names for point in await reader.points(name)]
    if device and not rows:
        raise await unknown_device(reader, device)
    return rows


async def _samples(reader: Reader, asked: Asked) -> Rows:
    assert asked.device
    assert asked.point
    end_ms = int(time.time() * 1000) + 1
    start_ms = end_ms - round(duration("--last", asked.last) * 1000)
    every_ms = max(1, round(duration("--every", asked.every) * 1000)) if asked.every else None
    samples = await reader.samples(asked.device, asked.point, start_ms, end_ms, every_ms)
    if not samples:
        known = await reader.points(asked.device)
        if not known:
            raise await unknown_device(reader, asked.device)
        if asked.point not in known:
            meant = nearest(asked.point, known)
            remedy = f"did you mean {meant}?" if meant else "see --points"
            raise ConfigError(f"{asked.device} has no point {asked.point}", key="--point", remedy=remedy)
    return [(moment(sample.time_ms), sample.value, _quality(sample)) for sample in samples]


def _quality(sample: Sample) -> str:
    return "good" if sample.reason is None else f"{sample.reason.quality}: {sample.reason}"
