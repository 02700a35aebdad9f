"""Whether a request is the cause of the end of its connection, within one poll cycle. Pure."""

from __future__ import annotations

from qilu.modbus_client.connection import Connection

MAX_FRUITLESS = 2
"""Connections of one cycle that ended without a reply, before the rest of the cycle is not requested."""


class DisconnectBlame:
    """Many devices close an idle connection, which shows at the next request; some close each connection
    after one reply. So a request is the cause only where its connection had brought no reply before. Of
    several open requests, it is the oldest one."""

    __slots__ = ("_cause_known", "_fruitless", "_proven", "_replied")

    def __init__(self) -> None:
        self._fruitless = 0  # connections of this cycle that ended without a reply
        self._replied = self._proven = self._cause_known = False

    @property
    def exhausted(self) -> bool:
        """Whether this cycle used up its connections."""
        return self._fruitless > MAX_FRUITLESS

    def requested(self, connection: Connection, replies_before: int, *, in_service: bool) -> None:
        """Requests are over; the connection had brought so many replies before them. `in_service`: whether
        the unit is worth another request."""
        self._cause_known = False
        self._replied = connection.record.replies > replies_before
        sound = connection.record.closed_by_us or (replies_before > 0 and in_service)
        self._proven = sound and not self._fruitless

    def is_cause(self) -> bool:
        """Whether the oldest open request ended the connection; True once for each connection."""
        if self._replied or self._cause_known or self._proven:
            return False
        self._cause_known = True
        return True

    def connection_lost(self) -> None:
        """All requests of the connection were looked at."""
        self._fruitless += not self._replied
