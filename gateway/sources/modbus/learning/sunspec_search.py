"""Finds a SunSpec model by walking over the models of a device, from the marker `SunS` on. Pure.

Source: SunSpec Device Information Model Specification, section 6: a map starts with `SunS`; each model is its
id, the number of registers that follow, and these registers; the id FFFFh ends the map.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Collection, Generator
from typing import NamedTuple

from qilu.contract.profile import Table
from qilu.modbus.pdu import read_request

MARKER = b"SunS"
BASES = (40000, 50000, 0)
END = 0xFFFF
MAX_MODELS = 64  # of one device: a map that never ends is not walked for ever
_HEADER = struct.Struct(">HH")


async def find_model(
    models: Collection[int | str], table: Table, read: Callable[[bytes], Awaitable[bytes | None]]
) -> int | None:
    """As `sunspec_search`, with the registers of this table; `read`: the data of the reply to a request."""
    search = sunspec_search(models)
    try:
        registers = next(search)
        while True:
            registers = search.send(await read(read_request(table.read_function, *registers)))
    except StopIteration as end:
        address: int | None = end.value
        return address


class Registers(NamedTuple):
    """What to read next."""

    first: int
    size: int


def sunspec_search(models: Collection[int | str]) -> Generator[Registers, bytes | None, int | None]:
    """Yields registers and takes their bytes, None where they cannot be read; returns the address of the id
    of the first of these models, None where the device has none of them."""
    for base in BASES:
        if (yield Registers(base, 2)) != MARKER:
            continue
        address = base + 2
        for _ in range(MAX_MODELS):
            header = (yield Registers(address, 2)) if address < END else None
            if header is None:
                break
            model, length = _HEADER.unpack(header)
            if model in models:
                return address
            if model == END:
                break
            address += _HEADER.size // 2 + length
    return None
