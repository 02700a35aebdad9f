"""Columns are shared, and what an edge invents costs no other edge and no memory without end."""

import gc
import weakref

import pytest

from qilu.contract.accounting import CLOUD_PROFILES
from qilu.contract.ack_codes import RefusalError
from qilu.contract.errors import DataError
from qilu.contract.known_columns import KnownColumns
from qilu.contract.limits import MAX_NAME


def key(edge: str, device: str, *points: str) -> tuple[str, str, str, str, str, str, str, tuple[str, ...]]:
    return (edge, device, "press", "acme", "jinan", "line-a", "fast", points)


def test_equal_columns_are_one_object_and_devices_of_one_profile_share_their_points() -> None:
    known = KnownColumns()
    first, same, other = (known.get(key("edge-1", device, "force", "oil")) for device in ("a", "a", "b"))
    assert first is same
    assert first.origin.device == "a"
    assert first.points is other.points


def test_an_edge_that_invents_names_stays_within_the_bound_and_harms_no_other() -> None:
    known = KnownColumns(max_bytes=200_000)
    honest = known.get(key("honest", "press-1", "force"))
    for number in range(5000):
        known.get(key("flood", f"device-{number}", f"point_{number}"))
        assert known.bytes <= 200_000
    assert known.get(key("honest", "press-1", "force")) is honest


def test_what_others_keep_for_columns_lasts_as_long_as_they_do() -> None:
    known = KnownColumns(max_bytes=20_000)
    beside = weakref.WeakKeyDictionary[object, int]()
    for number in range(1005):
        beside[known.get(key("flood", f"device-{number}", "force"))] = number
        gc.collect(0)
        assert len(beside) <= 20
    assert len(beside) > 0


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("name", ["x" * (MAX_NAME + 1), "a\x1b[2J", "a\nb", "a\u202eb", "a\x9bb"])
def test_no_name_may_be_too_long_or_control_a_terminal(place: int, name: str) -> None:
    names = list(key("edge-1", "press-1", "force"))
    names[place] = ("force", name) if place == 7 else name
    with pytest.raises(DataError, match="name"):
        KnownColumns().get(tuple(names))  # type: ignore[arg-type]


@pytest.mark.parametrize("profile", CLOUD_PROFILES)
def test_an_edge_cannot_report_in_the_name_of_the_cloud(profile: str) -> None:
    names = list(key("edge-1", "edge-1", "expected"))
    names[2] = profile
    with pytest.raises(RefusalError, match="one of the cloud"):
        KnownColumns().get(tuple(names))  # type: ignore[arg-type]


def test_a_point_without_a_name_is_refused() -> None:
    with pytest.raises(RefusalError, match="a point without a name"):
        KnownColumns().get(key("edge-1", "press-1", "force", ""))
