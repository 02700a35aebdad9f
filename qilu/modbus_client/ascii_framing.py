"""Modbus ASCII frames, encoded and checked by pymodbus. Only endpoints with `ascii` need that library.

pymodbus gets one delimited frame at a time: given a stream, its framer drops a good frame behind a bad one,
and raises where no hexadecimal number stands for the unit id.
"""

from __future__ import annotations

from pymodbus.framer import FramerAscii
from pymodbus.pdu import DecodePDU

from qilu.modbus.framing import Frame

_START, _END = b":", b"\r\n"
_SHORTEST = 9
"""Characters of a frame: start, unit id, function, LRC, end."""
LONGEST = 513
"""Source: MODBUS over Serial Line Specification and Implementation Guide V1.02, section 2.5.2.1."""


class AsciiFramer:
    """One side of a stream of ASCII frames. Noise, and frames with a wrong checksum, are dropped."""

    __slots__ = ("_buffer", "_codec")

    def __init__(self) -> None:
        self._buffer = b""
        self._codec = FramerAscii(DecodePDU(is_server=False))

    @property
    def buffered(self) -> int:
        return len(self._buffer)

    def reset(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def expect(self, unit: int, request: bytes) -> None:
        """Nothing: an ASCII frame has its end in itself."""

    def encode(self, transaction: int, unit: int, pdu: bytes) -> bytes:
        return self._codec.encode(pdu, unit, transaction)

    def next_frame(self) -> Frame | None:
        while (end := self._buffer.find(_END)) >= 0:
            candidate, self._buffer = self._buffer[: end + len(_END)], self._buffer[end + len(_END) :]
            start = candidate.rfind(_START)
            if start >= 0 and (frame := self._decoded(candidate[start:])) is not None:
                return frame
        # Of what has no end yet, what may still become a frame is kept.
        start = self._buffer.rfind(_START)
        self._buffer = self._buffer[start:] if start >= 0 and len(self._buffer) - start <= LONGEST else b""
        return None

    def _decoded(self, candidate: bytes) -> Frame | None:
        if not _SHORTEST <= len(candidate) <= LONGEST:
            return None
        try:
            used, unit, _, pdu = self._codec.decode(candidate)
        except ValueError:
            return None
        return Frame(0, unit, pdu) if used and pdu else None
