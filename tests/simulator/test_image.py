"""The register image: it is exactly what the contract's codec reads, and it answers as a real device does."""

import math
import struct
from itertools import pairwise

import numpy as np
import pytest

from qilu.contract.profile import SERVE_COUNTER, DeviceProfile, Point, Table
from qilu.contract.registers import compile_block
from qilu.modbus.errors import IllegalAddress, IllegalValue
from simulator.machines import MODELS
from simulator.physics.machine import Machines, Surroundings, Values, fleet, nominal_surroundings
from simulator.registers.device import Device
from simulator.registers.image import MAX_GAP, Area, Image
from tests.simulator.simulated import device, profile

COMPRESSOR = "screw-air-compressor"


def read(asked: Device, point: Point) -> bytes:
    if point.table.holds_bits:
        return asked.read_bits(point.table, point.address, point.size)
    return asked.read_registers(point.table, point.address, point.size)


def resolution(point: Point, value: float) -> float:
    """Half a step of the point's scale, or the rounding of its float."""
    scale = point.scale if isinstance(point.scale, float) else 1.0
    if point.type.is_float:
        return abs(value) * (2.0**-23 if point.type == "float32" else 2.0**-50) + 1e-30
    return abs(scale) * 0.5 * (1 + 1e-9) + abs(value) * 1e-12


@pytest.mark.parametrize("model", sorted(MODELS))
def test_the_codec_reads_back_what_every_machine_says(model: str) -> None:
    n, map_of = 3, profile(model)
    machines = MODELS[model](fleet(*"abc"))
    for _ in range(50):
        machines.step(1.0, nominal_surroundings(n))
    image = Image(map_of, machines, [map_of.parameters] * n)
    image.refresh()
    values = machines.values()
    for row in range(n):
        asked = Device("x", image, row)
        for point in map_of.points:
            if point.name == SERVE_COUNTER:
                continue
            codec = compile_block((point,), point.table, point.address, point.size, map_of.parameters)
            (got,), bad = codec.decode(read(asked, point))
            assert not bad, (point.name, values[point.name][row])
            if isinstance(got, str):
                assert got.encode() == values[point.name][row]
            else:
                want = float(values[point.name][row])
                assert isinstance(got, bool | int | float)
                assert abs(float(got) - want) <= resolution(point, want), point.name


class Fixed(Machines):
    """One machine that says what it is told."""

    def __init__(self, **values: float | bytes) -> None:
        self.setpoints = {}
        self.severity = {}
        self._values = values

    def step(self, dt: float, surroundings: Surroundings) -> None:
        raise AssertionError("it stands still")

    def values(self) -> Values:
        return {name: np.array([value]) for name, value in self._values.items()}


def image_of(machines: Machines, points: list[dict[str, object]], **more: object) -> Device:
    counter = {"name": SERVE_COUNTER, "table": "holding", "address": 0, "type": "uint32", "kind": "counter"}
    made = DeviceProfile.model_validate({"profile": "x", "points": [counter, *points], **more})
    image = Image(made, machines, [{}])
    image.refresh()
    return Device("x", image, 0)


@pytest.mark.parametrize("byte_order", ["big", "little"])
@pytest.mark.parametrize("word_order", ["big", "little"])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint16", 51_234.0),
        ("int16", -1234.0),
        ("uint32", 3_000_000_001.0),
        ("int32", -70_001.0),
        ("uint64", 2.0**52 + 3),
        ("int64", -(2.0**50) - 7),
        ("float32", -0.15625),
        ("float64", 1 / 3),
    ],
)
def test_every_type_and_order_is_what_the_codec_reads(
    kind: str, value: float, byte_order: str, word_order: str
) -> None:
    point = {
        "name": "p",
        "table": "holding",
        "address": 2,
        "type": kind,
        "byte_order": byte_order,
        "word_order": word_order,
    }
    asked = image_of(Fixed(p=value), [point])
    read_point = asked.profile.point("p")
    codec = compile_block((read_point,), Table.HOLDING, 2, read_point.size)
    assert codec.decode(asked.read_registers(Table.HOLDING, 2, read_point.size)) == ((value,), {})


@pytest.mark.parametrize("byte_order", ["big", "little"])
def test_bits_that_share_a_register_and_texts_are_what_the_codec_reads(byte_order: str) -> None:
    points: list[dict[str, object]] = [
        {"name": "low", "table": "holding", "address": 2, "type": "bool", "bit": 0, "byte_order": byte_order},
        {"name": "mid", "table": "holding", "address": 2, "type": "bool", "bit": 5, "byte_order": byte_order},
        {
            "name": "top",
            "table": "holding",
            "address": 2,
            "type": "bool",
            "bit": 15,
            "byte_order": byte_order,
        },
        {
            "name": "text",
            "table": "holding",
            "address": 3,
            "type": "string",
            "length": 4,
            "byte_order": byte_order,
        },
    ]
    asked = image_of(Fixed(low=1, mid=0, top=1, text=b"QILU 7"), points)
    codec = compile_block(asked.profile.points[1:], Table.HOLDING, 2, 5)
    assert codec.decode(asked.read_registers(Table.HOLDING, 2, 5)) == ((True, False, True, "QILU 7"), {})


def test_a_gauge_beyond_its_type_saturates_and_a_counter_wraps() -> None:
    points: list[dict[str, object]] = [
        {"name": "over", "table": "holding", "address": 2, "type": "int16", "scale": 0.1},
        {"name": "under", "table": "holding", "address": 3, "type": "uint16"},
        {"name": "huge", "table": "holding", "address": 4, "type": "uint64"},
        {"name": "wrapped", "table": "holding", "address": 8, "type": "uint16", "kind": "counter"},
    ]
    asked = image_of(Fixed(over=1e9, under=-3, huge=1e30, wrapped=65_536 + 5), points)
    assert struct.unpack(">hHQH", asked.read_registers(Table.HOLDING, 2, 7)) == (32767, 0, 2**64 - 2048, 5)


def test_a_value_that_is_not_a_number_becomes_the_sentinel() -> None:
    points: list[dict[str, object]] = [
        {"name": "signed", "table": "holding", "address": 2, "type": "int16", "sentinels": [0x8000]},
        {"name": "plain", "table": "holding", "address": 3, "type": "uint16"},
        {"name": "real", "table": "holding", "address": 4, "type": "float32"},
    ]
    asked = image_of(Fixed(signed=math.nan, plain=math.nan, real=math.nan), points)
    signed, plain, real = struct.unpack(">HHf", asked.read_registers(Table.HOLDING, 2, 4))
    assert (signed, plain, math.isnan(real)) == (0x8000, 0xFFFF, True)


def test_small_gaps_read_as_zero_and_wide_ones_are_not_in_the_map() -> None:
    points: list[dict[str, object]] = [
        {"name": "near", "table": "holding", "address": 1 + MAX_GAP, "type": "uint16"},
        {"name": "far", "table": "holding", "address": 2 + 2 * MAX_GAP, "type": "uint16"},
    ]
    asked = image_of(Fixed(near=1, far=2), points)
    assert asked.read_registers(Table.HOLDING, 2, MAX_GAP) == bytes(2 * MAX_GAP - 2) + b"\0\1"
    assert asked.read_registers(Table.HOLDING, 2 + 2 * MAX_GAP, 1) == b"\0\2"
    for address, count in [
        (1 + MAX_GAP, 2),
        (2 + MAX_GAP, 1),
        (3 + 2 * MAX_GAP, 1),
        (65_535, 1),
        (60_000, 125),
    ]:
        with pytest.raises(IllegalAddress):
            asked.read_registers(Table.HOLDING, address, count)
    with pytest.raises(IllegalAddress):
        asked.read_registers(Table.INPUT, 0, 1)
    with pytest.raises(IllegalAddress):
        asked.read_bits(Table.COIL, 0, 1)


def test_a_range_that_must_not_be_read_is_refused() -> None:
    point: dict[str, object] = {"name": "p", "table": "holding", "address": 6, "type": "uint16"}
    asked = image_of(
        Fixed(p=9), [point], limits={"unreadable": [{"table": "holding", "first": 3, "last": 4}]}
    )
    assert asked.read_registers(Table.HOLDING, 5, 2) == b"\0\0\0\x09"
    with pytest.raises(IllegalAddress, match="3 to 4"):
        asked.read_registers(Table.HOLDING, 2, 2)


def test_the_serve_counter_counts_reads_that_touch_it_and_no_others() -> None:
    asked = device(COMPRESSOR)
    served: list[tuple[str, int]] = []
    asked.on_counter = lambda name, counter: served.append((name, counter))
    codec = compile_block((asked.profile.point(SERVE_COUNTER),), Table.INPUT, 0, 2)
    assert codec.decode(asked.read_registers(Table.INPUT, 0, 2)) == ((1,), {})
    assert codec.decode(asked.read_registers(Table.INPUT, 0, 12)[:4]) == ((2,), {})
    asked.read_registers(Table.INPUT, 2, 10)
    asked.read_registers(Table.HOLDING, 100, 2)
    asked.read_bits(Table.DISCRETE, 0, 3)
    asked.read_registers(Table.INPUT, 1, 1)  # half of it is served: it counts
    assert codec.decode(asked.read_registers(Table.INPUT, 0, 2)) == ((4,), {})
    assert served == [("m0", 1), ("m0", 2), ("m0", 3), ("m0", 4)]


def test_reads_right_beside_the_serve_counter_do_not_count() -> None:
    points: list[dict[str, object]] = [
        {"name": SERVE_COUNTER, "table": "input", "address": 5, "type": "uint32", "kind": "counter"},
        {"name": "before", "table": "input", "address": 4, "type": "uint16"},
        {"name": "behind", "table": "input", "address": 7, "type": "uint16"},
    ]
    made = DeviceProfile.model_validate({"profile": "x", "points": points})
    asked = Device("x", Image(made, Fixed(before=1, behind=2), [{}]), 0)
    asked.read_registers(Table.INPUT, 4, 1)
    asked.read_registers(Table.INPUT, 7, 1)
    assert asked.counter == 0
    asked.read_registers(Table.INPUT, 4, 2)
    asked.read_registers(Table.INPUT, 6, 2)
    assert asked.counter == 2


def test_a_refused_read_does_not_count() -> None:
    asked = device(COMPRESSOR)
    with pytest.raises(IllegalAddress):
        asked.read_registers(Table.INPUT, 0, 125)
    assert asked.counter == 0


def test_machines_of_one_model_do_not_share_registers() -> None:
    machines = MODELS[COMPRESSOR](fleet("a", "b"))
    machines.step(1.0, nominal_surroundings(2))
    image = Image(profile(COMPRESSOR), machines, [{}, {}])
    image.refresh()
    first, second = Device("a", image, 0), Device("b", image, 1)
    first.write_registers(100, struct.pack(">H", 650))
    assert first.read_registers(Table.HOLDING, 100, 1) == struct.pack(">H", 650)
    assert second.read_registers(Table.HOLDING, 100, 1) == struct.pack(">H", 680)
    first.read_registers(Table.INPUT, 0, 2)
    assert second.counter == 0


def test_a_written_set_point_is_in_the_registers_at_once_and_in_the_machine() -> None:
    machines = MODELS[COMPRESSOR](fleet("a"))
    machines.step(1.0, nominal_surroundings(1))
    image = Image(profile(COMPRESSOR), machines, [{}])
    image.refresh()
    asked = Device("a", image, 0)
    asked.write_registers(100, struct.pack(">HH", 600, 700))
    asked.write_bits(0, [False])
    assert asked.read_registers(Table.HOLDING, 100, 2) == struct.pack(">HH", 600, 700)
    assert asked.read_bits(Table.COIL, 0, 1) == b"\0"
    values = machines.values()
    assert (values["load_pressure_set"][0], values["unload_pressure_set"][0]) == (6.0, 7.0)
    for _ in range(3):
        machines.step(1.0, nominal_surroundings(1))
    image.refresh()
    assert machines.values()["state"][0] == 0
    assert asked.read_registers(Table.HOLDING, 100, 2) == struct.pack(">HH", 600, 700)


@pytest.mark.parametrize(("address", "words"), [(99, 1), (102, 1), (100, 3), (0, 1)])
def test_a_write_outside_the_set_points_is_refused(address: int, words: int) -> None:
    with pytest.raises(IllegalAddress):
        device(COMPRESSOR).write_registers(address, bytes(2 * words))


def test_a_write_outside_a_point_s_limits_is_refused_and_changes_nothing() -> None:
    asked = device(COMPRESSOR)
    with pytest.raises(IllegalValue):
        asked.write_registers(100, struct.pack(">HH", 600, 9999))
    assert asked.read_registers(Table.HOLDING, 100, 2) == struct.pack(">HH", 680, 760)


def test_half_of_a_long_set_point_cannot_be_written() -> None:
    point: dict[str, object] = {
        "name": "p",
        "table": "holding",
        "address": 2,
        "type": "float32",
        "access": "read_write",
    }
    machines = Fixed(p=1.0)
    machines.setpoints["p"] = np.array([1.0])
    asked = image_of(machines, [point])
    with pytest.raises(IllegalAddress):
        asked.write_registers(2, bytes(2))
    with pytest.raises(IllegalValue):
        asked.write_registers(2, struct.pack(">f", math.nan))
    asked.write_registers(2, struct.pack(">f", 2.5))
    assert machines.setpoints["p"][0] == 2.5


def test_nothing_can_be_written_to_a_read_only_device() -> None:
    asked = device(COMPRESSOR, writable=False)
    with pytest.raises(IllegalAddress):
        asked.write_registers(100, struct.pack(">H", 650))
    with pytest.raises(IllegalAddress):
        asked.write_bits(0, [True])


def test_bits_are_packed_with_the_first_as_the_least_significant() -> None:
    points: list[dict[str, object]] = [
        {"name": f"c{index}", "table": "coil", "address": index, "type": "bool"} for index in range(10)
    ]
    asked = image_of(Fixed(**{f"c{index}": float(index in (0, 3, 9)) for index in range(10)}), points)
    assert asked.read_bits(Table.COIL, 0, 10) == bytes([0b0000_1001, 0b10])
    assert asked.read_bits(Table.COIL, 3, 7) == bytes([0b0100_0001])


@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_shipped_profile_says_of_every_gap_that_nobody_may_read_through_it(model: str) -> None:
    """A gateway that reads neighbouring points together then needs nothing to be refused to learn it."""
    shipped = profile(model)
    for table in Table:
        area = Area(shipped, table)
        points = sorted(area.points, key=lambda point: point.address)
        for before, after in pairwise(points):
            first, count = before.address, after.last - before.address + 1
            reported = [gap for gap in shipped.limits.unreadable if gap.overlaps(table, first, after.last)]
            if count <= shipped.limits.max_block(table) and not reported:
                area.column(first, count)
