"""Requests and responses of every function: the specification's own examples, and any other by hypothesis."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from qilu.modbus.device_identification import ReadIdentity, identity_response
from qilu.modbus.framing import Frame, Framer
from qilu.modbus.pdu import Request, data_size
from qilu.modbus.read_functions import Read, read_response, unpack_bits
from qilu.modbus.write_functions import (
    MaskWrite,
    ReadWrite,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
    write_echo,
)

# MODBUS Application Protocol Specification V1.1b3, section 6: request, its bytes, bytes of the response
EXAMPLES: list[tuple[Request, str, str]] = [
    (Read(1, 19, 19), "01 0013 0013", "01 03 cd6b05"),
    (Read(2, 196, 22), "02 00c4 0016", "02 03 acdb35"),
    (Read(3, 107, 3), "03 006b 0003", "03 06 022b 0000 0064"),
    (Read(4, 8, 1), "04 0008 0001", "04 02 000a"),
    (WriteCoil(172, True), "05 00ac ff00", "05 00ac ff00"),
    (WriteRegister(1, b"\x00\x03"), "06 0001 0003", "06 0001 0003"),
    (
        WriteCoils(19, (True, False, True, True, False, False, True, True, True, False)),
        "0f 0013 000a 02 cd01",
        "0f 0013 000a",
    ),
    (WriteRegisters(1, bytes.fromhex("000a0102")), "10 0001 0002 04 000a 0102", "10 0001 0002"),
    (MaskWrite(4, 0xF2, 0x25), "16 0004 00f2 0025", "16 0004 00f2 0025"),
    (
        ReadWrite(3, 6, 14, bytes.fromhex("00ff00ff00ff")),
        "17 0003 0006 000e 0003 06 00ff00ff00ff",
        "17 0c 00fe 0acd 0001 0003 000d 00ff",
    ),
    (ReadIdentity(1, 0), "2b 0e 01 00", "2b 0e 01 81 00 00 01 00 02 4142"),
]
NAMES = [f"function {bytes.fromhex(request)[0]}" for _, request, _ in EXAMPLES]


_words = st.integers(0, 65535)


def _span(limit: int) -> st.SearchStrategy[tuple[int, int]]:
    counts = st.integers(1, limit)
    return st.builds(lambda count, address: (min(address, 65536 - count), count), counts, _words)


def _written(limit: int) -> st.SearchStrategy[tuple[int, bytes]]:
    pattern = st.binary(min_size=16, max_size=16)
    return st.builds(lambda span, data: (span[0], (data * 16)[: 2 * span[1]]), _span(limit), pattern)


reads = st.one_of(
    st.builds(lambda function, span: Read(function, *span), st.integers(1, 2), _span(2000)),
    st.builds(lambda function, span: Read(function, *span), st.integers(3, 4), _span(125)),
)
requests: st.SearchStrategy[Request] = st.one_of(
    reads,
    st.builds(WriteCoil, _words, st.booleans()),
    _written(1).map(lambda written: WriteRegister(*written)),
    st.builds(
        lambda span, pattern: WriteCoils(span[0], unpack_bits(pattern * 16, span[1])),
        _span(1968),
        st.binary(min_size=16, max_size=16),
    ),
    _written(123).map(lambda written: WriteRegisters(*written)),
    st.builds(MaskWrite, _words, _words, _words),
    st.builds(lambda span, written: ReadWrite(*span, *written), _span(125), _written(121)),
    st.builds(ReadIdentity, st.integers(1, 4), st.integers(0, 255)),
)


def response_to(request: bytes, filler: int = 0x5A) -> bytes:
    """A right response PDU to any request PDU."""
    size = data_size(request)
    if size is not None:
        return read_response(request[0], bytes((filler,)) * size)
    if request[0] == 43:
        asked = ReadIdentity(request[2], request[3])
        return identity_response(asked, {0: b"maker", 1: b"code", 2: b"1.0", request[3]: b"asked"})
    return write_echo(request)


def delivered(framer: Framer, *chunks: bytes) -> list[Frame]:
    """Every frame that comes out while the chunks go in."""
    found = []
    for chunk in chunks:
        framer.feed(chunk)
        while (frame := framer.next_frame()) is not None:
            found.append(frame)
    return found


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def every_way(make: Callable[[], Framer], data: bytes) -> list[list[Frame]]:
    """The frames found in the bytes whole, byte by byte, in two halves and in chunks of seven."""
    halves = [data[: len(data) // 2], data[len(data) // 2 :]]
    sevens = [data[at : at + 7] for at in range(0, len(data), 7)]
    return [delivered(make(), *chunks) for chunks in ([data], one_by_one(data), halves, sevens)]
