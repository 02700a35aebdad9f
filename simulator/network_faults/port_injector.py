"""The wire of one port with the faults that are on it: decides who strikes, and sends what they leave."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple

from qilu.contract.profile import DeviceProfile
from qilu.modbus.framing import Frame
from simulator.network_faults.fault import Chunk, Exchange, NetworkFault, drawn
from simulator.network_faults.port_state import PortState, reset
from simulator.serving.response_hook import ClientConnection, NoFaults, Responder


class AffectedRequest(NamedTuple):
    """A request that faults have struck: what the device answered beside what went onto the line."""

    unit: int
    number: int
    """Of the request among all to this unit id, from 1."""
    faults: tuple[str, ...]
    request_pdu: bytes
    served: bytes | None
    """The response PDU of the device; None where it was not asked, or no answer was due."""
    sent: bytes
    """Every byte of the reply, framed; empty where none went out or where it is held back."""
    delay: float
    """Seconds until the last of them."""


class Change(NamedTuple):
    """A fault that began or ended."""

    fault: NetworkFault
    started: bool


class FaultyWire:
    """A plain wire while no fault is on it. Deterministic: who is struck depends on the seed, the unit id and
    the number of the request to it, and on the times of the faults, and on nothing else.
    """

    def __init__(
        self,
        seconds: Callable[[], float],
        *,
        framing: Literal["tcp", "rtu"] = "tcp",
        seed: str = "",
        profiles: Mapping[int, DeviceProfile] | None = None,
        serial: bool = False,
    ) -> None:
        """seconds: the time of the plant, which the times of the faults are in. profiles: by unit id.
        serial: a serial line, which can be neither closed nor reset.
        """
        self.struck: Counter[str] = Counter()
        """Requests and connections that each fault has struck, by its name."""
        self.on_change: Callable[[AffectedRequest], None] | None = None
        """Is called with every request that a fault changed."""
        self._seconds = seconds
        self._plain = NoFaults()
        self._instances: list[_FaultInstance] = []
        self._changes: list[Change] = []
        self._shared = PortState(framing, seed, profiles or {})
        self._requests: Counter[int] = Counter()
        self._connections = 0
        self._serial = serial

    @property
    def faults(self) -> Sequence[NetworkFault]:
        """Those that have not ended, in the order in which they came."""
        return [instance.fault for instance in self._instances]

    @property
    def active(self) -> Sequence[NetworkFault]:
        """Those of them whose start `step` has reported."""
        return [instance.fault for instance in self._instances if instance.started]

    def inject(self, fault: NetworkFault, units: frozenset[int] | None = None) -> None:
        """Lets a fault begin, now or later. units: whose requests it may strike; None: all."""
        self._instances.append(_FaultInstance(fault.copy_with(), units))

    def end(self, fault: NetworkFault) -> None:
        """Ends one of `faults`."""
        for instance in [course for course in self._instances if course.fault is fault]:
            self._instances.remove(instance)
            if instance.started:
                self._changes.append(Change(fault, started=False))

    def step(self) -> Sequence[Change]:
        """What began and what ended since the last call; what has ended is forgotten."""
        if not self._instances and not self._changes:
            return ()
        seconds = self._seconds()
        for instance in list(self._instances):
            if not instance.started and instance.fault.start <= seconds:
                instance.started = True
                self._changes.append(Change(instance.fault, started=True))
            if instance.fault.end <= seconds:
                self.end(instance.fault)
        reported, self._changes = self._changes, []
        return reported

    def connected(self, line: ClientConnection) -> None:
        shared = self._shared
        shared.opened(line)
        self._connections += 1
        if not self._instances:
            return
        shared.seconds = self._seconds()
        for instance in self._instances:
            fault = instance.fault
            if not fault.active(shared.seconds) or not fault.concerns_connection(shared):
                continue
            if instance.strikes(f"{shared.seed}/connection/{fault.fault}/{self._connections}"):
                self.struck[fault.fault] += 1
                fault.connected(line, shared)
                if line.transport.is_closing():
                    return

    def requested(self, line: ClientConnection, request: Frame, respond: Responder) -> None:
        self._requests[request.unit] += 1
        if not self._instances:
            self._plain.requested(line, request, respond)
            return
        shared = self._shared
        if line in shared.deaf:
            return
        shared.seconds = self._seconds()
        exchange = Exchange(line, request, self._requests[request.unit], shared)
        striking = [instance.fault for instance in self._instances if instance.meets(exchange)]
        self.struck.update(fault.fault for fault in striking)
        self._exchange(exchange, striking, respond)

    def _exchange(self, exchange: Exchange, striking: Sequence[NetworkFault], respond: Responder) -> None:
        line, request = exchange.line, exchange.request
        served: list[bytes | None] = []

        def device(frame: Frame) -> bytes | None:
            served.append(respond(frame))
            return served[-1]

        chain: Responder = device
        for fault in reversed(striking):
            chain = partial(fault.respond, exchange, device=chain)
        response = chain(request)
        pieces: Sequence[Chunk] = ()
        if response is not None:
            reply = Frame(request.transaction, request.unit, response)
            for fault in striking:
                reply = fault.identify(exchange, reply)
            pieces = (Chunk(line.encode(*reply)),)
        for fault in striking:
            pieces = fault.send(exchange, pieces)
        self._play(line, self._delay_while_busy(pieces))
        if striking and self.on_change is not None:
            names = tuple(fault.fault for fault in striking)
            sent, delay = b"".join(piece.data for piece in pieces), sum(piece.after for piece in pieces)
            first = served[0] if served else None
            self.on_change(
                AffectedRequest(request.unit, exchange.number, names, request.pdu, first, sent, delay)
            )

    def _delay_while_busy(self, pieces: Sequence[Chunk]) -> Sequence[Chunk]:
        """Later, where something behind the port is still busy."""
        wait = self._shared.busy_until - self._shared.now()
        if not pieces or wait <= 0:
            return pieces
        return (pieces[0]._replace(after=pieces[0].after + wait), *pieces[1:])

    def _play(self, line: ClientConnection, pieces: Sequence[Chunk]) -> None:
        """Sends the pieces one after the other; those without a pause between them in one go."""
        for place, piece in enumerate(pieces):
            if piece.after > 0:
                rest = (piece._replace(after=0.0), *pieces[place + 1 :])
                asyncio.get_running_loop().call_later(piece.after, self._play, line, rest)
                return
            if line.transport.is_closing():
                return
            if piece.data:
                line.transport.write(piece.data)
                self._shared.last_reply = self._shared.now()
            if piece.then == "close" and not self._serial:
                line.transport.close()
            elif piece.then == "reset" and not self._serial:
                reset(line)


class _FaultInstance:
    """One fault on one port, and how often it could strike and did."""

    def __init__(self, fault: NetworkFault, units: frozenset[int] | None) -> None:
        self.fault = fault
        self.units = units
        self.started = False
        self._met = 0
        self._struck = 0

    def meets(self, exchange: Exchange) -> bool:
        """Whether it strikes this request."""
        fault, unit = self.fault, exchange.request.unit
        if not fault.active(exchange.shared.seconds) or (self.units is not None and unit not in self.units):
            return False
        key = f"{exchange.shared.seed}/{unit}/{fault.fault}/{exchange.number}"
        return fault.applies_to(exchange) and self.strikes(key)

    def strikes(self, key: str) -> bool:
        """Whether it strikes what it could strike now."""
        fault = self.fault
        self._met += 1
        spared = self._met <= fault.skip or self._struck == fault.max_count
        if spared or (fault.probability < 1 and drawn(key) >= fault.probability):
            return False
        self._struck += 1
        return True
