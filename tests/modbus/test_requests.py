"""Requests: what the client encodes is what the server parses, within the specification's limits only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qilu.contract.errors import DataError
from qilu.modbus.device_identification import ReadIdentity
from qilu.modbus.errors import ExceptionReply, IllegalAddress, IllegalFunction, IllegalValue, InvalidRequest
from qilu.modbus.functions import MAX_PDU
from qilu.modbus.pdu import Request, parse_request, read_request
from qilu.modbus.read_functions import Read, pack_bits, unpack_bits
from qilu.modbus.write_functions import (
    MaskWrite,
    ReadWrite,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
)
from tests.modbus.cases import EXAMPLES, NAMES, requests

BIT = (True,)


@pytest.mark.parametrize(("request_", "encoded", "_"), EXAMPLES, ids=NAMES)
def test_the_examples_of_the_specification_encode_and_parse(request_: Request, encoded: str, _: str) -> None:
    assert request_.encode() == bytes.fromhex(encoded)
    assert parse_request(bytes.fromhex(encoded)) == request_


@given(requests)
def test_every_request_parses_to_itself_and_fits_into_a_frame(request_: Request) -> None:
    encoded = request_.encode()
    assert parse_request(encoded) == request_
    assert len(encoded) <= MAX_PDU


@pytest.mark.parametrize(
    "request_",
    [
        Read(1, 0, 2000),
        Read(2, 65535, 1),
        Read(3, 65411, 125),
        Read(4, 0, 125),
        WriteCoil(65535, False),
        WriteRegister(65535, bytes(2)),
        WriteCoils(0, BIT * 1968),
        WriteRegisters(65413, bytes(246)),
        ReadWrite(0, 125, 65415, bytes(242)),
        ReadIdentity(4, 255),
    ],
    ids=repr,
)
def test_the_largest_requests_are_accepted(request_: Request) -> None:
    assert parse_request(request_.encode()) == request_


@pytest.mark.parametrize(
    "request_",
    [
        Read(1, 0, 2001),
        Read(2, 0, 0),
        Read(3, 0, 126),
        Read(3, 65412, 125),
        Read(3, -1, 1),
        Read(4, 65536, 1),
        Read(5, 0, 1),
        WriteCoil(65536, True),
        WriteRegister(0, b"\x01"),
        WriteRegister(0, bytes(4)),
        WriteCoils(0, BIT * 1969),
        WriteCoils(0, ()),
        WriteCoils(65535, BIT * 2),
        WriteRegisters(0, bytes(248)),
        WriteRegisters(0, b""),
        WriteRegisters(0, bytes(3)),
        MaskWrite(0, 65536, 0),
        MaskWrite(0, 0, -1),
        ReadWrite(0, 126, 0, bytes(2)),
        ReadWrite(0, 1, 0, bytes(244)),
        ReadWrite(0, 1, 65535, bytes(4)),
        ReadIdentity(5, 0),
        ReadIdentity(1, 256),
    ],
    ids=repr,
)
def test_a_request_past_a_limit_is_never_sent(request_: Request) -> None:
    with pytest.raises(InvalidRequest) as caught:
        request_.encode()
    assert isinstance(caught.value, DataError)


@pytest.mark.parametrize(
    ("pdu", "refusal"),
    [
        ("", IllegalFunction),
        ("07", IllegalFunction),
        ("80", IllegalFunction),
        ("2b 0d 00 00", IllegalFunction),  # another kind of function 43
        ("2b", IllegalFunction),
        ("2b 0e 05 00", IllegalValue),
        ("2b 0e 01", IllegalValue),
        ("03 0000 0000", IllegalValue),
        ("03 0000 007e", IllegalValue),
        ("01 0000 07d1", IllegalValue),
        ("03 ffff 0002", IllegalAddress),
        ("03 ffff 0000", IllegalValue),  # the count is checked before the range
        ("03 0000", IllegalValue),
        ("03 0000 0001 00", IllegalValue),
        ("05 0000 0001", IllegalValue),
        ("05 0000 ff01", IllegalValue),
        ("06 0000", IllegalValue),
        ("0f 0000 0009 01 ff", IllegalValue),  # nine coils are two bytes
        ("0f 0000 0008 02 ff", IllegalValue),  # says two, brings one
        ("0f ffff 0002 01 03", IllegalAddress),
        ("10 0000 0001 02 00", IllegalValue),
        ("10 0000", IllegalValue),
        ("10 0000 0000 00", IllegalValue),
        ("10 ffff 0002 04 00000000", IllegalAddress),
        ("16 0000 0000", IllegalValue),
        ("17 0000 007e 0000 0001 02 0000", IllegalValue),
        ("17 ffff 0002 0000 0001 02 0000", IllegalAddress),
        ("17 0000 0001 ffff 0002 04 00000000", IllegalAddress),
        ("17 0000 0001 0000 0001 02 00", IllegalValue),
    ],
)
def test_a_request_that_may_not_be_served_names_its_exception(
    pdu: str, refusal: type[ExceptionReply]
) -> None:
    with pytest.raises(refusal):
        parse_request(bytes.fromhex(pdu))


@given(st.binary(max_size=260))
def test_garbage_is_a_request_or_an_exception_and_nothing_else(pdu: bytes) -> None:
    try:
        parsed = parse_request(pdu)
    except ExceptionReply:
        return
    assert parsed.encode() == pdu


@given(st.lists(st.booleans(), max_size=2000).map(tuple))
def test_bits_survive_packing(bits: tuple[bool, ...]) -> None:
    packed = pack_bits(bits)
    assert len(packed) == (len(bits) + 7) // 8
    assert unpack_bits(packed, len(bits)) == bits


def test_a_masked_write_keeps_and_sets_bits_as_the_specification_shows() -> None:
    assert MaskWrite(4, 0xF2, 0x25).apply(0x12) == 0x17


def test_a_read_request_is_ready_made_bytes() -> None:
    assert read_request(3, 107, 3) == bytes.fromhex("03006b0003")
