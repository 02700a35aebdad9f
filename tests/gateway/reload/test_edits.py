"""Fifty devices on five endpoints whose settings are edited while they are polled."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gateway.reload.comparison import Fate, compare
from gateway.reload.settings_set import SettingsSet
from tests.gateway.reload.plant import PROFILES, Plant, running, settings_of, take
from tests.support.virtual_time import run

ENDPOINTS, DEVICES, EDITS = 5, 10, 20
BETWEEN_S = 3.7
"""Seconds of the plant between two edits."""

Sources = list[dict[str, Any]]


def first_sources() -> Sources:
    return [
        {
            "type": "modbus",
            "url": f"tcp://10.0.0.{place}",
            "devices": [device(f"d{place}-{number}", number + 1) for number in range(DEVICES)],
        }
        for place in range(ENDPOINTS)
    ]


def device(name: str, unit: int) -> dict[str, Any]:
    return {"device": name, "unit_id": unit, "profile": "meter", "poll_periods": {"default": 1}}


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, int, int, int]:
    kind = draw(
        st.sampled_from(
            [
                "period",
                "label",
                "place",
                "line",
                "profile",
                "unit",
                "remove",
                "add",
                "move",
                "endpoint",
                "order",
            ]
        )
    )
    number = st.integers(0, 10_000)
    return kind, draw(number), draw(number), draw(number)


def edited(sources: Sources, kind: str, place: int, index: int, value: int) -> Sources:
    """The sources after one edit; the same where it does not fit."""
    new = [{**source, "devices": [dict(entry) for entry in source["devices"]]} for source in sources]
    source = new[place % len(new)]
    devices = source["devices"]
    entry = devices[index % len(devices)]
    free = next(unit for unit in range(1, 248) if all(unit != one["unit_id"] for one in devices))
    if kind == "period":
        entry["poll_periods"] = {"default": [0.5, 1, 2, 7][value % 4]}
    elif kind in ("label", "place", "line"):
        entry[kind] = {"zh": f"设备{value}", "en": f"no {value}"} if kind == "label" else f"{kind}-{value}"
    elif kind == "profile":
        entry["profile"] = ["meter", "pump"][value % 2]
    elif kind == "unit":
        entry["unit_id"] = free
    elif kind == "remove" and len(devices) > 1:
        devices.remove(entry)
    elif kind == "add":
        devices.insert(index % len(devices), device(f"new-{place}-{index}-{value}", free))
    elif kind == "move" and len(devices) > 1:
        target = new[value % len(new)]["devices"]
        units = {one["unit_id"] for one in target}
        if target is not devices and entry["unit_id"] not in units:
            devices.remove(entry)
            target.append(entry)
    elif kind == "endpoint":
        source["retries"] = value % 3
    elif kind == "order":
        devices.reverse()
    return new


@pytest.mark.slow
@settings(max_examples=5, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.lists(edits(), min_size=EDITS, max_size=EDITS))
def test_an_untouched_device_misses_no_poll_and_no_transport_is_opened_again(
    wanted: list[tuple[str, int, int, int]],
) -> None:
    with TemporaryDirectory() as folder:
        run(_play(Path(folder), wanted))


async def _play(folder: Path, wanted: list[tuple[str, int, int, int]]) -> None:
    plant, sources = Plant(), first_sources()
    present = SettingsSet(settings_of(folder, sources), PROFILES)
    begins = dict.fromkeys(present.devices, asyncio.get_running_loop().time())
    """Device -> when it last began anew."""
    ends: dict[str, float] = {}
    connects = dict.fromkeys((f"10.0.0.{place}" for place in range(ENDPOINTS)), 1)
    async with running(present, plant) as gateway:
        await asyncio.sleep(BETWEEN_S)
        for kind, place, index, value in wanted:
            sources = edited(sources, kind, place, index, value)
            new = SettingsSet(settings_of(folder, sources), PROFILES)
            change = compare(present, new)
            await take(gateway, new)
            now = asyncio.get_running_loop().time()
            for entry in change.devices:
                if entry.fate is Fate.REMOVED:
                    ends[entry.device] = now
                elif entry.fate is not Fate.RELABELLED:
                    begins[entry.device] = now
                    ends.pop(entry.device, None)
            for endpoint in change.endpoints:
                connects[endpoint.url.removeprefix("tcp://")] += endpoint.fate is Fate.CHANGED
            present = new
            assert list(gateway.devices.views(0)) == [gateway.devices.view(name) for name in new.devices]
            await asyncio.sleep(BETWEEN_S)
            _judge(plant, present, begins, ends)
    assert dict(plant.connects()) == connects


def _judge(
    plant: Plant, present: SettingsSet, begins: Mapping[str, float], ends: Mapping[str, float]
) -> None:
    now = asyncio.get_running_loop().time()
    dues: dict[str, list[int]] = {name: [] for name in present.devices}
    for at, name, poll in plant.seen:
        if name in ends:
            assert at <= ends[name], f"{name} was removed, and is polled"
        elif at > begins[name]:
            assert not any(reading.reasons for reading in poll.readings), poll
            assert poll.skipped == 0, poll
            dues[name].append(poll.due_ms)
    for name, entry in present.devices.items():
        period_ms = 1000 * entry.settings.poll_periods["default"]
        # A long period has its first poll early, off the grid.
        gaps = [after - before for before, after in zip(dues[name][:-1], dues[name][1:], strict=True)]
        grid = gaps[1:] if period_ms > 5000 else gaps
        assert all(abs(gap - period_ms) <= 1 for gap in grid), (name, period_ms, dues[name])
        expected = int((now - begins[name]) / entry.settings.poll_periods["default"])
        assert len(dues[name]) >= expected - 1, (name, period_ms, dues[name])
