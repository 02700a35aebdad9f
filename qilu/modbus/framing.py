"""What every framing has in common: bytes go in as they arrive, and three things come out.

`next_frame()` returns a frame; or returns None, "more bytes are needed"; or raises FrameError, "this stream
can no longer be cut into frames: close it". A framer does no I/O, and keeps at most the length of one frame
once None was returned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Frame(NamedTuple):
    """A PDU with its address. Serial framings carry no transaction id; theirs is 0."""

    transaction: int
    unit: int
    pdu: bytes


class Framer(Protocol):
    def feed(self, data: bytes) -> None:
        """Take bytes from the stream; call `next_frame` until None before the next ones."""

    def next_frame(self) -> Frame | None:
        """One of the three outcomes."""

    def encode(self, transaction: int, unit: int, pdu: bytes) -> bytes:
        """The bytes of one frame."""

    def reset(self) -> None:
        """Forget what was fed: the line was drained, or the stream is a new one."""

    @property
    def buffered(self) -> int:
        """How many bytes wait for the rest of their frame, or for `next_frame` to be called."""


class ClientFramer(Framer, Protocol):
    def expect(self, unit: int, request: bytes) -> None:
        """Look for the response of this unit to this request PDU."""


def frames(framer: Framer, data: bytes) -> Iterator[Frame]:
    """Feed, then every frame that is complete now."""
    framer.feed(data)
    while (frame := framer.next_frame()) is not None:
        yield frame
