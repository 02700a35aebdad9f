"""Every way to read registers as numbers, and which of the numbers could be meant. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, cast

from gateway.commissioning.probe.range_dump import Dump
from qilu.contract.profile import DataType, Point, Table
from qilu.contract.registers import BlockCodec, compile_block

Order = Literal["big", "little"]

_LETTERS = {
    ("big", "big"): "ABCD",
    ("big", "little"): "CDAB",
    ("little", "big"): "BADC",
    ("little", "little"): "DCBA",
}
"""How manuals spell the orders of the four bytes of two registers, by the order of bytes and of words."""

SMALLEST, LARGEST = 1e-3, 1e7
"""Between these, a number that was measured is likely; floats read in a wrong order seldom fall in."""
LARGEST_LONG = 1e12  # of 64 bits: counters of Wh


@dataclass(frozen=True)
class View:
    """One type in one order of bytes and words. Its numbers are the gateway's: both use one codec."""

    type: DataType
    byte_order: Order = "big"
    word_order: Order = "big"

    @property
    def registers(self) -> int:
        return self.type.bits // 16

    @property
    def letters(self) -> str:
        """The order as manuals spell it; for one register "" or "BA"."""
        if self.registers == 1:
            return "" if self.byte_order == "big" else "BA"
        return _LETTERS[self.byte_order, self.word_order]

    @property
    def name(self) -> str:
        return f"{self.type} {self.letters}".strip()

    @property
    def keys(self) -> dict[str, str]:
        """The keys of a profile's point that is read so, without defaults."""
        orders = {"byte_order": self.byte_order, "word_order": self.word_order}
        return {"type": self.type.value} | {key: order for key, order in orders.items() if order != "big"}

    @cached_property
    def _codec(self) -> BlockCodec:
        point = Point(
            name="value", table=Table.HOLDING, address=0, type=self.type,
            byte_order=self.byte_order, word_order=self.word_order,
        )  # fmt: skip
        return compile_block((point,), Table.HOLDING, 0, self.registers)

    def value(self, words: bytes) -> float | int | None:
        """The number in these registers; None for NaN and infinity."""
        return cast("float | int | None", self._codec.decode(words)[0][0])

    def at(self, dump: Dump, address: int) -> float | int | None:
        """The number that begins at `address`; None also where registers of it are missing."""
        words = dump.words(address, self.registers)
        return None if words is None else self.value(words)

    def plausible(self, number: float | None) -> bool:
        """Whether this number is plausible in this view. Zero is no evidence."""
        if not number or (self.signed and number > 0):
            return False  # a positive number of a signed type is shown by its unsigned brother
        if self.type.is_float:
            return SMALLEST <= abs(number) <= LARGEST
        if self.registers == 4:
            return 0xFFFF < abs(number) <= LARGEST_LONG
        return self.registers == 1 or abs(number) <= LARGEST

    @property
    def signed(self) -> bool:
        return self.type.value.startswith("int")


def _views() -> Iterator[View]:
    orders: Sequence[tuple[Order, Order]] = (
        ("big", "big"), ("big", "little"), ("little", "big"), ("little", "little"),
    )  # fmt: skip
    yield View(DataType.UINT16)
    yield View(DataType.INT16)
    for longer in ("float32", "uint32", "int32", "float64", "uint64", "int64"):
        for byte_order, word_order in orders:
            yield View(DataType(longer), byte_order, word_order)


VIEWS: tuple[View, ...] = tuple(_views())
"""What a dump shows. What is seldom (bytes swapped in single registers, BCD) is left to `qilu probe find`."""

RARE_VIEWS = (
    View(DataType.UINT16, "little"),
    View(DataType.INT16, "little"),
    View(DataType.BCD16),
    View(DataType.BCD32),
    View(DataType.BCD32, "big", "little"),
)


def plausible_views(dump: Dump, views: Iterable[View] = VIEWS) -> Mapping[View, Mapping[int, float | int]]:
    """The views that show something plausible anywhere, most of it first; address -> number."""
    result: dict[View, dict[int, float | int]] = {}
    for view in views:
        numbers = {address: view.at(dump, address) for address in sorted(dump.values)}
        likely = {address: n for address, n in numbers.items() if n is not None and view.plausible(n)}
        if likely:
            result[view] = likely
    rank = {view: place for place, view in enumerate(VIEWS)}
    return dict(
        sorted(result.items(), key=lambda item: (item[0].registers > 1, -len(item[1]), rank[item[0]]))
    )
