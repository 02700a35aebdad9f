"""Whatever stands in the wrong place of a shipped file, it is told in our words, with what to do about it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from cloud.settings import IngesterSettings
from gateway.settings import GatewaySettings
from qilu.config.error_texts import text_for
from qilu.config.profiles import shipped_configs
from qilu.contract.profile import DeviceProfile
from simulator.plant.settings import PlantSettings

WRONG: tuple[Any, ...] = (None, "?", "", -1, 10**12, 1.5, True, math.nan, [], ["?"], {}, {"?": 1})
FILES: dict[str, type[BaseModel]] = {
    "gateway.yaml": GatewaySettings,
    "ingester.yaml": IngesterSettings,
    "plant.yaml": PlantSettings,
    "bad-day.yaml": PlantSettings,
    "hostile-network.yaml": PlantSettings,
    "profiles/sunspec-inverter.yaml": DeviceProfile,
    "profiles/screw-air-compressor.yaml": DeviceProfile,
    "profiles/schneider-altivar.yaml": DeviceProfile,
}
MORE = {
    "ingester.yaml": {"store": {"type": "influx", "server": "influxdb2", "url": "http://h", "bucket": "b"}},
    "plant.yaml": {
        "start": "2026-06-22 08:00",
        "voltage_dips": [{"start": "1h", "duration": "1s", "depth": 0.5}],
    },
    "gateway.yaml": {
        "mqtt": {"host": "h", "port": 1883, "tls": {"ca": "ca.pem"}, "keepalive": "10s"},
        "processors": [{"type": "stale", "max_unchanged": 2}, {"type": "deadband", "thresholds": []}],
    },
}
"""What the files could also say."""


def places(raw: Any) -> Iterator[tuple[Any, ...]]:
    """Every place in a file but the top; of the items of a list those of the first and the last."""
    keys = raw if isinstance(raw, dict) else {0, len(raw) - 1} if isinstance(raw, list) and raw else ()
    for key in keys:
        yield (key,)
        yield from ((key, *further) for further in places(raw[key]))


def with_value(raw: Any, place: tuple[Any, ...], value: Any) -> Any:
    changed = here = deepcopy(raw)
    for key in place[:-1]:
        here = here[key]
    here[place[-1]] = value
    return changed


@pytest.mark.parametrize("file", FILES)
def test_a_wrong_value_is_reported_with_a_remedy(file: str) -> None:
    raw = yaml.safe_load((shipped_configs() / file).read_text()) | MORE.get(file, {})
    reported = set()
    for place in places(raw):
        for value in WRONG:
            try:
                FILES[file].model_validate(with_value(raw, place, value))
            except ValidationError as error:
                reported |= {
                    (one["type"], *text_for(one, ["key"])) for one in error.errors(include_url=False)
                }
    assert reported
    assert {one for one in reported if not one[-1]} == set()
    assert not any("None" in problem or "Input" in problem for _, problem, _ in reported)
