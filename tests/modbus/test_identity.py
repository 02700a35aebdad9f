"""Function 43/14: identities of any size arrive whole, in as many responses as it takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qilu.modbus.device_identification import MAX_OBJECT, Access, ReadIdentity, identity_response
from qilu.modbus.errors import IllegalAddress, ProtocolError
from qilu.modbus.functions import MAX_PDU
from qilu.modbus.pdu import response_data, response_identity

BASIC = {0: b"Qilu", 1: b"QL-1", 2: b"1.0"}
FULL = BASIC | {4: "螺杆空压机".encode(), 0x80: b"serial 7"}


def read_all(objects: dict[int, bytes], access: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    following: int | None = 0
    while following is not None:
        request = ReadIdentity(access, following)
        response = identity_response(request, objects)
        assert len(response) <= MAX_PDU
        identity = response_identity(request, response)
        found |= identity.objects
        following = identity.next_object
    return found


@given(st.dictionaries(st.integers(0, 255), st.binary(max_size=MAX_OBJECT)))
def test_all_objects_arrive_however_many_responses_it_takes(objects: dict[int, bytes]) -> None:
    assert read_all(objects, Access.EXTENDED) == objects


@pytest.mark.parametrize(
    ("access", "expected"),
    [(1, BASIC), (2, BASIC | {4: FULL[4]}), (3, FULL)],
    ids=["basic", "regular", "all"],
)
def test_each_access_sees_its_categories(access: int, expected: dict[int, bytes]) -> None:
    assert read_all(FULL, access) == expected


def test_one_object_can_be_asked_for_alone() -> None:
    request = ReadIdentity(Access.SINGLE, 0x80)
    identity = response_identity(request, identity_response(request, FULL))
    assert identity == (0x83, {0x80: b"serial 7"}, None)


def test_a_checked_response_can_be_handed_on_whole() -> None:
    request = ReadIdentity(Access.BASIC)
    response = identity_response(request, BASIC)
    assert response_data(request.encode(), response) == response
    with pytest.raises(ProtocolError):
        response_data(request.encode(), response[:-1])


def test_one_object_that_is_missing_is_an_illegal_address() -> None:
    with pytest.raises(IllegalAddress):
        identity_response(ReadIdentity(Access.SINGLE, 3), FULL)


def test_a_stream_from_an_unknown_object_starts_at_the_first() -> None:
    request = ReadIdentity(Access.BASIC, 9)
    assert response_identity(request, identity_response(request, BASIC)).objects == BASIC


def test_a_text_too_long_for_any_response_is_cut() -> None:
    assert read_all({0: b"x" * 300}, Access.BASIC) == {0: b"x" * MAX_OBJECT}


def test_a_device_that_points_back_is_not_asked_for_ever() -> None:
    circling = bytes.fromhex("2b 0e 01 81 ff 00 01 00 01 41")
    with pytest.raises(ProtocolError, match="already sent"):
        response_identity(ReadIdentity(1, 0), circling)
