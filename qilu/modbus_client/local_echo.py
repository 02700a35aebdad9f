"""Whether a line returns every request before its reply: an RS-485 adapter may receive what it sends."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Literal

from qilu.modbus.functions import MIRRORED_FUNCTIONS, Function
from qilu.modbus.pdu import read_request

_log = logging.getLogger(__name__)

EchoSetting = Literal["auto", "always", "never"]

ECHO_TEST = read_request(Function.READ_HOLDING_REGISTERS, 0, 1)
"""What settles whether the line has a local echo, before a request that its reply equals."""
REPLIES_TO_ABSENT = 3  # consecutive replies without an echo, on a line that had one


class EchoState(StrEnum):
    """What is known of a line. A read decides: its reply never equals its request.

    UNKNOWN → PRESENT, ABSENT → PRESENT: the request came back, and it was a read, or two copies came.
    UNKNOWN → ABSENT: a read was answered, and the request did not come back.
    PRESENT → ABSENT: so were `REPLIES_TO_ABSENT` reads, one after the other.
    """

    UNKNOWN = "unknown"
    PRESENT = "present"
    ABSENT = "absent"


class LocalEcho:
    """The state of one endpoint, kept over reconnects."""

    __slots__ = ("_copy_removed", "_fixed", "_name", "_request", "_without", "state")

    def __init__(self, name: str, setting: EchoSetting = "auto") -> None:
        self._name = name
        self._fixed = setting != "auto"
        self._without = 0
        self._request = b""
        self._copy_removed = False
        self.state = {
            "auto": EchoState.UNKNOWN,
            "always": EchoState.PRESENT,
            "never": EchoState.ABSENT,
        }[setting]

    def must_test(self, request: bytes) -> bool:
        """Whether a read has to be sent first: the reply to this request would not be recognised."""
        return self.state is EchoState.UNKNOWN and request[0] in MIRRORED_FUNCTIONS

    def sent(self, request: bytes) -> None:
        self._request, self._copy_removed = request, False

    def is_copy(self, pdu: bytes) -> bool:
        """Whether this frame is the echo of the request that was sent last, and the reply follows."""
        if pdu == self._request and not self._copy_removed:
            if not self._fixed and pdu[0] not in MIRRORED_FUNCTIONS:
                self._change(EchoState.PRESENT)
            self._copy_removed = self.state is not EchoState.ABSENT
            return self._copy_removed
        if not self._fixed:
            self._replied()
        return False

    def _replied(self) -> None:
        if self._copy_removed:
            self._without = 0
            self._change(EchoState.PRESENT)
        elif self._request[0] not in MIRRORED_FUNCTIONS and self.state is not EchoState.ABSENT:
            self._without += 1
            if self.state is EchoState.UNKNOWN or self._without >= REPLIES_TO_ABSENT:
                self._change(EchoState.ABSENT)

    def _change(self, state: EchoState) -> None:
        if state is not self.state:
            if state is EchoState.PRESENT:
                text = "%s: the adapter returns every request (local echo); the gateway removes the copies"
                _log.info(text, self._name)
            self.state = state
