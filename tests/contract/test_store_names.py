"""A profile and a point have names that query languages take without a detour."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from qilu.config.profiles import profiles, shipped_configs
from qilu.contract.accounting import PROFILES
from qilu.contract.profile import DeviceProfile
from qilu.contract.store_names import measurement_name, metric_name, shared_metrics


def profile(name: str, *points: str) -> DeviceProfile:
    each = [
        {"name": point, "table": "input", "address": index, "type": "uint16"}
        for index, point in enumerate(points)
    ]
    return DeviceProfile.model_validate({"profile": name, "points": each})


def test_a_hyphen_becomes_an_underscore() -> None:
    assert measurement_name("screw-air-compressor") == "screw_air_compressor"
    assert metric_name("screw-air-compressor", "discharge_pressure") == (
        "screw_air_compressor_discharge_pressure"
    )
    assert metric_name("3-phase", "voltage") == "_3_phase_voltage"


def test_what_an_edge_reports_of_itself_is_named_after_qilu() -> None:
    of_edges = ["gateway", "edge_info", "edge_collection", "collection", "point_info"]
    of_the_cloud = ["ingester", "gateway", "audit"]
    assert [measurement_name(name) for name in PROFILES] == [
        f"qilu_{name}" for name in of_edges + of_the_cloud
    ]


@given(st.text(min_size=1), st.text(min_size=1))
def test_every_name_is_one_of_prometheus_whatever_an_edge_sends(name: str, point: str) -> None:
    assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", metric_name(name, point))


def test_two_profiles_that_meet_in_a_metric_are_found() -> None:
    one, other = profile("press", "oil_level", "oil_heat"), profile("press-oil", "level", "heat")
    assert list(shared_metrics([one, other])) == [("press-oil", "press", "press_oil_level")]
    assert list(shared_metrics([one, profile("qilu-gateway", "polls")])) == [
        ("qilu-gateway", "gateway", "qilu_*")
    ]


def test_the_shipped_profiles_do_not_meet() -> None:
    names = sorted(file.stem for file in (shipped_configs() / "profiles").glob("*.yaml"))
    assert list(shared_metrics(profiles(names).values())) == []
