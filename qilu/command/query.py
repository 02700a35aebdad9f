"""Asks a store and prints what it answers, for people or for programs."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qilu.command.asking import Rows, duration, moment, reader, show, unknown_device
from qilu.contract.completeness import COLLECTION
from qilu.contract.errors import ConfigError
from qilu.contract.reading import DeviceKey
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
    """One row for each device; what its edge says of collecting it is a row only where nothing else is."""
    devices = await reader.devices()
    machines = {one.device for one in devices if one.profile != COLLECTION}
    return [
        (one.device, one.profile, one.line, one.edge, moment(one.last_ms))
        for one in devices
        if one.profile != COLLECTION or one.device not in machines
    ]


async def _points(reader: Reader, device: str | None) -> Rows:
    rows = []
    for key, profiles in sorted((await _profiles(reader)).items()):
        if device in (None, key.device):
            points = {point for profile in profiles for point in await reader.points(key, profile=profile)}
            rows += [(key.device, point) for point in sorted(points)]
    if device and not rows:
        raise await unknown_device(reader, device)
    return rows


async def _samples(reader: Reader, asked: Asked) -> Rows:
    assert asked.device
    assert asked.point
    profiles = {key: of for key, of in (await _profiles(reader)).items() if key.device == asked.device}
    if not profiles:
        raise await unknown_device(reader, asked.device)
    found = await _samples_of(reader, asked, profiles)
    if not found:
        known = [
            point
            for key, of in profiles.items()
            for one in of
            for point in await reader.points(key, profile=one)
        ]
        if asked.point not in known:
            collecting = {key: [COLLECTION] for key in profiles}
            if not any([asked.point in await reader.points(key, profile=COLLECTION) for key in collecting]):
                meant = nearest(asked.point, known)
                remedy = f"did you mean {meant}?" if meant else "see --points"
                raise ConfigError(f"{asked.device} has no point {asked.point}", key="--point", remedy=remedy)
            found = await _samples_of(reader, asked, collecting)
    if not found:
        await _tell_when_it_was_heard(reader, asked)
    return [(moment(sample.time_ms), sample.value, _quality(sample)) for sample in found]


async def _tell_when_it_was_heard(reader: Reader, asked: Asked) -> None:
    last = max(moment(one.last_ms) for one in await reader.devices() if one.device == asked.device)
    sys.stderr.write(f"qilu: nothing in the last {asked.last}; {asked.device} was last heard at {last}\n")


async def _samples_of(
    reader: Reader, asked: Asked, profiles: Mapping[DeviceKey, Sequence[str]]
) -> list[Sample]:
    assert asked.point
    end_ms = int(time.time() * 1000) + 1
    start_ms = end_ms - round(duration("--last", asked.last) * 1000)
    every_ms = max(1, round(duration("--every", asked.every) * 1000)) if asked.every else None
    found: list[Sample] = []
    for key, of in profiles.items():
        for profile in of:
            found += await reader.samples(key, asked.point, start_ms, end_ms, every_ms, profile=profile)
    return sorted(found, key=lambda sample: sample.time_ms)


async def _profiles(reader: Reader) -> dict[DeviceKey, list[str]]:
    """The profiles of each device, without what its edge says of collecting it.

    A point of that may have the name of one of the machine's: the machine's is meant.
    """
    found: dict[DeviceKey, list[str]] = {}
    for one in await reader.devices():
        found.setdefault(one.key, []).append(one.profile)
    return {
        key: list(dict.fromkeys(profile for profile in profiles if profile != COLLECTION)) or [COLLECTION]
        for key, profiles in found.items()
    }


def _quality(sample: Sample) -> str:
    return "good" if sample.reason is None else f"{sample.reason.quality}: {sample.reason}"
