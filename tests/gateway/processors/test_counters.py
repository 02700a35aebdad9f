"""Counters of a profile become totals, in their unit, device by device."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from gateway.app import build
from gateway.processors.unwrap import CounterUnwrapper
from gateway.settings import GatewaySettings
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason, Value

ENERGY: dict[str, Any] = {
    "name": "energy", "table": "input", "address": 0, "type": "uint16", "kind": "counter", "accumulate": True,
}  # fmt: skip
RAW = {**ENERGY, "name": "energy_raw", "accumulate": False, "overlaps": "energy"}
M = 65536


def counters(*points: dict[str, Any], parameters: dict[str, float] | None = None) -> CounterUnwrapper:
    profile = DeviceProfile.model_validate(
        {"profile": "meter", "points": list(points), "parameters": parameters or {}}
    )
    return CounterUnwrapper(dict.fromkeys(("meter-1", "meter-2"), (profile, profile.parameters)))


def poll(device: str = "meter-1", time_ms: int = 1000, **values: Value) -> Poll:
    columns = BlockSchema(Origin("edge-1", device, "meter"), "default", tuple(values))
    reasons = {index: Reason.TIMEOUT for index, value in enumerate(values.values()) if value is None}
    return Poll(time_ms, (Reading(columns, time_ms, tuple(values.values()), reasons),))


def energies(processor: CounterUnwrapper, *polls: Poll) -> list[Value]:
    found = []
    for one in polls:
        (after,) = processor.process(one)
        reading = after.readings[0]
        found.append(reading.values[reading.columns.points.index("energy")])
    return found


def test_the_total_goes_on_and_the_register_can_have_a_point_of_its_own() -> None:
    processor = counters(ENERGY, RAW)
    raws = (M - 2, 3, 5)
    last = [processor.process(poll(energy=raw, energy_raw=raw)) for raw in raws][-1]
    assert last[0].readings[0].values == (M + 5, 5)


@pytest.mark.parametrize(
    ("scale", "parameters", "total"),
    [(1, {}, M + 5), (0.01, {}, 655.41), ({"parameter": "ct"}, {"ct": 20}, 20 * (M + 5))],
)
def test_the_modulus_is_in_the_unit_of_the_values(
    scale: object, parameters: dict[str, float], total: float
) -> None:
    processor = counters({**ENERGY, "scale": scale}, parameters=parameters)
    factor = scale if isinstance(scale, int | float) else 20
    found = energies(processor, *(poll(energy=raw * factor) for raw in (M - 2, 3, 5)))
    assert found[-1] == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize(("scale", "total"), [(1, M // 2 + 5), (0.5, (M // 2 + 5) / 2)])
def test_the_total_goes_on_where_a_signed_register_becomes_negative(scale: float, total: float) -> None:
    processor = counters({**ENERGY, "type": "int16", "scale": scale})
    raws = (M // 2 - 2, -M // 2 + 3, -M // 2 + 5)
    assert energies(processor, *(poll(energy=raw * scale) for raw in raws))[-1] == total


def test_a_scale_factor_makes_the_modulus_too() -> None:
    exponent = {"name": "sf", "table": "input", "address": 9, "type": "int16"}
    processor = counters(exponent, {**ENERGY, "scale": {"point": "sf"}})
    found = energies(processor, *(poll(energy=100.0 * raw, sf=2) for raw in (M - 2, 3, 5)))
    assert found[-1] == 100 * (M + 5)
    assert energies(processor, poll(energy=None, sf=30000)) == [None]


def test_devices_are_counted_apart_and_others_left_alone() -> None:
    processor = counters(ENERGY)
    ours = [poll("meter-1", energy=raw) for raw in (M - 2, 3)]
    others = [poll("meter-2", energy=raw) for raw in (7, 8)]
    assert energies(processor, ours[0], others[0], ours[1], others[1]) == [M - 2, 7, M - 2, 8]
    stranger = poll("press-1", energy=1)
    assert processor.process(stranger) == (stranger,)


def test_bad_values_stay_bad_and_change_nothing() -> None:
    processor = counters(ENERGY)
    assert energies(processor, *(poll(energy=raw) for raw in (M - 2, None, 3, None, 5))) == [
        M - 2, None, M - 2, None, M + 5,
    ]  # fmt: skip


def test_what_happens_is_logged_once_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    processor = counters(ENERGY)
    with caplog.at_level(logging.WARNING):
        for minute in range(0, 90, 10):
            for value in (1000, 0, 1001, 1000):
                energies(processor, poll(time_ms=60_000 * minute, energy=value))
    glitches = [record for record in caplog.messages if "wrong value" in record]
    assert len(glitches) == 2
    assert glitches[0].startswith("counter energy of meter-1: read")


def test_a_profile_without_such_counters_needs_no_processor() -> None:
    assert not counters({**ENERGY, "accumulate": False})


def test_a_gateway_unwraps_ahead_of_what_its_settings_ask_for(tmp_path: Path) -> None:
    profile = DeviceProfile.model_validate({"profile": "meter", "points": [ENERGY]})
    settings = GatewaySettings.model_validate(
        {
            "edge": "edge-1",
            "spool": {"directory": tmp_path},
            "delivery": {"free_on": "broker"},
            "processors": [{"type": "select", "exclude": ["x"]}],
            "sources": [
                {
                    "type": "modbus",
                    "url": "tcp://127.0.0.1:1",
                    "devices": [{"device": "meter-1", "unit_id": 1, "profile": "meter"}],
                }
            ],
        }
    )
    first, *others = build(settings, {"meter": profile}).pipeline.processors
    assert isinstance(first, CounterUnwrapper)
    assert len(others) == 1
