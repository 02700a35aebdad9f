"""Frames with the wrong ids, of the wrong length, cut short, or not frames at all."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal
from weakref import WeakKeyDictionary

from pydantic import Field, PrivateAttr

from qilu.contract.units import Duration
from qilu.modbus.framing import Frame
from simulator.network_faults.fault import Chunk, Exchange, NetworkFault
from simulator.serving.response_hook import ClientConnection

_HEADER = 7


class WrongTransaction(NetworkFault):
    """The transaction id of the reply is not that of its request. RTU frames have none: no effect there."""

    fault: Literal["wrong_transaction"] = "wrong_transaction"
    kind: Literal["next", "swapped", "previous", "constant"] = "next"
    """One more; with its bytes swapped; that of the request before; always `value`."""
    value: int = Field(default=0, ge=0, le=65535)
    """Of the kind `constant`."""
    _last: WeakKeyDictionary[ClientConnection, int] = PrivateAttr(default_factory=WeakKeyDictionary)

    def identify(self, exchange: Exchange, reply: Frame) -> Frame:
        right = reply.transaction
        previous = self._last.get(exchange.line, 0)
        self._last[exchange.line] = right
        wrong = {
            "next": right + 1 & 0xFFFF,
            "swapped": (right & 0xFF) << 8 | right >> 8,
            "previous": previous,
            "constant": self.value,
        }[self.kind]
        return reply._replace(transaction=wrong)


class WrongUnit(NetworkFault):
    """The unit id of the reply is not that of its request."""

    fault: Literal["wrong_unit"] = "wrong_unit"
    unit_id: int | Literal["neighbour"] = "neighbour"
    """0 to 255; `neighbour` is one more than the right one."""

    def identify(self, exchange: Exchange, reply: Frame) -> Frame:
        return reply._replace(
            unit=reply.unit + 1 & 0xFF if self.unit_id == "neighbour" else self.unit_id & 0xFF
        )


class CrossedMasters(NetworkFault):
    """A second master on the line: the reply to it comes here too, before ours or instead of it.

    What it carries has the shape of our reply, and the opposite of every bit of it.
    """

    fault: Literal["crossed_masters"] = "crossed_masters"
    unit_id: int | None = Field(default=None, ge=0, le=255)
    """Whom the other master asked; by default the unit after ours."""
    shift: int = Field(default=0x1000, ge=0, le=65535)
    """How far its transaction ids are from ours; 0 where both happen to count alike."""
    instead: bool = False
    """Our own reply is lost."""
    gap: Duration = 0.05
    """Seconds between its reply and ours."""

    def send(self, exchange: Exchange, pieces: Sequence[Chunk]) -> Sequence[Chunk]:
        if not pieces:
            return pieces
        transaction, unit, _ = exchange.request
        ours = self._pdu(exchange, pieces)
        theirs = ours[:2] + bytes(byte ^ 0xFF for byte in ours[2:])
        whose = unit + 1 & 0xFF if self.unit_id is None else self.unit_id
        foreign = Chunk(
            exchange.line.encode(transaction + self.shift & 0xFFFF, whose, theirs), pieces[0].after
        )
        if self.instead:
            return [foreign]
        return [foreign, pieces[0]._replace(after=self.gap), *pieces[1:]]

    def _pdu(self, exchange: Exchange, pieces: Sequence[Chunk]) -> bytes:
        data = b"".join(piece.data for piece in pieces)
        return data[_HEADER:] if exchange.shared.framing == "tcp" else data[1:-2]


class Truncate(NetworkFault):
    """The end of a reply is missing."""

    fault: Literal["truncate"] = "truncate"
    missing_bytes: int = Field(default=3, ge=1)
    """Bytes, at least one of the reply is sent."""
    behaviour: Literal["no_reply", "close", "reset"] = "no_reply"

    def send(self, exchange: Exchange, pieces: Sequence[Chunk]) -> Sequence[Chunk]:
        if not pieces:
            return pieces
        data = b"".join(piece.data for piece in pieces)
        kept = data[: max(1, len(data) - self.missing_bytes)]
        return [Chunk(kept, pieces[0].after, "" if self.behaviour == "no_reply" else self.behaviour)]


class BadLength(NetworkFault):
    """The header of a reply is wrong. RTU frames have none: no effect there."""

    fault: Literal["bad_length"] = "bad_length"
    kind: Literal["big", "small", "zero", "longer", "shorter", "protocol"] = "big"
    """A length of 65535, of 1, of 0; two more, two fewer than there are; the protocol id 7."""

    def send(self, exchange: Exchange, pieces: Sequence[Chunk]) -> Sequence[Chunk]:
        if exchange.shared.framing != "tcp":
            return pieces
        return [piece._replace(data=self._spoilt(piece.data)) for piece in pieces]

    def _spoilt(self, frame: bytes) -> bytes:
        if len(frame) < _HEADER:
            return frame
        if self.kind == "protocol":
            return frame[:2] + b"\0\7" + frame[4:]
        right = int.from_bytes(frame[4:6], "big")
        length = {"big": 65535, "small": 1, "zero": 0, "longer": right + 2, "shorter": right - 2}[self.kind]
        return frame[:4] + length.to_bytes(2, "big") + frame[6:]


class Garbage(NetworkFault):
    """Bytes that are no Modbus: instead of a reply, before it or after it."""

    fault: Literal["garbage"] = "garbage"
    place: Literal["instead", "before", "after"] = "instead"
    noise_bytes: int = Field(default=32, ge=1, le=100_000)
    """Bytes of noise, drawn from the seed."""
    text: str | None = None
    """This text in place of noise, such as the page of a web server."""

    def send(self, exchange: Exchange, pieces: Sequence[Chunk]) -> Sequence[Chunk]:
        noise = Random(exchange.draw("garbage")).randbytes(self.noise_bytes)
        garbage = Chunk(noise if self.text is None else self.text.encode())
        if self.place == "instead":
            return [garbage]
        return [garbage, *pieces] if self.place == "before" else [*pieces, garbage]
