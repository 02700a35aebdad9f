"""What all connections of one port with faults have in common."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from typing import Literal
from weakref import WeakSet

from qilu.contract.profile import DeviceProfile
from simulator.serving.response_hook import ClientConnection

_RESET_LINGER = struct.pack("ii", 1, 0)  # linger on, for 0 s: the connection ends with a reset


class PortState:
    """Times are those of the loop, in seconds, except where they are named as those of the plant."""

    def __init__(
        self, framing: Literal["tcp", "rtu"], seed: str, profiles: Mapping[int, DeviceProfile]
    ) -> None:
        self.framing = framing
        self.seed = seed
        self.profiles = profiles
        """By unit id, where they are known."""
        self.seconds = 0.0
        """Of the plant, at the event that is under way."""
        self.busy_until = float("-inf")
        """When what is behind the port can answer again, whoever is asked."""
        self.last_reply = float("-inf")
        """When the last reply was complete."""
        self.deaf: WeakSet[ClientConnection] = WeakSet()
        """Connections on which nothing is answered for ever."""
        self._lines: list[ClientConnection] = []

    @property
    def lines(self) -> list[ClientConnection]:
        """The connections that are open, the oldest first."""
        self._lines = [line for line in self._lines if not line.transport.is_closing()]
        return self._lines

    @property
    def served(self) -> list[ClientConnection]:
        """Those of them that are answered."""
        return [line for line in self.lines if line not in self.deaf]

    def opened(self, line: ClientConnection) -> None:
        self.lines.append(line)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def blackhole(self, line: ClientConnection) -> None:
        """Never reads from it again; the system below confirms what arrives until its buffer is full."""
        self.deaf.add(line)
        line.transport.pause_reading()


def reset(line: ClientConnection) -> None:
    """Ends a connection with a reset, whatever is still to be sent."""
    connected = line.transport.get_extra_info("socket")
    if connected is not None and connected.family in (socket.AF_INET, socket.AF_INET6):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_LINGER)
    line.transport.abort()
