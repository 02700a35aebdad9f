"""Replies that come late, in pieces, together or out of turn."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal
from weakref import WeakKeyDictionary

from pydantic import Field, PrivateAttr

from qilu.contract.units import Duration, Period
from qilu.modbus.framing import Frame
from simulator.network_faults.fault import Chunk, Exchange, NetworkFault
from simulator.serving.response_hook import ClientConnection, Responder


def delayed(pieces: Sequence[Chunk], seconds: float) -> Sequence[Chunk]:
    return [pieces[0]._replace(after=pieces[0].after + seconds), *pieces[1:]] if pieces else pieces


class Slow(NetworkFault):
    """A device that needs this long for each request, one after the other: what comes meanwhile waits."""

    fault: Literal["slow"] = "slow"
    delay: Period
    jitter: Duration = 0.0
    """Up to so much longer."""
    _free_at: dict[int, float] = PrivateAttr(default_factory=dict)

    def send(self, exchange: Exchange, pieces: Sequence[Chunk]) -> Sequence[Chunk]:
        unit, now = exchange.request.unit, exchange.shared.now()
        starts = max(now, self._free_at.get(unit, now))
        self._free_at[unit] = starts + self.delay + self.jitter * exchange.draw("jitter")
        return delayed(pieces, self._free_at[unit] - now)


class LateReply(NetworkFault):
    """A reply on its own is late; those to later requests may overtake it."""

    fault: Literal["late_reply"] = "late_reply"
    delay: Period

    def send(self, exchange: Exchange, pieces: Sequence[Chunk]) -> Sequence[Chunk]:
        return delayed(pieces, self.delay)


class Split(NetworkFault):
    """A reply in small segments, the last byte of it after a pause of its own."""

    fault: Literal["split"] = "split"
    segment_bytes: int = Field(default=1, ge=1)
    """Bytes of a segment."""
    gap: Duration = 0.001
    """Seconds between two segments."""
    pause: Duration = 0.2
    """Seconds before the last byte."""

    def send(self, exchange: Exchange, pieces: Sequence[Chunk]) -> Sequence[Chunk]:
        chunks: list[Chunk] = []
        for data, after, then in pieces:
            body, end = data[:-1], data[-1:]
            parts = [
                body[start : start + self.segment_bytes] for start in range(0, len(body), self.segment_bytes)
            ]
            chunks += [Chunk(part, self.gap if place else after) for place, part in enumerate(parts)]
            chunks.append(Chunk(end, self.pause, then))
        return chunks


class _HoldFault(NetworkFault):
    """Replies are held back until there are `count` of them, or the oldest has waited for `max_delay`."""

    count: int = Field(default=2, ge=2)
    max_delay: Period | None = None
    """Seconds after which what is held is sent anyway; by default it waits for ever."""
    _held: WeakKeyDictionary[ClientConnection, list[bytes]] = PrivateAttr(default_factory=WeakKeyDictionary)

    def released(self, held: Sequence[bytes]) -> bytes:
        """What goes out at last."""
        raise NotImplementedError

    def send(self, exchange: Exchange, pieces: Sequence[Chunk]) -> Sequence[Chunk]:
        if not pieces:
            return pieces
        line = exchange.line
        held = self._held.setdefault(line, [])
        held.append(b"".join(piece.data for piece in pieces))
        if len(held) >= self.count:
            return [Chunk(self.released(self._held.pop(line)))]
        if len(held) == 1 and self.max_delay is not None:
            asyncio.get_running_loop().call_later(self.max_delay, self._in_time, line, held)
        return []

    def _in_time(self, line: ClientConnection, held: list[bytes]) -> None:
        if self._held.get(line) is held:
            del self._held[line]
            if not line.transport.is_closing():
                line.transport.write(self.released(held))


class Coalesce(_HoldFault):
    """Several replies of a connection come in one segment."""

    fault: Literal["coalesce"] = "coalesce"

    def released(self, held: Sequence[bytes]) -> bytes:
        return b"".join(held)


class OutOfOrder(_HoldFault):
    """A gateway that replies to consecutive requests in the wrong order."""

    fault: Literal["out_of_order"] = "out_of_order"
    max_delay: Period | None = 0.05
    """Seconds after which what is held is sent anyway."""

    def released(self, held: Sequence[bytes]) -> bytes:
        return b"".join(reversed(held))


class NeedsGap(NetworkFault):
    """A request too soon after a reply is lost, or gets the reply to the request before."""

    fault: Literal["needs_gap"] = "needs_gap"
    gap: Period = 0.05
    behaviour: Literal["no_reply", "mixed"] = "no_reply"
    _before: list[bytes] = PrivateAttr(default_factory=list)

    def applies_to(self, exchange: Exchange) -> bool:
        soon = exchange.shared.now() - exchange.shared.last_reply < self.gap
        if not soon:
            self._before[:] = [exchange.request.pdu]
        return soon

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        if self.behaviour == "no_reply" or not self._before:
            return None
        return device(request._replace(pdu=self._before[0]))
