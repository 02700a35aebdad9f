"""One change at a time: what stays, what begins anew, and what a bug in the middle does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.accounting.account import own
from gateway.app import Gateway
from gateway.reload.exchange import SettingsExchange
from gateway.reload.settings_set import SettingsSet
from qilu.contract.accounting import COUNTS, EVENTS, SCHEDULE, EventKind
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Poll
from qilu.contract.record_codec import decode_record
from tests.gateway.reload.plant import PROFILES, Plant, profile, running, settings_of, take
from tests.gateway.sources.peer import Asked, Line, normal
from tests.support.virtual_time import virtual_time

DEADBAND = [{"type": "deadband", "thresholds": {}, "max_interval": "1h"}]
STALE = [{"type": "stale", "points": ["*"], "max_unchanged": 5}]


def sources(*devices: Mapping[str, Any], url: str = "tcp://10.0.0.1", **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "type": "modbus",
            "url": url,
            "devices": [{"profile": "meter"} | dict(one) for one in devices],
            **more,
        }
    ]


ONE, TWO = {"device": "one", "unit_id": 1}, {"device": "two", "unit_id": 2}


def settings(
    folder: Path,
    wanted: Sequence[Mapping[str, Any]],
    profiles: Mapping[str, DeviceProfile] = PROFILES,
    **more: Any,
) -> SettingsSet:
    return SettingsSet.of(settings_of(folder, wanted, **more), profiles)


def reported(gateway: Gateway, group: str) -> list[Poll]:
    """What the spool has of the reports of this group, in their order."""
    polls = []
    for stream, kept in gateway.spool.pending().items():
        polls += [decode_record(record.body) for record in gateway.spool.read(stream, kept, 2**31)]
    return [poll for poll in polls if poll.readings[0].columns.group == group]


def events(gateway: Gateway, device: str) -> list[EventKind]:
    polls = [poll for poll in reported(gateway, EVENTS) if poll.origin.device == device]
    return [EventKind(int(str(poll.readings[0].values[0]))) for poll in polls]


@virtual_time
async def test_the_account_of_a_changed_device_ends_where_the_next_one_begins(tmp_path: Path) -> None:
    plant, before = Plant(), settings(tmp_path, sources(ONE, TWO))
    async with running(before, plant) as gateway:
        await asyncio.sleep(10)
        before_change = sum(seen.device == "one" for seen in plant.seen)
        await take(gateway, settings(tmp_path, sources(ONE | {"poll_periods": {"default": 0.25}}, TWO)))
        await asyncio.sleep(10)
        gateway.pipeline.reports.stopped()
        polled = [seen.poll for seen in plant.seen if seen.device == "one"]
        await asyncio.sleep(1)
        counts = [poll for poll in reported(gateway, COUNTS) if poll.origin.device == "one"]
        other = [poll for poll in reported(gateway, COUNTS) if poll.origin.device == "two"]
        schedules = [poll.origin.device for poll in reported(gateway, SCHEDULE)]
    (first, second), (whole,) = counts, other
    assert first.due_ms + int(str(first.readings[0].values[0])) == second.due_ms
    assert first.readings[0].values[1] == 4 * before_change
    assert sum(int(str(poll.readings[0].values[1])) for poll in counts) == sum(poll.size for poll in polled)
    assert int(str(whole.readings[0].values[1])) >= 80, "that of another device goes on"
    assert schedules == ["one", "two", "one"]
    assert own(polled[0].origin) == first.origin


@virtual_time
async def test_a_device_that_is_removed_is_reported_and_one_that_is_relabelled_is_not_touched(
    tmp_path: Path,
) -> None:
    plant, before = Plant(), settings(tmp_path, sources(ONE, TWO))
    async with running(before, plant) as gateway:
        await asyncio.sleep(5)
        polled = gateway.sources[0].devices["one"]
        await take(gateway, settings(tmp_path, sources(ONE | {"label": {"en": "First"}})))
        await asyncio.sleep(5)
        assert gateway.sources[0].devices["one"] is polled
        assert gateway.devices.view("one").label.en == "First"
        assert list(gateway.sources[0].devices) == ["one"]
        assert events(gateway, "two")[-1] is EventKind.REMOVED
        assert gateway.health.read()["devices"] == 1
    assert sum(plant.connects().values()) == 1


@virtual_time
async def test_a_poll_in_progress_ends_before_its_endpoint_changes(tmp_path: Path) -> None:
    """A dead unit takes its time-outs; the other endpoint does not wait for it."""

    def behave(line: Line, asked: Asked) -> None:
        if asked.unit != 2:
            normal(line, asked)

    plant = Plant(behave)
    wanted = [*sources(TWO, timeout="3s"), *sources(ONE, url="tcp://10.0.0.2")]
    async with running(settings(tmp_path, wanted), plant) as gateway:
        while not gateway.sources[0].busy:
            await asyncio.sleep(0.01)
        edited = [
            *sources(TWO | {"line": "L2"}, timeout="3s"),
            *sources(ONE | {"line": "L1"}, url="tcp://10.0.0.2"),
        ]
        taking = asyncio.create_task(take(gateway, settings(tmp_path, edited)))
        await asyncio.sleep(0.1)
        assert gateway.exchange.waiting_for == {"tcp://10.0.0.1"}
        assert gateway.devices.view("one").line == "L1"
        assert gateway.devices.view("two").line == ""
        await taking
        assert gateway.devices.view("two").line == "L2"
        lines = [seen.poll.origin.line for seen in plant.seen if seen.device == "two"]
    assert lines[0] == ""


@virtual_time
async def test_a_device_that_moves_is_never_polled_by_two_endpoints(tmp_path: Path) -> None:
    plant = Plant()
    first, second = [ONE, TWO], [{"device": "three", "unit_id": 3}]
    before = [*sources(*first), *sources(*second, url="tcp://10.0.0.2")]
    after = [*sources(ONE), *sources(*second, TWO, url="tcp://10.0.0.2")]
    async with running(settings(tmp_path, before), plant) as gateway:
        await asyncio.sleep(5)
        await take(gateway, settings(tmp_path, after))
        moved = asyncio.get_running_loop().time()
        await asyncio.sleep(5)
        assert list(gateway.sources[1].devices) == ["three", "two"]
    asked = plant.peer("10.0.0.1").asked
    assert max(request.time for request in asked if request.unit == 2) <= moved
    assert min(request.time for request in plant.peer("10.0.0.2").asked if request.unit == 2) >= moved


@virtual_time
async def test_processors_with_the_same_settings_keep_their_state(tmp_path: Path) -> None:
    """A deadband lets a value pass once; after the change of another processor, or device, not again."""
    plant = Plant()
    before = settings(tmp_path, sources(ONE, TWO), processors=DEADBAND)
    after = settings(tmp_path, sources(ONE, TWO | {"line": "L"}), processors=[*STALE, *DEADBAND])
    async with running(before, plant) as gateway:
        await asyncio.sleep(5)
        suppressed = gateway.pipeline.tally.suppressed_points
        seen = len(plant.seen)
        await take(gateway, after)
        await asyncio.sleep(3)
        polls = plant.seen[seen:]
        assert len(gateway.pipeline.processors) == 3
        let_through = sum(poll.poll.size for poll in polls) - (
            gateway.pipeline.tally.suppressed_points - suppressed
        )
    assert let_through == 4, "the four values of the changed device, once"


@virtual_time
async def test_learned_limits_stay_where_the_profile_does(tmp_path: Path) -> None:
    def behave(line: Line, asked: Asked) -> None:
        if asked.read.address <= 2 < asked.read.address + asked.read.quantity:
            line.refuse(asked, 2)
        else:
            normal(line, asked)

    plant = Plant(behave)
    async with running(settings(tmp_path, sources(ONE, TWO)), plant) as gateway:
        await asyncio.sleep(3)
        plan = gateway.sources[0].plan_of("two")
        assert plan is not None
        assert set(plan.refused) == {"p2"}
        await take(gateway, settings(tmp_path, sources(ONE | {"line": "L"}, TWO)))
        assert gateway.sources[0].plan_of("two") is plan
        changed = gateway.sources[0].plan_of("one")
        assert changed is not None
        assert set(changed.refused) == {"p2"}


@virtual_time
async def test_a_longer_reply_needs_a_new_connection_and_a_shorter_one_does_not(tmp_path: Path) -> None:
    plant = Plant()
    long = profile("meter", range(4), limits={"max_registers": 500})
    async with running(settings(tmp_path, sources(ONE, TWO)), plant) as gateway:
        await asyncio.sleep(3)
        await take(gateway, settings(tmp_path, sources(ONE, TWO), {**PROFILES, "meter": long}))
        await asyncio.sleep(3)
        assert sum(plant.connects().values()) == 2
        await take(gateway, settings(tmp_path, sources(ONE, TWO)))
        await asyncio.sleep(3)
    assert sum(plant.connects().values()) == 2


@virtual_time
async def test_a_bug_in_the_middle_of_a_change_is_raised_and_not_taken_for_one_of_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    plant = Plant()
    async with running(settings(tmp_path, sources(ONE, TWO)), plant) as gateway:
        await asyncio.sleep(3)
        monkeypatch.setattr(SettingsExchange, "_account", broken)
        with pytest.raises(ExceptionGroup) as raised:
            await take(gateway, settings(tmp_path, sources(ONE)))
    assert raised.group_contains(ZeroDivisionError)
