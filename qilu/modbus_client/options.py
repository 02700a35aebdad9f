"""How one endpoint is reached and talked to: its address, its waits, and what replies are accepted."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from qilu.config.tls import TlsSettings
from qilu.modbus.functions import CONFIRMED_FUNCTIONS, MAX_PDU, WRITE_FUNCTIONS
from qilu.modbus.pdu import data_size
from qilu.modbus.unit_ids import BROADCAST
from qilu.modbus_client.endpoint import Endpoint, Framing, SerialLine, parse_endpoint
from qilu.modbus_client.local_echo import EchoSetting

QUIET_TIME_S = 0.01
"""Seconds between a reply and the next request where ids are ignored: what else comes is read and dropped."""

_RTU_FRAMED = 3  # bytes around a PDU: unit id, CRC
_ASCII_FRAMED = 3  # characters of start and end; each other byte is two, and the LRC is one byte shorter
_LONGEST_REPLY = 256


@dataclass(frozen=True)
class ClientOptions:
    """One endpoint, how it is talked to, and what it is forgiven (`Quirks`); times are seconds."""

    url: str
    timeout: float = 1.0
    """From a request to its reply."""
    connect_timeout: float = 3.0
    connect_delay: float = 0.0
    """From the connection to the first request."""
    tls: TlsSettings = field(default_factory=TlsSettings)
    """The certificates of an endpoint `tls://`."""
    max_in_flight: int = 1
    ignore_transaction_id: bool = False
    accepted_unit_ids: frozenset[int] = frozenset()
    local_echo: EchoSetting = "auto"
    lenient: bool = False
    """Whether one byte too many in a reply, or in its header, and another function in an exception pass."""
    max_pdu: int = MAX_PDU
    """Bytes of the longest reply PDU; more than the standard has only over TCP."""

    @cached_property
    def endpoint(self) -> Endpoint:
        return parse_endpoint(self.url)

    @property
    def framing(self) -> Framing:
        return self.endpoint.framing

    @property
    def serial(self) -> SerialLine | None:
        return self.endpoint.serial

    @property
    def has_transaction_ids(self) -> bool:
        """Whether a reply names its request by a transaction id."""
        return self.framing == "tcp" and not self.ignore_transaction_id

    @property
    def max_open(self) -> int:
        """Requests that may be open at once."""
        return self.max_in_flight if self.has_transaction_ids else 1

    @property
    def min_gap(self) -> float:
        """Seconds of silence that every request needs before it."""
        if (serial := self.serial) is not None:
            return serial.frame_gap
        return QUIET_TIME_S if self.ignore_transaction_id else 0.0

    def is_broadcast(self, unit: int, request: bytes) -> bool:
        """Whether no device replies to it: a broadcast, which exists on serial lines only."""
        return unit == BROADCAST and self.framing != "tcp" and request[0] in WRITE_FUNCTIONS

    def wire_time(self, request: bytes) -> float:
        """Seconds that the bytes of this request and of its reply take, at most."""
        if (serial := self.endpoint.serial) is None:
            return 0.0
        size = data_size(request)
        if size is not None:
            reply = 2 + size + _RTU_FRAMED
        else:
            reply = len(request) + _RTU_FRAMED if request[0] in CONFIRMED_FUNCTIONS else _LONGEST_REPLY
        size = len(request) + _RTU_FRAMED + reply
        if self.framing == "ascii":
            size = 2 * (size - 2) + 2 * _ASCII_FRAMED
        return size * serial.character
