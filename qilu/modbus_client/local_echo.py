"""Whether a line returns every request before its reply: an RS-485 adapter may receive what it sends."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Literal

from qilu.modbus.functions import Function

_log = logging.getLogger(__name__)

EchoSetting = Literal["auto", "always", "never"]

MIRRORED = frozenset(
    (
        Function.WRITE_COIL.value,
        Function.WRITE_REGISTER.value,
        Function.MASK_WRITE_REGISTER.value,
        Function.DIAGNOSTICS.value,
    )
)
"""Functions whose reply equals the request: a copy of the request may be the echo or the reply."""
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

    __slots__ = ("_fixed", "_name", "_without", "state")

    def __init__(self, name: str, setting: EchoSetting = "auto") -> None:
        self._name = name
        self._fixed = setting != "auto"
        self._without = 0
        self.state = {
            "auto": EchoState.UNKNOWN,
            "always": EchoState.PRESENT,
            "never": EchoState.ABSENT,
        }[setting]

    def must_test(self, request: bytes) -> bool:
        """Whether a read has to be sent first: the reply to this request would not be recognised."""
        return self.state is EchoState.UNKNOWN and request[0] in MIRRORED

    def removes(self, request: bytes) -> bool:
        """The first frame after this request equals it: whether it is the echo, and the reply follows."""
        if request[0] in MIRRORED or self._fixed:
            return self.state is not EchoState.ABSENT
        self._change(EchoState.PRESENT)
        return True

    def replied(self, request: bytes, *, after_echo: bool) -> None:
        """The reply to this request came."""
        if self._fixed:
            return
        if after_echo:
            self._without = 0
            self._change(EchoState.PRESENT)
        elif request[0] not in MIRRORED and self.state is not EchoState.ABSENT:
            self._without += 1
            if self.state is EchoState.UNKNOWN or self._without >= REPLIES_TO_ABSENT:
                self._change(EchoState.ABSENT)

    def _change(self, state: EchoState) -> None:
        if state is not self.state:
            if state is EchoState.PRESENT:
                text = "%s: the adapter returns every request (local echo); the gateway removes the copies"
                _log.info(text, self._name)
            self.state = state
