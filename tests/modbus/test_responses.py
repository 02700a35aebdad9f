"""Responses: the client takes data only from one that answers its request, and knows all nine exceptions."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qilu.contract.errors import DataError, UnreachableError
from qilu.modbus import errors
from qilu.modbus.device_identification import ReadIdentity
from qilu.modbus.errors import (
    ExceptionCode,
    ExceptionReply,
    ModbusError,
    ProtocolError,
    UnknownExceptionReply,
)
from qilu.modbus.pdu import Request, exception_response, read_request, response_data, response_identity
from qilu.modbus.read_functions import read_response
from tests.modbus.cases import EXAMPLES, NAMES, reads, requests, response_to


@pytest.mark.parametrize(("request_", "_", "response"), EXAMPLES, ids=NAMES)
def test_the_examples_of_the_specification_are_accepted(request_: Request, _: str, response: str) -> None:
    pdu = bytes.fromhex(response)
    if isinstance(request_, ReadIdentity):
        assert response_identity(request_, pdu).objects == {0: b"AB"}
    else:
        reading = pdu[0] in (1, 2, 3, 4, 23)
        assert response_data(request_.encode(), pdu) == (pdu[2:] if reading else b"")


@given(reads, st.data())
def test_a_read_gives_the_very_bytes_that_travelled(request_: Request, data: st.DataObject) -> None:
    pdu = request_.encode()
    size = len(response_to(pdu)) - 2
    carried = data.draw(st.binary(min_size=size, max_size=size))
    assert response_data(pdu, read_response(pdu[0], carried)) == carried


@pytest.mark.parametrize(("request_", "_", "response"), EXAMPLES, ids=NAMES)
def test_a_response_that_is_cut_lengthened_or_changed_in_its_head_is_refused(
    request_: Request, _: str, response: str
) -> None:
    pdu = bytes.fromhex(response)
    wrong = [pdu[:size] for size in range(len(pdu))]
    wrong += [pdu + b"\x00", bytes((pdu[0] + 1,)) + pdu[1:], bytes((pdu[0], pdu[1] ^ 1)) + pdu[2:]]
    for changed in wrong:
        with pytest.raises(ProtocolError):
            _take(request_, changed)


@pytest.mark.parametrize("function", [5, 6, 15, 16, 22])
def test_a_write_that_is_echoed_otherwise_is_not_confirmed(function: int) -> None:
    for request_, _, response in EXAMPLES:
        if request_.encode()[0] == function:
            echo = bytearray.fromhex(response)
            echo[-1] ^= 1
            with pytest.raises(ProtocolError):
                response_data(request_.encode(), bytes(echo))


@pytest.mark.parametrize("code", list(ExceptionCode), ids=lambda code: code.name)
@pytest.mark.parametrize(("request_", "_encoded", "_response"), EXAMPLES, ids=NAMES)
def test_each_exception_is_a_type_of_its_own_that_says_what_it_means(
    request_: Request, _encoded: str, _response: str, code: ExceptionCode
) -> None:
    function = request_.encode()[0]
    with pytest.raises(ExceptionReply) as caught:
        _take(request_, exception_response(function, code))
    assert caught.value.code is code
    assert code.description in str(caught.value)
    assert f"function {function}" in str(caught.value)


def test_what_may_heal_is_tried_again_and_what_may_not_is_marked() -> None:
    heals = {
        errors.AcknowledgeReply,
        errors.DeviceBusy,
        errors.GatewayPathUnavailable,
        errors.TargetFailedToRespond,
    }
    kinds = set(ExceptionReply.__subclasses__())
    assert len(kinds) == len(ExceptionCode) == 9
    assert {kind for kind in kinds if issubclass(kind, UnreachableError)} == heals
    assert {kind for kind in kinds if issubclass(kind, DataError)} == kinds - heals


@pytest.mark.parametrize("code", [0, 7, 9, 0x0C, 0xFF])
def test_a_code_that_no_specification_knows_is_surfaced_with_its_number(code: int) -> None:
    with pytest.raises(UnknownExceptionReply, match=f"exception {code},") as caught:
        response_data(read_request(3, 0, 1), exception_response(3, code))
    assert caught.value.code == code
    assert isinstance(caught.value, DataError)


def test_an_exception_to_another_function_does_not_answer() -> None:
    with pytest.raises(ProtocolError):
        response_data(read_request(3, 0, 1), exception_response(4, 2))


@given(requests, st.binary(max_size=260))
def test_garbage_raises_only_errors_of_the_protocol(request_: Request, response: bytes) -> None:
    with contextlib.suppress(ModbusError):
        _take(request_, response)


def _take(request: Request, response: bytes) -> object:
    if isinstance(request, ReadIdentity):
        return response_identity(request, response)
    return response_data(request.encode(), response)


def test_exceptions_have_the_codes_of_the_specification() -> None:
    assert {code.name: code.value for code in ExceptionCode} == {
        "ILLEGAL_FUNCTION": 1,
        "ILLEGAL_ADDRESS": 2,
        "ILLEGAL_VALUE": 3,
        "DEVICE_FAILURE": 4,
        "ACKNOWLEDGE": 5,
        "DEVICE_BUSY": 6,
        "MEMORY_PARITY": 8,
        "GATEWAY_PATH_UNAVAILABLE": 10,
        "TARGET_FAILED_TO_RESPOND": 11,
    }
