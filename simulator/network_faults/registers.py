"""Values that are not what they should be: swapped, shifted, torn, frozen, sentinels, counters that jump."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, PrivateAttr

from qilu.config.error_texts import did_you_mean
from qilu.contract.profile import TABLES_BY_FUNCTION, DeviceProfile, Point, Table
from qilu.contract.validation import Problem
from qilu.modbus.framing import Frame
from qilu.modbus.functions import ADDRESSES
from simulator.network_faults.fault import Exchange, NetworkFault
from simulator.serving.response_hook import Responder

_FLOATS = {"float32": ">f", "float64": ">d"}


def in_order(point: Point, data: bytes) -> bytes:
    """The registers of a point, from the most significant byte on, in the orders of the wire, or back."""
    words = [data[place : place + 2] for place in range(0, len(data), 2)]
    if point.word_order.startswith("little"):
        words.reverse()
    if point.word_order.endswith("swapped"):
        words = [words[place ^ 1] for place in range(len(words))]
    return b"".join(word[::-1] if point.byte_order == "little" else word for word in words)


class _RegisterFault(NetworkFault):
    """Changes the data of replies to reads of registers."""

    def applies_to(self, exchange: Exchange) -> bool:
        return exchange.read is not None and not TABLES_BY_FUNCTION[exchange.read.function].holds_bits

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        reply, read = device(request), exchange.read
        if reply is None or read is None or reply[0] != request.pdu[0]:
            return reply
        data = bytearray(reply[2:])
        self.change(exchange, TABLES_BY_FUNCTION[read.function], read.address, data)
        return reply[:2] + data

    def change(self, exchange: Exchange, table: Table, first: int, data: bytearray) -> None:
        """Changes the registers of `table` from `first` on in their place."""
        raise NotImplementedError


class _PointFault(_RegisterFault):
    """Changes one point of a device: a number, alone in its registers."""

    point: str

    def problems(self, profile: DeviceProfile) -> Iterator[Problem]:
        points = {point.name: point for point in profile.points if not point.table.holds_bits}
        if self.point not in points:
            remedy = did_you_mean(self.point, points, f"there are: {', '.join(sorted(points))}")
            yield Problem(("point",), f"{profile.profile} has no point {self.point} in a register", remedy)
        elif not _is_whole(points[self.point]):
            problem = f"{self.point} is not a number with registers of its own"
            yield Problem(("point",), problem, "name a point of 16 bits or more")

    def applies_to(self, exchange: Exchange) -> bool:
        """Whether all of the point is read."""
        read, profile = exchange.read, exchange.profile
        if read is None or profile is None:
            return False
        point = next((point for point in profile.points if point.name == self.point), None)
        return (
            point is not None
            and point.table is TABLES_BY_FUNCTION[read.function]
            and read.address <= point.address
            and point.last < read.address + read.quantity
        )

    def change(self, exchange: Exchange, table: Table, first: int, data: bytearray) -> None:
        if exchange.profile is not None:
            point = exchange.profile.point(self.point)
            start, end = 2 * (point.address - first), 2 * (point.last + 1 - first)
            right = in_order(point, bytes(data[start:end]))
            data[start:end] = in_order(point, self.pattern(exchange, point, right))

    def pattern(self, exchange: Exchange, point: Point, right: bytes) -> bytes:
        """What stands there in place of `right`; both from the most significant byte on."""
        raise NotImplementedError


class Sentinel(_PointFault):
    """A register pattern that stands for `no value`, such as 0x8000, or a float that is no number."""

    fault: Literal["sentinel"] = "sentinel"
    raw: int | Literal["nan", "inf", "-inf"] = 0x8000

    def problems(self, profile: DeviceProfile) -> Iterator[Problem]:
        problems = list(super().problems(profile))
        yield from problems
        if not problems and isinstance(self.raw, str) and profile.point(self.point).type not in _FLOATS:
            problem = f"{self.point} is no float, so it cannot be {self.raw}"
            yield Problem(("raw",), problem, "give a number such as 0x8000")

    def pattern(self, exchange: Exchange, point: Point, right: bytes) -> bytes:
        if isinstance(self.raw, str):
            return struct.pack(_FLOATS[point.type], float(self.raw))
        return (self.raw % (1 << 8 * len(right))).to_bytes(len(right), "big")


class CounterGlitch(_PointFault):
    """A counter reads 0 now and then, and goes on as if nothing had been. Give it a `probability`."""

    fault: Literal["counter_glitch"] = "counter_glitch"

    def pattern(self, exchange: Exchange, point: Point, right: bytes) -> bytes:
        return bytes(len(right))


class CounterReset(_PointFault):
    """An integer counter restarts at 0 and counts on from there."""

    fault: Literal["counter_reset"] = "counter_reset"
    _offsets: dict[int, int] = PrivateAttr(default_factory=dict)

    def pattern(self, exchange: Exchange, point: Point, right: bytes) -> bytes:
        value, modulus = int.from_bytes(right, "big"), 1 << 8 * len(right)
        offset = self._offsets.setdefault(exchange.request.unit, self.first(modulus) - value)
        return ((value + offset) % modulus).to_bytes(len(right), "big")

    def first(self, modulus: int) -> int:
        """What the counter stands at when the fault begins."""
        return 0


class CounterRollover(CounterReset):
    """An integer counter stands shortly before the end of its registers, and goes on at 0 after it."""

    fault: Literal["counter_rollover"] = "counter_rollover"  # type: ignore[assignment]
    before: int = Field(default=5, ge=1)
    """So many counts before the end when the fault begins."""

    def first(self, modulus: int) -> int:
        return modulus - self.before


class WordSwap(_RegisterFault):
    """Values of 32 and 64 bits come in another order of words and bytes than that of the profile."""

    fault: Literal["word_swap"] = "word_swap"
    order: Literal["cdab", "badc", "dcba"] = "cdab"
    """Of the bytes abcd of a value as it should be: words turned round, bytes in the words, or both."""

    def change(self, exchange: Exchange, table: Table, first: int, data: bytearray) -> None:
        for point in _numbers(exchange, table):
            start, end = 2 * (point.address - first), 2 * (point.last + 1 - first)
            if point.size > 1 and start >= 0 and end <= len(data):
                words = [bytes(data[place : place + 2]) for place in range(start, end, 2)]
                if self.order != "badc":
                    words.reverse()
                data[start:end] = b"".join(word[::-1] if self.order != "cdab" else word for word in words)


class ShiftedAddress(_RegisterFault):
    """Every register stands beside where the profile has it, as with addresses counted from 1."""

    fault: Literal["off_by_one"] = "off_by_one"
    shift: int = Field(default=1, ge=-ADDRESSES + 1, lt=ADDRESSES)
    """A read of address 10 returns what stands at 10 + `shift`."""

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        address = int.from_bytes(request.pdu[1:3], "big") + self.shift
        shifted = request.pdu[:1] + (address % ADDRESSES).to_bytes(2, "big") + request.pdu[3:]
        return device(request._replace(pdu=shifted))


class TornRead(_RegisterFault):
    """A value that is read in parts is torn: only a read of the whole gives registers of one moment.

    What is read of it in part is 0.
    """

    fault: Literal["torn"] = "torn"

    def applies_to(self, exchange: Exchange) -> bool:
        read = exchange.read
        if read is None or not super().applies_to(exchange):
            return False
        first, last = read.address, read.address + read.quantity - 1
        return any(
            point.address <= last and first <= point.last and (point.address < first or last < point.last)
            for point in _numbers(exchange, TABLES_BY_FUNCTION[read.function])
        )

    def change(self, exchange: Exchange, table: Table, first: int, data: bytearray) -> None:
        last = first + len(data) // 2 - 1
        for point in _numbers(exchange, table):
            if not (first <= point.address and point.last <= last):
                for address in range(max(first, point.address), min(last, point.last) + 1):
                    data[2 * (address - first) : 2 * (address - first) + 2] = b"\0\0"


class Frozen(NetworkFault):
    """A frozen device: it repeats its first reply to each request."""

    fault: Literal["frozen"] = "frozen"
    _first: dict[tuple[int, bytes], bytes | None] = PrivateAttr(default_factory=dict)

    def applies_to(self, exchange: Exchange) -> bool:
        return exchange.read is not None

    def respond(self, exchange: Exchange, request: Frame, device: Responder) -> bytes | None:
        return self._first.setdefault((request.unit, request.pdu), device(request))


def _is_whole(point: Point) -> bool:
    """Whether it is a number with registers of its own."""
    return point.type not in ("string", "bool") and point.mask == 0xFFFF


def _numbers(exchange: Exchange, table: Table) -> list[Point]:
    points = () if exchange.profile is None else exchange.profile.points
    return [point for point in points if point.table is table and _is_whole(point)]
