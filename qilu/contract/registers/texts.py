"""How a text lies in registers: which bytes are characters, what they mean and what only fills it up."""

from __future__ import annotations

from collections.abc import Callable

from qilu.contract.profile import Point


def text_reader(point: Point) -> Callable[[bytes], str]:
    """The text of its registers, their bytes in order; UnicodeDecodeError where there is none."""
    encoding, first = point.encoding, _FIRST.get(point.char_bytes)
    end = _ENDS.get(point.padding)
    ends_at_space = point.padding in ("any", "space")

    def read(raw: bytes) -> str:
        if first is not None:
            raw = raw[first::2]
        if end is not None:
            raw = raw.split(end, 1)[0]
        if ends_at_space:
            raw = raw.rstrip(b" ")
        return raw.decode(encoding)

    return read


def text_writer(point: Point) -> Callable[[str], bytes]:
    """The bytes of its registers for a text; ValueError when it does not fit, or would not be read back."""
    first, fill = _FIRST.get(point.char_bytes), _FILL.get(point.padding, b"\0")
    size = 2 * point.size if first is None else point.size
    read = text_reader(point)

    def write(text: str) -> bytes:
        raw = text.encode(point.encoding)
        if len(raw) > size:
            raise ValueError(f"{len(raw)} bytes do not fit into {size}")
        raw = raw.ljust(size, fill)
        if first is not None:
            spread = bytearray(2 * size)
            spread[first::2] = raw
            raw = bytes(spread)
        if read(raw) != text:
            raise ValueError("it would be read back as another text: mind NUL, and spaces at the end")
        return raw

    return write


_ENDS = {"any": b"\0", "nul": b"\0", "ff": b"\xff"}
_FILL = {"space": b" ", "ff": b"\xff"}
_FIRST = {"high": 0, "low": 1}
