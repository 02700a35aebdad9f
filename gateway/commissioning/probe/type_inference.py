"""Guesses how a range is divided into values: the tiling that explains its registers best. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from gateway.commissioning.probe.interpretations import VIEWS, View
from gateway.commissioning.probe.range_dump import Dump
from gateway.commissioning.probe.strings import TextView, texts_at
from qilu.contract.profile import DataType

SINGLE = View(DataType.UINT16)
_NEGATIVE = View(DataType.INT16)
_CANDIDATES = tuple(view for view in VIEWS if view.registers == 2 or view.type is DataType.FLOAT64)
_ORDERS = tuple(
    tuple(view for view in _CANDIDATES if (view.byte_order, view.word_order) == order)
    for order in dict.fromkeys((view.byte_order, view.word_order) for view in _CANDIDATES)
)


class GuessedValue(NamedTuple):
    address: int
    view: View | TextView
    value: float | int | str

    @property
    def display(self) -> str:
        """The value, for people."""
        return repr(self.value) if isinstance(self.value, str) else f"{self.value:.7g}"


def tiles(dump: Dump) -> list[GuessedValue]:
    """Values that follow one another without overlap, over every address that has one.

    A device has one order of bytes and words: the one that explains all of it best. Floats that are read one
    address off may well look likely, with the words of their neighbours, but leave a word over at each end.
    """
    return min((_tiling(dump, views) for views in _ORDERS), key=lambda tiling: tiling[0])[1]


def summary(guessed: list[GuessedValue]) -> str:
    """A sentence about what most of the values look like; empty where there is no such type."""
    counted = Counter(
        tile.view for tile in guessed if isinstance(tile.view, View) and tile.view.registers > 1
    )
    if not counted:
        return ""
    view, count = counted.most_common(1)[0]
    starts = Counter(tile.address % 2 for tile in guessed if tile.view == view)
    parity, same = starts.most_common(1)[0]
    where = f", beginning at {'odd' if parity else 'even'} addresses" if same == count > 1 else ""
    return f"{count} value{'s look' if count > 1 else ' looks'} like {view.name}{where}"


def _tiling(dump: Dump, views: tuple[View, ...]) -> tuple[float, list[GuessedValue]]:
    """What the cheapest tiling costs, and the tiling."""
    each = [_best(dump, first, last, views) for first, last in _runs(dump)]
    return sum(cost for cost, _ in each), [tile for _, layout in each for tile in layout]


def _runs(dump: Dump) -> Iterator[tuple[int, int]]:
    """Addresses without a gap, as first and last."""
    first = last = None
    for address in sorted(dump.values):
        if last is not None and first is not None and address != last + 1:
            yield first, last
            first = address
        first = address if first is None else first
        last = address
    if first is not None and last is not None:
        yield first, last


def _best(dump: Dump, first: int, last: int, views: tuple[View, ...]) -> tuple[float, list[GuessedValue]]:
    """The cheapest tiling, worked out from the end on; a value costs less beside one of its own type."""
    rest: dict[int, dict[View | TextView | None, tuple[float, GuessedValue | None]]] = {
        last + 1: {None: (0.0, None)}
    }
    for address in range(last, first - 1, -1):
        rest[address] = {}
        for cost, candidate in _candidates(dump, address, last, views):
            view = candidate.view
            onward = min(
                total - (0.4 if view == following else 0.0)
                for following, (total, _) in rest[address + view.registers].items()
            )
            rest[address][view] = (cost + onward, candidate)
    layout: list[GuessedValue] = []
    address = first
    before: View | TextView | None = None
    while address <= last:
        options = rest[address]
        best = min(options, key=lambda choice: options[choice][0] - (0.4 if choice == before else 0.0))
        tile = options[best][1]
        assert tile is not None
        layout.append(tile)
        before, address = tile.view, address + tile.view.registers
    return min(cost for cost, _ in rest[first].values()), layout


def _candidates(
    dump: Dump, address: int, last: int, views: tuple[View, ...]
) -> Iterator[tuple[float, GuessedValue]]:
    """What may begin here and ends at `last` at the latest, with what it costs."""
    for view in (SINGLE, _NEGATIVE, *views):
        number = view.at(dump, address) if address + view.registers - 1 <= last else None
        if number is not None and (cost := _cost(view, number)) is not None:
            yield cost, GuessedValue(address, view, number)
    for text in texts_at(dump, address, last):
        yield 0.9, GuessedValue(address, *text)


def _cost(view: View, number: float) -> float | None:
    """None where the view does not explain the number."""
    if view == SINGLE:
        return 1.0 if number else 0.7
    if not number:
        return 1.35 if view.type is DataType.FLOAT32 else None
    if not view.plausible(number):
        return None
    if view == _NEGATIVE:
        return 0.55 if number > -1000 else None  # cheaper by more than a neighbour of its own type saves
    if view.type.is_float:
        return 0.6 if view.registers == 2 else 1.0
    return 1.9 if abs(number) > 0xFFFF else 1.75
