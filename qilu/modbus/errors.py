"""What can be wrong with a Modbus request, as types: the nine exceptions of the protocol and its breaches.

Codes and their meaning: MODBUS Application Protocol Specification V1.1b3, section 7.
"""

# ruff: noqa: N818 - an exception of the protocol keeps the name that the protocol gives it

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Self

from qilu.contract.errors import DataError, QiluError, UnreachableError


class ExceptionCode(IntEnum):
    """The exception codes of the specification; `description` is what each means for the caller."""

    description: str

    def __new__(cls, code: int, description: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.description = description
        return member

    ILLEGAL_FUNCTION = 1, "the device does not know this function; do not ask it again"
    ILLEGAL_ADDRESS = 2, "the device has no such address, or the block reaches past its last one"
    ILLEGAL_VALUE = 3, "the device refuses a value of the request, often because the block is too long for it"
    DEVICE_FAILURE = 4, "the device failed while it carried the request out"
    ACKNOWLEDGE = 5, "the device has begun and needs longer; ask again later"
    DEVICE_BUSY = 6, "the device is busy with another command; ask again later"
    MEMORY_PARITY = 8, "the device found its record memory damaged; it needs service"
    GATEWAY_PATH_UNAVAILABLE = 0x0A, "the gateway has no path to this unit; it is misconfigured or overloaded"
    TARGET_FAILED_TO_RESPOND = 0x0B, "the unit behind the gateway does not answer; other units may"


class ModbusError(QiluError):
    """The root of everything that this package raises."""


class InvalidRequest(ModbusError, DataError):
    """The request would break the specification, so it was never sent."""


class ProtocolError(ModbusError, DataError):
    """The response is well framed but does not answer the request; nothing of it may be used."""

    quirks: Mapping[str, object] = MappingProxyType({})
    """The quirks of a source with which it would have been accepted."""


class FrameError(ModbusError, UnreachableError):
    """The byte stream can no longer be cut into frames: close the connection and open a new one."""


class ExceptionReply(ModbusError):
    """The device answered with an exception; each code is a class of its own.

    A simulated device raises these to be answered so.
    """

    code: ExceptionCode

    def __init__(self, detail: str = "") -> None:
        text = f"exception {self.code.value}: {self.code.description}"
        super().__init__(f"{detail}: {text}" if detail else text)


class IllegalFunction(ExceptionReply, DataError):
    """Never ask this function of this device again."""

    code = ExceptionCode.ILLEGAL_FUNCTION


class IllegalAddress(ExceptionReply, DataError):
    """Part of the block does not exist: split it."""

    code = ExceptionCode.ILLEGAL_ADDRESS


class IllegalValue(ExceptionReply, DataError):
    """The block is longer than the device allows, or a written value is not acceptable."""

    code = ExceptionCode.ILLEGAL_VALUE


class DeviceFailure(ExceptionReply, DataError):
    """The device could not carry the request out; its points are bad."""

    code = ExceptionCode.DEVICE_FAILURE


class AcknowledgeReply(ExceptionReply, UnreachableError):
    """Accepted but not done yet: alive, ask again later."""

    code = ExceptionCode.ACKNOWLEDGE


class DeviceBusy(ExceptionReply, UnreachableError):
    """Alive but occupied: ask again later."""

    code = ExceptionCode.DEVICE_BUSY


class MemoryParityError(ExceptionReply, DataError):
    """The device's memory is damaged; its points are bad."""

    code = ExceptionCode.MEMORY_PARITY


class GatewayPathUnavailable(ExceptionReply, UnreachableError):
    """Only this unit is out of reach; the connection and its other units are sound."""

    code = ExceptionCode.GATEWAY_PATH_UNAVAILABLE


class TargetFailedToRespond(ExceptionReply, UnreachableError):
    """Only this unit is silent; the connection and its other units are sound."""

    code = ExceptionCode.TARGET_FAILED_TO_RESPOND


class UnknownExceptionReply(ModbusError, DataError):
    """An exception code outside the specification (7 of old devices, or a vendor's own)."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(f"{detail}: exception {code}, which the specification does not define")
        self.code = code


_BY_CODE = {reply.code.value: reply for reply in ExceptionReply.__subclasses__()}


def exception_reply(code: int, detail: str) -> ExceptionReply | UnknownExceptionReply:
    """The error of an exception code that came from the wire; `detail` names the request."""
    known = _BY_CODE.get(code)
    return known(detail) if known else UnknownExceptionReply(code, detail)
