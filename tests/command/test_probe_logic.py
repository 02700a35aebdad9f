"""What a probe makes of registers: ways to read them, known values found again, values told apart."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commissioning.probe.arguments import Range, parse_range, parse_target, parse_units
from gateway.commissioning.probe.interpretations import VIEWS, View, plausible_views
from gateway.commissioning.probe.range_dump import Dump, RangeSearch
from gateway.commissioning.probe.type_inference import summary, tiles
from gateway.commissioning.probe.unit_scan import Unit, verdict
from gateway.commissioning.probe.value_search import find, notes, parse_tolerance
from qilu.contract.errors import ConfigError
from qilu.contract.profile import DataType, Table
from qilu_cli.commands.probe.output import dump_grid, dump_lines
from qilu_cli.commands.probe.watch import changes

ONE_PERCENT = parse_tolerance("1%")


def dump(words: Iterable[int], first: int = 0) -> Dump:
    values = dict(enumerate(words, first))
    return Dump(Range(Table.HOLDING, first, first + len(values) - 1), values, {})


def floats(*numbers: float, order: str = "ABCD") -> list[int]:
    """Registers of floats, by hand."""
    words = []
    for number in numbers:
        a, b, c, d = struct.pack(">f", number)
        places = {"ABCD": (a, b, c, d), "CDAB": (c, d, a, b), "BADC": (b, a, d, c), "DCBA": (d, c, b, a)}[
            order
        ]
        words += [places[0] << 8 | places[1], places[2] << 8 | places[3]]
    return words


@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
def test_a_known_float_is_found_first_in_each_order(order: str) -> None:
    best = find(dump([7, *floats(231.5, order=order), 9], 100), 231.5, ONE_PERCENT)[0]
    assert (best.address, best.view.type, best.view.letters, best.exponent) == (101, "float32", order, 0)


@pytest.mark.parametrize(
    ("words", "expected", "kind", "exponent"),
    [
        ([2315], 231.5, "uint16", -1),
        ([0xFF9C], -10.0, "int16", -1),
        ([49987], 49.987, "uint16", -3),
        ([0x0012, 0xD687], 123456.7, "uint32", -1),
        ([0xFFED, 0x2979], -123456.7, "int32", -1),
        ([0x0012, 0x3456], 1234.56, "bcd32", -2),
    ],
)
def test_a_known_value_is_found_in_an_integer_with_a_power_of_ten(
    words: list[int], expected: float, kind: str, exponent: int
) -> None:
    best = find(dump([*words, 1, 1], 7), expected, parse_tolerance("0.1%"))[0]
    assert (best.address, best.view.type, best.exponent) == (7, kind, exponent)


def test_the_number_with_the_digits_that_were_read_off_comes_first() -> None:
    found = find(dump([500, 5003, 5002]), 50.02, ONE_PERCENT)
    assert [match.number for match in found[:3]] == [50.02, 50.0, 50.03]


def test_a_swapped_counter_is_found_and_the_swap_is_reported() -> None:
    """Read straight it would show 65536 times the truth."""
    registers = dump([0x1388, 0x0000, 99])
    swapped = next(match for match in find(registers, 5000, ONE_PERCENT) if match.view.letters == "CDAB")
    assert swapped.view.type == "uint32"
    assert "the words are swapped" in notes(registers, swapped, registers.span)[0]
    assert "3.2768e+08" in notes(registers, swapped, registers.span)[0]


def test_a_mix_of_two_neighbours_is_named_beside_the_value_that_it_resembles() -> None:
    """Off by one a float keeps its leading word, and so its first digits."""
    registers = dump([9, *floats(231.5, 50.0), 9])
    best, mixed = find(registers, 231.5, ONE_PERCENT)[:2]
    assert (best.address, best.number, mixed.address, mixed.view.letters) == (1, 231.5, 0, "CDAB")
    assert "float32 CDAB at 0 (231)" in notes(registers, best, registers.span)[0]


def test_a_value_one_before_the_range_is_reported_as_off_by_one() -> None:
    read = Range(Table.HOLDING, 11, 12)
    around = dump(floats(231.5, 50.0, 7.0), 10)
    best = find(around, 231.5, ONE_PERCENT)[0]
    assert best.address == 10
    assert best.near(read)
    assert "the manual may count from 1" in notes(around, best, read)[-1]


def test_an_integer_may_be_off_by_half_of_its_last_digit() -> None:
    assert find(dump([23]), 231.5, parse_tolerance("0.1")) == []
    assert find(dump([232]), 23.17, parse_tolerance("0.001"))[0].number == 23.2


@pytest.mark.parametrize("text", ["", "x", "-1%", "100%", "1%%"])
def test_a_tolerance_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no tolerance"):
        parse_tolerance(text)


@pytest.mark.parametrize("order", ["ABCD", "CDAB"])
def test_a_map_of_floats_is_distinguished_from_the_next_value(order: str) -> None:
    numbers = (230.1, 231.7, 229.4, 5.25, 0.0, 4.5, 50.01, 0.98)
    found = tiles(dump(floats(*numbers, order=order), 4))
    assert [(tile.address, tile.view.name) for tile in found] == [
        (4 + 2 * n, f"float32 {order}") for n in range(8)
    ]
    assert summary(found) == f"8 values look like float32 {order}, beginning at even addresses"


@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
def test_floats_with_empty_registers_behind_them_are_not_read_one_address_off(order: str) -> None:
    """With the words of their neighbours they would be likely numbers, too, and one more of them."""
    numbers = (231.5, 230.9, 232.1, 5.01, 4.98, 5.1, 50.02, -12.5)
    found = tiles(dump([*floats(*numbers, order=order), 0, 0, 0]))
    assert [(tile.address, tile.view.name) for tile in found[:8]] == [
        (2 * n, f"float32 {order}") for n in range(8)
    ]


def test_a_map_of_single_registers_is_not_taken_for_floats() -> None:
    found = tiles(dump([2301, 2317, 2294, 52, 0, 45, 5001, 980, 0xFFF0]))
    assert [(tile.address, tile.view.registers) for tile in found] == [(n, 1) for n in range(9)]
    assert found[-1].value == -16
    assert summary(found) == ""


def characters(text: bytes) -> list[int]:
    return [int.from_bytes(text[at : at + 2].ljust(2, b"\0")) for at in range(0, len(text), 2)]


def test_a_text_is_reported_from_the_numbers_around_it() -> None:
    found = tiles(dump([2301, *characters(b"SN-20417"), *floats(231.5), *characters(b"ABB ACS880"), 0, 45]))
    assert [(tile.address, tile.view.name, tile.display) for tile in found] == [
        (0, "uint16", "2301"),
        (1, "string", "'SN-20417'"),
        (5, "float32 ABCD", "231.5"),
        (7, "string", "'ABB ACS880'"),
        (12, "uint16", "0"),
        (13, "uint16", "45"),
    ]
    assert summary(found) == "1 value looks like float32 ABCD"


def test_four_characters_may_well_be_a_number_and_blanks_are_no_text() -> None:
    found = tiles(dump([7, *characters(b"ABCD"), 7, *characters(b" " * 12), 7]))
    assert "string" not in {tile.view.name for tile in found}


def test_a_dump_shows_the_likely_type_right_after_the_single_registers() -> None:
    shown = dump_grid(dump(floats(230.1, 231.7, 229.4, 5.25, 0.0, 4.5, order="CDAB")), 80)
    assert [column.header for column in shown.columns][4:7] == ["uint16", "int16", "float32 CDAB"]


def test_a_dump_says_for_which_types_the_terminal_is_too_narrow() -> None:
    registers = dump(floats(230.1, 231.7, 229.4, 5.25))
    wide, narrow = dump_grid(registers, 1000), dump_grid(registers, 80)
    left_out = {str(column.header) for column in wide.columns} - {str(one.header) for one in narrow.columns}
    message = next(line for line in dump_lines(registers, 80) if line.startswith("no room for "))
    assert left_out
    assert all(name in message for name in left_out)
    assert not [line for line in dump_lines(registers, 1000) if line.startswith("no room")]


@given(st.lists(st.integers(0, 0xFFFF) | st.integers(0x4141, 0x4143), min_size=1, max_size=20))
def test_tiles_cover_every_register_once_whatever_is_in_them(words: list[int]) -> None:
    covered = [tile.address + n for tile in tiles(dump(words, 5)) for n in range(tile.view.registers)]
    assert covered == list(range(5, 5 + len(words)))


@given(st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4))
def test_a_view_shows_what_struct_shows(words: list[int]) -> None:
    codes = {"uint16": ">H", "int16": ">h", "uint32": ">I", "int32": ">i", "uint64": ">Q", "int64": ">q"}
    raw = struct.pack(">4H", *words)
    for view in VIEWS:
        if view.type in codes and view.letters in ("", "ABCD"):
            code = codes[view.type]
            assert view.at(dump(words), 0) == struct.unpack_from(code, raw)[0]


def test_no_view_reaches_over_a_missing_register() -> None:
    holed = Dump(Range(Table.HOLDING, 0, 2), {0: 0x4367, 2: 0x8000}, {1: "illegal address"})
    assert View(DataType.FLOAT32).at(holed, 0) is None
    assert {view.registers for view in plausible_views(holed)} == {1}


class Equipment:
    """A device that has some addresses only, and reads of some length only."""

    def __init__(self, has: set[int], longest: int = 125, *, pairs: bool = False) -> None:
        self.has, self.longest, self.pairs = has, longest, pairs
        self.requests: list[Range] = []

    def search(self, asked: Range, *, silent: bool = False) -> RangeSearch:
        search = RangeSearch(asked)
        while (span := search.next()) is not None:
            self.requests.append(span)
            addresses = range(span.first, span.last + 1)
            cut = self.pairs and (span.first % 2 or span.size % 2)
            if self.has.issuperset(addresses) and span.size <= self.longest and not cut:
                search.good(list(addresses))
            else:
                search.refused("illegal address", timed_out=silent)
        return search


@given(st.sets(st.integers(0, 299)), st.integers(1, 125))
def test_what_is_missing_costs_only_itself(has: set[int], longest: int) -> None:
    found = Equipment(has, longest).search(Range(Table.INPUT, 0, 299)).dump()
    assert found.values == {address: address for address in has}
    assert set(found.missing) == set(range(300)) - has


def test_one_missing_address_costs_few_requests() -> None:
    equipment = Equipment(set(range(125)) - {77})
    equipment.search(Range(Table.INPUT, 0, 124))
    assert len(equipment.requests) < 2 * 8


def test_the_longest_block_of_a_device_is_learnt_once() -> None:
    equipment = Equipment(set(range(500)), longest=40)
    equipment.search(Range(Table.INPUT, 0, 499))
    refused = [span for span in equipment.requests if span.size > 40]
    assert len(refused) <= 4


def test_values_of_two_registers_are_not_cut_on_the_way() -> None:
    found = Equipment(set(range(100)) - {40, 41}, pairs=True).search(Range(Table.INPUT, 0, 99)).dump()
    assert set(found.missing) == {40, 41}


def test_silence_is_halved_a_bounded_number_of_times() -> None:
    equipment = Equipment(set())
    found = equipment.search(Range(Table.INPUT, 0, 999), silent=True).dump()
    assert len(equipment.requests) < 40
    assert len(found.missing) == 1000


def test_changes_name_the_address_and_both_values() -> None:
    before, after = dump([1, 2, 3]), Dump(Range(Table.HOLDING, 0, 2), {0: 1, 1: 5}, {2: "no answer"})
    assert changes(before, after) == {1: (2, 5), 2: (3, None)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("holding:0-99", (Table.HOLDING, 0, 99)),
        ("h:0x10-0x1f", (Table.HOLDING, 16, 31)),
        ("input:7", (Table.INPUT, 7, 7)),
        ("40001-40010", (Table.HOLDING, 0, 9)),
        ("300001", (Table.INPUT, 0, 0)),
        ("coil:3", (Table.COIL, 3, 3)),
    ],
)
def test_ranges_are_written_in_either_notation(text: str, expected: tuple[Table, int, int]) -> None:
    assert parse_range(text) == expected


@pytest.mark.parametrize(
    "text", ["", "x", "holding", "holding:", "holding:9-1", "tank:1", "40001-30002", "h:1-2-3"]
)
def test_what_is_no_range_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="holding:0-99"):
        parse_range(text)


def test_units_are_lists_and_ranges() -> None:
    assert parse_units("3,1-2, 247,1") == (3, 1, 2, 247)
    for wrong in ("", "a", "5-1", "256", "1,,2"):
        with pytest.raises(ConfigError, match="names no unit ids"):
            parse_units(wrong)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("plc", "tcp://plc"),
        ("10.0.0.1:5020", "tcp://10.0.0.1:5020"),
        ("::1", "tcp://[::1]"),
        ("rtu+tcp://gw:4001", "rtu+tcp://gw:4001"),
    ],
)
def test_a_bare_host_means_modbus_tcp(text: str, url: str) -> None:
    assert parse_target(text) == url


def answers(*identities: str) -> list[Unit]:
    return [Unit(number, "answers", identity) for number, identity in enumerate(identities, 1)]


@pytest.mark.parametrize(
    ("asked", "answering", "message"),
    [
        (5, answers(*["A"] * 5), "5 of 5 unit ids answered, all of them alike: there may be one device"),
        (
            247,
            answers(*["A"] * 246, "B"),
            "247 of 247 unit ids answered, 246 of them alike: there may be one",
        ),
        (247, answers("A", "A", "B"), "3 of 247 unit ids answered"),
        (2, answers("A", "A"), "2 of 2 unit ids answered"),
    ],
)
def test_where_most_ids_answer_alike_one_device_may_answer_for_all(
    asked: int, answering: list[Unit], message: str
) -> None:
    reported = verdict(range(asked), answering, 0.3)
    assert reported.startswith(message)
    assert ("one device" in reported) == ("one" in message)


def test_a_target_that_is_none_is_refused_with_its_remedy() -> None:
    with pytest.raises(ConfigError, match="rtu\\+tcp://"):
        parse_target("http://plc")
