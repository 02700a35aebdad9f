"""Our codec and pymodbus' agree on every function in both directions, in both framings."""

from __future__ import annotations

from struct import unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus import pdu as theirs
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu import bit_message as bits
from pymodbus.pdu import diag_message as diagnostics
from pymodbus.pdu import mei_message as mei
from pymodbus.pdu import other_message as others
from pymodbus.pdu import register_message as registers

from qilu.modbus.crc import crc_bytes
from qilu.modbus.device_identification import ReadIdentity
from qilu.modbus.diagnostics import Loopback, ReportServerId
from qilu.modbus.errors import ExceptionCode, ExceptionReply
from qilu.modbus.framing import Frame, Framer
from qilu.modbus.pdu import Request, exception_response, parse_request, response_data, response_identity
from qilu.modbus.read_functions import Read
from qilu.modbus.rtu import RtuClientFramer, RtuServerFramer
from qilu.modbus.tcp import TcpFramer
from qilu.modbus.write_functions import (
    MaskWrite,
    ReadWrite,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
)
from tests.modbus.cases import delivered, requests, response_to

TRANSACTION, UNIT = 0x1234, 17
_READS: dict[int, type[ModbusPDU]] = {
    1: bits.ReadCoilsRequest,
    2: bits.ReadDiscreteInputsRequest,
    3: registers.ReadHoldingRegistersRequest,
    4: registers.ReadInputRegistersRequest,
}
framings = pytest.mark.parametrize("framing", ["tcp", "rtu"])


def words(data: bytes) -> list[int]:
    return list(unpack(f">{len(data) // 2}H", data))


def their_request(request: Request) -> ModbusPDU:
    built: ModbusPDU
    match request:
        case Read():
            built = _READS[request.function](address=request.address, count=request.quantity)
        case WriteCoil():
            built = bits.WriteSingleCoilRequest(address=request.address, bits=[request.on])
        case WriteCoils():
            built = bits.WriteMultipleCoilsRequest(address=request.address, bits=list(request.bits))
        case WriteRegister():
            built = registers.WriteSingleRegisterRequest(
                address=request.address, registers=words(request.data)
            )
        case WriteRegisters():
            values = words(request.data)
            built = registers.WriteMultipleRegistersRequest(address=request.address, registers=values)
        case MaskWrite():
            built = registers.MaskWriteRegisterRequest(request.address, request.and_mask, request.or_mask)
        case ReadWrite():
            built = registers.ReadWriteMultipleRegistersRequest(
                read_address=request.read_address,
                read_count=request.read_count,
                write_address=request.write_address,
                write_registers=words(request.data),
            )
        case ReadIdentity():
            built = mei.ReadDeviceInformationRequest(request.access, request.object_id)
        case Loopback():
            built = diagnostics.ReturnQueryDataRequest(message=request.data)
        case ReportServerId():
            built = others.ReportDeviceIdRequest()
    built.transaction_id, built.dev_id = TRANSACTION, UNIT
    return built


def their_framer(framing: str, *, server: bool) -> FramerSocket | FramerRTU:
    return (FramerSocket if framing == "tcp" else FramerRTU)(DecodePDU(server))


def our_framer(framing: str, request: bytes | None = None) -> Framer:
    if framing == "tcp":
        return TcpFramer()
    if request is None:
        return RtuServerFramer()
    framer = RtuClientFramer()
    framer.expect(UNIT, request)
    return framer


def our_frame(framing: str, pdu: bytes) -> Frame:
    return Frame(TRANSACTION if framing == "tcp" else 0, UNIT, pdu)


@framings
@given(requests)
def test_we_send_the_requests_that_they_send(framing: str, request_: Request) -> None:
    theirs_ = their_framer(framing, server=False).buildFrame(their_request(request_))
    assert our_framer(framing).encode(TRANSACTION, UNIT, request_.encode()) == theirs_


@framings
@given(requests)
def test_we_understand_the_requests_that_they_send(framing: str, request_: Request) -> None:
    frame = their_framer(framing, server=False).buildFrame(their_request(request_))
    [received] = delivered(our_framer(framing), frame)
    assert received == our_frame(framing, request_.encode())
    assert parse_request(received.pdu) == request_


@framings
@given(requests)
def test_they_understand_the_requests_that_we_send(framing: str, request_: Request) -> None:
    frame = our_framer(framing).encode(TRANSACTION, UNIT, request_.encode())
    used, decoded = their_framer(framing, server=True).handleFrame(frame, 0, 0)
    assert used == len(frame)
    assert decoded is not None
    assert decoded.dev_id == UNIT
    assert bytes((decoded.function_code,)) + decoded.encode() == request_.encode()


@framings
@given(requests, st.integers(0, 255))
def test_they_understand_the_responses_that_we_send(framing: str, request_: Request, filler: int) -> None:
    response = response_to(request_.encode(), filler)
    frame = our_framer(framing).encode(TRANSACTION, UNIT, response)
    used, decoded = their_framer(framing, server=False).handleFrame(frame, UNIT, TRANSACTION)
    assert used == len(frame)
    assert decoded is not None
    assert not decoded.isError()
    assert carried(decoded) == carried_by_us(request_, response)


@framings
@given(requests, st.integers(0, 255))
def test_we_understand_the_responses_that_they_send(framing: str, request_: Request, filler: int) -> None:
    asked, expected = request_.encode(), response_to(request_.encode(), filler)
    decoder = DecodePDU(False)
    their_response = decoder.decode(expected)
    assert their_response is not None
    if isinstance(their_response, mei.ReadDeviceInformationResponse):
        their_response = mei.ReadDeviceInformationResponse(
            asked[2], dict(their_response.information)
        )  # theirs counts the objects while it encodes them
    their_response.dev_id, their_response.transaction_id = UNIT, TRANSACTION
    frame = their_framer(framing, server=True).buildFrame(their_response)
    [received] = delivered(our_framer(framing, asked), frame)
    assert (received.transaction, received.unit) == our_frame(framing, b"")[:2]
    assert carried_by_us(request_, received.pdu) == carried_by_us(request_, expected)


@framings
@given(requests, st.sampled_from(ExceptionCode))
def test_exceptions_are_the_same_in_both_directions(framing: str, request_: Request, code: int) -> None:
    asked = request_.encode()
    refusal = ExceptionResponse(asked[0], code)
    refusal.dev_id, refusal.transaction_id = UNIT, TRANSACTION
    frame = their_framer(framing, server=True).buildFrame(refusal)
    assert our_framer(framing).encode(TRANSACTION, UNIT, exception_response(asked[0], code)) == frame
    [received] = delivered(our_framer(framing, asked), frame)
    with pytest.raises(ExceptionReply) as caught:
        carried_by_us(request_, received.pdu)
    assert caught.value.code == code


@given(st.binary(max_size=300))
def test_the_checksums_are_the_same(data: bytes) -> None:
    assert crc_bytes(data) == FramerRTU.compute_CRC(data).to_bytes(2, "big")


def carried(response: ModbusPDU) -> object:
    """What their response object holds, in the shape of `carried_by_us`."""
    match response:
        case theirs.bit_message.ReadCoilsResponse():
            return theirs.utils.pack_bitstring(list(response.bits))
        case mei.ReadDeviceInformationResponse():
            return dict(response.information)
        case registers.ReadHoldingRegistersResponse():
            return b"".join(word.to_bytes(2, "big") for word in response.registers)
        case _:
            return b""


def carried_by_us(request: Request, response: bytes) -> object:
    if isinstance(request, ReadIdentity):
        return response_identity(request, response).objects
    return response_data(request.encode(), response)
