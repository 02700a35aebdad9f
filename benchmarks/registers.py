"""How long a block of registers takes to decode: ours, the barest unpack of the same bytes, and pymodbus.

    python -m benchmarks.registers

Prints microseconds per block and ratios of one run: the machine cancels out of the ratios only.
"""

from __future__ import annotations

import struct
import timeit
from collections.abc import Callable
from typing import Any

import msgspec
from pymodbus.client.mixin import ModbusClientMixin

from qilu.contract.profile import Point, Table
from qilu.contract.registers import compile_block

REGISTERS_OF_50_FLOATS = struct.pack(">50f", *(0.37 * number for number in range(50)))


def points(count: int, kind: str, **keys: Any) -> list[Point]:
    """`count` points of one kind, one behind the other."""
    size = {"uint16": 1, "int16": 1}.get(kind, 2)
    raw = {"table": "holding", "type": kind, **keys}
    return [Point.model_validate({"name": f"p{n}", "address": size * n, **raw}) for n in range(count)]


def scattered() -> list[Point]:
    """20 points of mixed encodings, as they lie in a real device."""
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("float32", {}),
        ("uint16", {"scale": 0.1, "limits": {"min": 0, "max": 7000}}),
        ("int16", {"scale": 0.01, "sentinels": [0x8000]}),
        ("uint32", {"word_order": "little"}),
        ("bool", {"bit": 3}),
    ]
    raws = [
        {"name": f"p{n}", "table": "holding", "address": 6 * n, "type": kinds[n % 5][0], **kinds[n % 5][1]}
        for n in range(20)
    ]
    return [Point.model_validate(raw) for raw in raws]


def microseconds(work: Callable[[], object]) -> float:
    """The best of seven runs of at least 20 ms each."""
    timer = timeit.Timer(work)
    number, _ = timer.autorange()
    number = max(1, number // 10)
    return min(timer.repeat(7, number)) / number * 1e6


def row(name: str, own: float, compared: float, with_what: str) -> None:
    print(f"{name:<46} {own:8.2f} us   {own / compared:6.3f} of {with_what}")


def main() -> None:
    data = REGISTERS_OF_50_FLOATS * 2
    halves = (data[:200], data[200:])
    bare = struct.Struct(">50f").unpack
    barest = 2 * microseconds(lambda: bare(halves[0]))
    registers = list(struct.unpack(">100H", halves[0]))
    kind = ModbusClientMixin.DATATYPE.FLOAT32
    theirs = 2 * microseconds(lambda: ModbusClientMixin.convert_from_registers(registers, kind))
    print("100 float32 points, two blocks of 100 registers:")
    row("  struct alone", barest, theirs, "pymodbus")
    row("  pymodbus convert_from_registers", theirs, barest, "struct alone")
    for name, keys in (
        ("as they are", {}),
        ("words swapped", {"word_order": "little"}),
        ("limits", {"limits": {"min": -1, "max": 1000}}),
        ("scaled by 0.1", {"scale": 0.1}),
        ("scaled, offset, limits", {"scale": 0.1, "offset": -40, "limits": {"min": -100, "max": 1000}}),
    ):
        decode = compile_block(points(50, "float32", **keys), Table.HOLDING, 0, 100).decode
        own = 2 * microseconds(lambda decode=decode: decode(halves[0]))  # type: ignore[misc]
        row(f"  ours, {name}", own, barest, f"struct alone, {own / theirs:.3f} of pymodbus")
    print("20 scattered points of mixed encodings, one block of 120 registers:")
    decode = compile_block(scattered(), Table.HOLDING, 0, 120).decode
    image = bytes(range(240))
    unpack = struct.Struct(">120H").unpack
    row(
        "  ours",
        microseconds(lambda: decode(image)),
        microseconds(lambda: unpack(image)),
        "all words unpacked",
    )
    float_texts(bare(halves[0]))


def float_texts(values: tuple[float, ...]) -> None:
    """What the digits of a float32 cost: 0.1 is written 0.10000000149011612 unless somebody shortens it."""
    encode = msgspec.json.Encoder().encode
    short = tuple(float(f"{value:.7g}") for value in values)
    print("50 float32 as JSON:")
    print(f"  as they are      {len(encode(values)):6d} bytes {microseconds(lambda: encode(values)):8.2f} us")
    for name, shorten in (
        ("7 digits by text", lambda: [float(f"{value:.7g}") for value in values]),
        ("round(value, 3)", lambda: [round(value, 3) for value in values]),
    ):
        cost = microseconds(shorten)
        print(f"  {name:<16} {len(encode(short)):6d} bytes {cost:8.2f} us more")


if __name__ == "__main__":
    main()
