"""What a changed key does: each one has its class, and the comparison names what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gateway.reload.comparison import (
    CONSOLE_KEYS,
    DEVICE_KEYS,
    ENDPOINT_KEYS,
    GATEWAY_KEYS,
    DeviceChange,
    Effect,
    EndpointChange,
    Fate,
    SettingsChange,
    Verdict,
    compare,
)
from gateway.reload.settings_set import SettingsSet
from gateway.settings import ConsoleSettings, GatewaySettings
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from tests.gateway.reload.plant import PROFILES, profile, settings_of

URL, OTHER = "tcp://10.0.0.1", "tcp://10.0.0.2"


@pytest.mark.parametrize(
    ("model", "table"),
    [
        (GatewaySettings, GATEWAY_KEYS),
        (ConsoleSettings, CONSOLE_KEYS),
        (ModbusSettings, ENDPOINT_KEYS),
        (DeviceSettings, DEVICE_KEYS),
    ],
)
def test_every_key_of_the_settings_has_a_class(model: type[BaseModel], table: Mapping[str, Effect]) -> None:
    assert set(model.model_fields) == set(table), (
        "say in gateway/reload/comparison.py what a change of it does"
    )


def sources() -> list[dict[str, Any]]:
    return [
        {
            "type": "modbus",
            "url": url,
            "devices": [{"device": f"{name}-{unit}", "unit_id": unit, "profile": "meter"} for unit in (1, 2)],
        }
        for name, url in (("a", URL), ("b", OTHER))
    ]


def change_of(
    folder: Path,
    edit: Callable[[list[dict[str, Any]]], object] = lambda _: None,
    profiles: Mapping[str, Any] = PROFILES,
    **more: Any,
) -> SettingsChange:
    """What an edit of the sources, other profiles, or other keys change."""
    edited = sources()
    edit(edited)
    old = SettingsSet.of(settings_of(folder, sources(), console={}), PROFILES)
    return compare(old, SettingsSet.of(settings_of(folder, edited, **({"console": {}} | more)), profiles))


def test_equal_settings_change_nothing(tmp_path: Path) -> None:
    change = change_of(tmp_path)
    assert change == SettingsChange()
    assert change.verdict is Verdict.NOTHING


@pytest.mark.parametrize(
    ("more", "keys"),
    [
        ({"edge": "edge-2"}, ("edge",)),
        ({"mqtt": {"port": 1}}, ("mqtt.port",)),
        ({"delivery": {"free_on": "broker", "linger": "1s"}}, ("delivery.linger",)),
        ({"console": None}, ("console",)),
        ({"console": {"listen": "127.0.0.1:9"}}, ("console.listen",)),
        ({"history": {}}, ("history",)),
        ({"accounting_interval": "2m"}, ("accounting_interval",)),
    ],
)
def test_a_key_that_needs_a_restart_is_named(
    tmp_path: Path, more: Mapping[str, Any], keys: tuple[str, ...]
) -> None:
    change = change_of(tmp_path, lambda edited: edited[0]["devices"].pop(), **more)
    assert change.restart == keys
    assert change.verdict is Verdict.RESTART, "although a device could be removed without one"


@pytest.mark.parametrize(
    ("more", "keys"),
    [
        ({"label": {"en": "North"}}, ("label",)),
        ({"processors": [{"type": "deadband", "thresholds": {}}]}, ("processors",)),
        ({"console": {"language": "zh"}}, ("console.language",)),
    ],
)
def test_a_key_of_the_gateway_that_changes_while_it_runs_is_named(
    tmp_path: Path, more: Mapping[str, Any], keys: tuple[str, ...]
) -> None:
    change = change_of(tmp_path, **more)
    assert (change.edge, change.verdict) == (keys, Verdict.HOT)


def edit_device(**keys: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda edited: edited[0]["devices"][0].update(keys)


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (edit_device(unit_id=9), DeviceChange("a-1", Fate.CHANGED, URL, ("unit_id",))),
        (edit_device(line="L3"), DeviceChange("a-1", Fate.CHANGED, URL, ("line",))),
        (edit_device(place="U-5"), DeviceChange("a-1", Fate.RELABELLED, URL, ("place",))),
        (lambda edited: edited[0]["devices"].pop(), DeviceChange("a-2", Fate.REMOVED, URL)),
        (
            lambda edited: edited[1]["devices"].append({"device": "new", "unit_id": 9, "profile": "pump"}),
            DeviceChange("new", Fate.ADDED, OTHER),
        ),
        (
            lambda edited: edited[1]["devices"].append(edited[0]["devices"].pop() | {"unit_id": 9}),
            DeviceChange("a-2", Fate.CHANGED, OTHER, ("unit_id", "url")),
        ),
    ],
)
def test_one_device_that_does_not_stay_is_named(
    tmp_path: Path, edit: Callable[[list[dict[str, Any]]], object], changed: DeviceChange
) -> None:
    change = change_of(tmp_path, edit)
    assert change.devices == (changed,)
    assert not change.endpoints
    assert not change.restart


def test_a_profile_changes_the_devices_that_have_it(tmp_path: Path) -> None:
    other = {"meter": profile("meter", range(5)), "pump": PROFILES["pump"]}
    change = change_of(tmp_path, profiles=other)
    assert [entry.device for entry in change.devices] == ["a-1", "a-2", "b-1", "b-2"]
    assert {entry.keys for entry in change.devices} == {("profile meter",)}
    assert not change.endpoints, "their connections stay"


def test_a_key_of_an_endpoint_changes_all_of_its_devices(tmp_path: Path) -> None:
    change = change_of(tmp_path, lambda edited: edited[1].update(retries=3))
    assert change.endpoints == (EndpointChange(OTHER, Fate.CHANGED, ("retries",)),)
    assert [(entry.device, entry.fate) for entry in change.devices] == [
        ("b-1", Fate.CHANGED),
        ("b-2", Fate.CHANGED),
    ]


def test_another_order_is_no_change_of_a_device(tmp_path: Path) -> None:
    change = change_of(tmp_path, lambda edited: edited.reverse())
    assert change == SettingsChange(reordered=True)


def test_an_endpoint_that_comes_or_goes_is_named(tmp_path: Path) -> None:
    change = change_of(tmp_path, lambda edited: edited[0].update(url="tcp://10.0.0.3"))
    assert change.endpoints == (
        EndpointChange("tcp://10.0.0.3", Fate.ADDED),
        EndpointChange(URL, Fate.REMOVED),
    )
    assert {entry.keys for entry in change.devices} == {("url",)}
