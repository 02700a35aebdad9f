"""Functions 8/0 and 17: what is sent comes back as it was, and what is malformed is refused by its code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.pdu.diag_message import ReturnQueryDataRequest
from pymodbus.pdu.other_message import ReportDeviceIdResponse

from qilu.modbus.diagnostics import (
    MAX_SERVER_ID,
    Loopback,
    ReportServerId,
    loopback_request,
    server_id_response,
)
from qilu.modbus.errors import IllegalFunction, IllegalValue, InvalidRequest
from qilu.modbus.functions import MAX_PDU
from qilu.modbus.pdu import parse_request

words = st.binary(max_size=250).filter(lambda data: len(data) % 2 == 0)


@given(words)
def test_a_loopback_request_is_read_as_it_was_written_by_both_codecs(data: bytes) -> None:
    request = Loopback(data)
    assert parse_request(request.encode()) == request
    assert request.encode()[1:] == ReturnQueryDataRequest(message=data).encode()


def test_a_loopback_request_of_a_client_has_one_word() -> None:
    assert loopback_request(0x1234) == bytes.fromhex("08 0000 1234")
    with pytest.raises(InvalidRequest):
        loopback_request(0x10000)


@pytest.mark.parametrize(
    ("pdu", "error"),
    [
        ("08", IllegalValue),
        ("08 00", IllegalValue),
        ("08 0000 12", IllegalValue),
        ("08 0001 ff00", IllegalFunction),
        ("11 00", IllegalValue),
    ],
)
def test_a_malformed_diagnostic_request_is_refused(pdu: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_request(bytes.fromhex(pdu))


@given(st.binary(max_size=300))
def test_the_id_of_a_server_is_read_by_a_foreign_codec_and_cut_to_what_fits(server_id: bytes) -> None:
    assert parse_request(ReportServerId().encode()) == ReportServerId()
    response = server_id_response(server_id)
    theirs = ReportDeviceIdResponse()
    theirs.decode(response[1:])
    assert (theirs.identifier, theirs.status) == (server_id[:MAX_SERVER_ID], True)
    assert len(response) <= MAX_PDU
