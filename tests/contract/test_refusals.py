"""What the contract refuses, and with which words: names, intervals, records, acknowledgements, profiles."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from qilu.contract.ack_codes import RefusalError
from qilu.contract.errors import DataError
from qilu.contract.limits import MAX_NAME, MAX_POINTS, PlaceName, StoreName
from qilu.contract.messages import decode_ack
from qilu.contract.profile import DeviceProfile
from qilu.contract.ranges import IntervalSet
from qilu.contract.record_codec import UnknownVersionError, decode_record, read_head
from qilu.contract.text_escaping import plain, plain_json, plain_lines
from qilu.contract.topics import TopicName

RECORD: dict[str, Any] = {
    "due_ms": 1, "edge": "edge-1", "device": "press-1", "profile": "press", "group": "fast",
    "readings": [{"t": 1, "v": {"force": 1.5}}],
}  # fmt: skip


def record(**changes: Any) -> bytes:
    return json.dumps(RECORD | changes).encode()


@pytest.mark.parametrize(
    ("kind", "name", "problem"),
    [
        (PlaceName, "x" * (MAX_NAME + 1), "the limit is 128"),
        (PlaceName, "hall\x1b[2J", "controls a terminal"),
        (StoreName, "", "cannot be the name of a store"),
        (StoreName, " plant", "cannot be the name of a store"),
        (StoreName, "ｐlant", "cannot be the name of a store"),
        (TopicName, "x" * (MAX_NAME + 1), "the limit is 128"),
        (TopicName, "a/b", "cannot be part of a topic"),
        (TopicName, "a.b", "take '.' in a name for a separator"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_with_a_remedy(kind: Any, name: str, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(name)
    (details,) = caught.value.errors()
    assert problem in details["msg"]
    assert details["ctx"]["remedy"]


@pytest.mark.parametrize(
    ("kind", "name"), [(PlaceName, "二号车间"), (StoreName, "plant-store"), (TopicName, "冲压-1")]
)
def test_an_ordinary_name_stays_as_it_is(kind: Any, name: str) -> None:
    assert TypeAdapter(kind).validate_python(name) == name


@pytest.mark.parametrize("text", ["1-", "-1", "x", "3-2", "2,1", "1-3,3", "9" * 40, "1,,2", "٣"])
def test_a_text_that_is_no_set_of_intervals_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="ranges"):
        IntervalSet.parse(text)


def test_an_empty_set_has_neither_a_first_nor_a_last_number_and_equals_no_other_thing() -> None:
    empty = IntervalSet()
    for ask in (empty.first, empty.last):
        with pytest.raises(ValueError, match="of no numbers"):
            ask()
    with pytest.raises(ValueError, match="is not a run"):
        empty.add(-1)
    assert empty != "0-3"
    assert repr(IntervalSet.parse("1-3,7")) == "IntervalSet('1-3,7')"


def test_a_record_without_origin_or_readings_or_with_too_many_is_none() -> None:
    assert decode_record(record()).origin.device == "press-1"
    many = [{"t": 1, "v": {}}] * (MAX_POINTS + 1)
    wide = [{"t": 1, "v": {f"p{number}": 1 for number in range(MAX_POINTS + 1)}}]
    wrong: list[dict[str, Any]] = [
        {"edge": ""},
        {"device": ""},
        {"readings": []},
        {"readings": many},
        {"readings": wide},
    ]
    for changes in wrong:
        with pytest.raises(DataError, match="record: "):
            decode_record(record(**changes))


def test_a_quality_of_a_point_that_is_not_there_makes_a_record_none() -> None:
    with pytest.raises(DataError, match="names a point"):
        decode_record(record(readings=[{"t": 1, "v": {"force": None}, "q": {"speed": "timeout"}}]))


def test_a_record_of_another_edge_is_refused_as_that() -> None:
    with pytest.raises(RefusalError, match="of edge 'edge-1', sent by 'edge-2'"):
        decode_record(record(), edge="edge-2")


@pytest.mark.parametrize("message", [b"", b"{}", b'{"qilu":1,"stream":"zz"', b"\xff" * 100])
def test_a_message_without_a_head_is_none(message: bytes) -> None:
    with pytest.raises(DataError):
        read_head(message)


def test_a_message_or_an_acknowledgement_of_a_later_version_is_named_so() -> None:
    with pytest.raises(UnknownVersionError, match="version 99"):
        read_head(b'{"qilu":99,"whatever":1}')
    later = {"qilu": 99, "store": "s", "ingester": "i", "stream": "1"}
    with pytest.raises(UnknownVersionError, match="version 99"):
        decode_ack(json.dumps(later).encode())


@pytest.mark.parametrize(
    "changes",
    [{"stream": "zz"}, {"rejected": {"1-2": "why"}}, {"deferred": {"x": "clock"}}, {"stored": "3-1"}],
)
def test_an_acknowledgement_that_cannot_be_read_is_none(changes: dict[str, Any]) -> None:
    ack = {"qilu": 1, "store": "s", "ingester": "i", "stream": "1"}
    assert decode_ack(json.dumps(ack).encode()).stream == 1
    with pytest.raises(DataError):
        decode_ack(json.dumps(ack | changes).encode())


def test_control_characters_are_written_out_in_every_kind_of_text() -> None:
    assert plain("a\nb\x1b") == r"a\nb\x1b"
    assert plain_lines("a\nb\x1b") == "a\nb\\x1b"
    assert plain_json('{\n"a": "\u202e"}') == '{\n"a": "\\u202e"}'


def profile(limits: dict[str, Any]) -> dict[str, Any]:
    points = [{"name": "power", "table": "holding", "address": 10, "type": "float32"}]
    return {"profile": "meter", "points": points, "limits": limits}


def span(first: int, last: int) -> dict[str, Any]:
    return {"table": "holding", "first": first, "last": last}


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({"unreadable": [span(9, 5)]}, "first 9 is above last 5"),
        ({"read_whole": [span(9, 5)]}, "first 9 is above last 5"),
        ({"read_whole": [span(0, 200)]}, "more than the 125 addresses"),
        ({"read_whole": [span(0, 5), span(5, 8)]}, "shares addresses"),
        ({"read_whole": [span(0, 5)], "unreadable": [span(5, 8)]}, "shares addresses"),
        ({"read_whole": [span(11, 15)]}, "only partly in"),
        ({"unreadable": [span(11, 15)]}, "`limits.unreadable` forbids"),
    ],
)
def test_ranges_of_a_profile_that_contradict_each_other_are_refused(
    limits: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        DeviceProfile.model_validate(profile(limits))
    assert any(problem in details["msg"] for details in caught.value.errors())


def test_ranges_that_fit_are_taken() -> None:
    limits = {"read_whole": [span(10, 15)], "unreadable": [span(20, 30)]}
    assert DeviceProfile.model_validate(profile(limits)).limits.read_whole[0].last == 15


@pytest.mark.parametrize(
    ("normal", "problem"),
    [
        ({}, "needs a bound"),
        ({"min": 9, "max": 6}, "is not below max"),
        ({"min": -1}, "below the limit of 0"),
        ({"max": 17}, "above the limit of 16"),
    ],
)
def test_a_normal_range_lies_inside_the_limits(normal: dict[str, Any], problem: str) -> None:
    point = {"name": "p", "table": "input", "address": 0, "type": "int16", "limits": {"min": 0, "max": 16}}
    with pytest.raises(ValidationError, match=problem):
        DeviceProfile.model_validate({"profile": "meter", "points": [{**point, "normal": normal}]})
    good = DeviceProfile.model_validate({"profile": "meter", "points": [{**point, "normal": {"max": 8}}]})
    assert good.points[0].normal is not None
