"""Says what came in place of a reply, and which quirks of the settings would accept it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from qilu.contract.errors import QiluError
from qilu.modbus.errors import FrameError, ModbusError, ProtocolError
from qilu.modbus.pdu import response_data, without_padding
from qilu.modbus.tcp import TcpFramer
from qilu.modbus_client.options import ClientOptions
from qilu.modbus_client.transaction import Transaction, UnusableReplyError

LENIENT: Mapping[str, object] = {"lenient_replies": True}
MAX_SHOWN = 32
"""Bytes of what came in place of a reply that a message shows."""


class ReplyDiagnosis:
    """Of one connection."""

    __slots__ = ("_options", "last_bytes", "rejected_frames")

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self.last_bytes = b""
        """What came last since the last request, where it is no late reply."""
        self.rejected_frames = 0
        """Frames rejected since the present read began."""

    def wrong_response(self, request: bytes, pdu: bytes, problem: str) -> QiluError:
        """The reply to this request has another content."""
        return _proposing(ProtocolError, problem, self._quirks_for(request, pdu))

    def timed_out(self, transaction: Transaction, problem: str) -> QiluError | None:
        """What came in place of the reply; None where nothing came."""
        if not (self.last_bytes or self.rejected_frames):
            return None
        framer, quirks = TcpFramer(lenient=True), dict[str, object]()
        framer.feed(self.last_bytes)
        try:
            if self._options.framing == "tcp" and (frame := framer.next_frame()) is not None:
                quirks |= self._quirks_for(transaction.request, frame.pdu)
                if frame.unit != transaction.unit and quirks:
                    quirks = {"accepted_unit_ids": [frame.unit]}
        except FrameError:
            pass
        kind = ProtocolError if self.rejected_frames else UnusableReplyError
        shown = self.last_bytes[:MAX_SHOWN].hex(" ")
        return _proposing(kind, f"{problem}; what came is no reply: {shown}", quirks)

    def _quirks_for(self, request: bytes, pdu: bytes) -> Mapping[str, object]:
        """The quirks that would have accepted this response; none where there are none."""
        try:
            response_data(request, without_padding(request, pdu))
        except ProtocolError:
            return {}
        except ModbusError:
            pass
        return LENIENT if self._options.has_transaction_ids else {}


def _proposing(
    kind: type[ProtocolError | UnusableReplyError], problem: str, quirks: Mapping[str, object]
) -> ProtocolError | UnusableReplyError:
    """An error that names the quirks to set, where there are some."""
    pairs = ", ".join(f"{key}: {str(value).lower()}" for key, value in quirks.items())
    error = kind(f"{problem}; set `quirks: {{{pairs}}}` of this source" if quirks else problem)
    error.quirks = quirks
    return error
