"""What every fault of the wire is: its settings, and the places at which it may interfere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from typing import ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from qilu.contract.profile import DeviceProfile
from qilu.contract.units import Duration, Period
from qilu.contract.validation import FrozenModel, Problem, raise_problems
from qilu.modbus.errors import ExceptionReply
from qilu.modbus.framing import Frame
from qilu.modbus.pdu import parse_request
from qilu.modbus.read_functions import Read
from simulator.network_faults.port_state import PortState
from simulator.serving.response_hook import ClientConnection, Responder


class Chunk(NamedTuple):
    """Bytes to be sent `after` so many seconds from the piece before them, and what follows them."""

    data: bytes = b""
    after: float = 0.0
    then: Literal["", "close", "reset"] = ""


class Exchange:
    def __init__(self, line: ClientConnection, request: Frame, number: int, shared: PortState) -> None:
        self.line = line
        self.request = request
        self.number = number
        """Of this request among all to its unit id, from 1."""
        self.shared = shared
        try:
            parsed = parse_request(request.pdu)
        except ExceptionReply:
            parsed = None
        self.read = parsed if isinstance(parsed, Read) else None
        """What is read; None for all other requests and for those that may not be asked."""

    @property
    def profile(self) -> DeviceProfile | None:
        return self.shared.profiles.get(self.request.unit)

    def draw(self, salt: str) -> float:
        """A number from 0 to 1 (excluded), the same for the same request in every run."""
        return drawn(f"{self.shared.seed}/{self.request.unit}/{salt}/{self.number}")


def drawn(key: str) -> float:
    """From 0 to 1 (excluded), evenly spread over all keys."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") / 2**64


class NetworkFault(FrozenModel):
    """A fault of a scenario file, and its effect. Each object acts on one port only: see `copy_with`.

    A subclass overrides the places at which it interferes; what it leaves as it is goes on to the next fault,
    and in the end to the device and to the line.
    """

    of_connections: ClassVar[bool] = False
    """Whether it needs connections: a serial line has none."""

    fault: str
    device: str | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    """Strikes one device or all of a port; without both, every device of the plant."""
    start: Duration = 0.0
    """Simulated time since the start of the plant."""
    duration: Period | None = None
    """How long it lasts; without it, it stays."""
    probability: float = Field(default=1.0, gt=0, le=1)
    """Of the requests that it could strike, those that it strikes; which ones is drawn from the seed."""
    skip: int = Field(default=0, ge=0)
    """Requests that it could strike and lets pass first."""
    max_count: int | None = Field(default=None, ge=1)
    """Requests that it strikes at most."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.device is not None and self.port is not None:
            raise_problems([Problem(("port",), "a device is given too", "leave one of them out")])
        return self

    @property
    def end(self) -> float:
        """Seconds of the plant at which it ends."""
        return math.inf if self.duration is None else self.start + self.duration

    def copy_with(self, **changes: object) -> Self:
        """The same fault with some settings changed, and nothing remembered."""
        return type(self).model_validate({**self.model_dump(), **changes})

    def active(self, seconds: float) -> bool:
        return self.start <= seconds < self.end

    def problems(self, profile: DeviceProfile) -> Iterator[Problem]:
        """What does not fit a device; each place is a key of this fault."""
        yield from ()

    def place_problems(self, unit_ids: AbstractSet[int]) -> Iterator[Problem]:
        """What does not fit a port or a serial line at which these unit ids have a device."""
        yield from ()

    # The places, in the order in which a request comes past them.

    def concerns_connection(self, shared: PortState) -> bool:
        """Whether it could strike the client that has just connected, the last of `shared.lines`."""
        return False

    def connected(self, line: ClientConnection, shared: PortState) -> None:
        """Strikes it."""

    def applies_to(self, exchange: Exchange) -> bool:
        return True

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        """The response PDU, with the device asked or not; None: there is none.

        asked: the request, as the faults before this one have left it.
        """
        return device(request)

    def identify(self, exchange: Exchange, reply: Frame) -> Frame:
        """The reply, with its ids, before it is framed."""
        return reply

    def send(self, exchange: Exchange, pieces: Sequence[Chunk]) -> Sequence[Chunk]:
        """What goes onto the line; no pieces come where there is no reply, and none need to go."""
        return pieces
