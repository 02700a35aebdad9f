"""What a point is travels with its values: unit, labels, normal range, texts of codes, period."""

from __future__ import annotations

import pytest

from qilu.config.profiles import profiles
from qilu.contract.ack_codes import RefusalError
from qilu.contract.point_info import MAX_POINTS_EACH, PointInfo, described, infos_of, rows
from qilu.contract.profile import Label
from qilu.contract.reading import BlockSchema, Origin, Reading

COMPRESSOR = profiles(["screw-air-compressor"])["screw-air-compressor"]
ORIGIN = Origin("edge-1", "compressor-1", "screw-air-compressor", "acme", "jinan", "air")


def test_every_point_that_is_read_is_described_as_its_profile_does() -> None:
    infos = dict(described(COMPRESSOR, Label(zh="1 号空压机"), "空压站", {"fast": 1.0, "slow": 30.0}))
    assert set(infos) == {point.name for point in COMPRESSOR.points}
    pressure = infos["discharge_pressure"]
    assert (pressure.unit, pressure.label_zh, pressure.normal_min, pressure.period_s) == (
        "bar", "排气压力", 6, 1.0,
    )  # fmt: skip
    assert (pressure.device_label_zh, pressure.place) == ("1 号空压机", "空压站")
    assert infos["energy"].period_s == 30.0
    assert infos["state"].codes_zh.startswith("0=停机; 1=待机; 2=换型")


def test_what_is_sent_is_what_is_read() -> None:
    infos = [(f"point_{number}", PointInfo("press", "bar")) for number in range(MAX_POINTS_EACH + 1)]
    found = []
    for columns, values in rows(ORIGIN, infos):
        assert columns.origin.profile == "point-info"
        assert columns.origin.line == "air"
        found += infos_of(Reading(columns, 7, values))
    assert found == infos


@pytest.mark.parametrize(
    "value", ["", "7", '{"unit": "bar"}', '{"profile": "a", "unit": "\\u0007"}', None, 1.5]
)
def test_a_description_of_another_shape_is_refused(value: str | float | None) -> None:
    columns = BlockSchema(ORIGIN, "point_info", ("force",))
    with pytest.raises(RefusalError, match="description of"):
        infos_of(Reading(columns, 7, (value,)))
