"""What an error of an exchange means for the values that were to be read."""

from __future__ import annotations

from qilu.contract.errors import QiluError
from qilu.contract.reading import Reason
from qilu.modbus.errors import (
    AcknowledgeReply,
    DeviceBusy,
    GatewayPathUnavailable,
    IllegalAddress,
    IllegalFunction,
    IllegalValue,
    ProtocolError,
    TargetFailedToRespond,
)
from qilu.modbus_client.transaction import ConnectionLostError, ReplyTimeoutError, UnusableReplyError

_REASONS: dict[type[QiluError], Reason] = {
    ReplyTimeoutError: Reason.TIMEOUT,
    ConnectionLostError: Reason.UNREACHABLE,
    ProtocolError: Reason.PROTOCOL_ERROR,
    UnusableReplyError: Reason.PROTOCOL_ERROR,
    IllegalFunction: Reason.ILLEGAL_FUNCTION,
    IllegalAddress: Reason.ILLEGAL_ADDRESS,
    IllegalValue: Reason.ILLEGAL_ADDRESS,
    AcknowledgeReply: Reason.DEVICE_BUSY,
    DeviceBusy: Reason.DEVICE_BUSY,
    GatewayPathUnavailable: Reason.GATEWAY_PATH,
    TargetFailedToRespond: Reason.GATEWAY_PATH,
}


def reason_of(error: QiluError) -> Reason:
    """The reason of the bad values; what has none of its own is the device's failure to serve them."""
    return _REASONS.get(type(error), Reason.DEVICE_FAILURE)
