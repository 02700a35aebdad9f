"""The read plan against exhaustive search, and the rules that it never breaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.modbus.planning.blocks import Span, data_bytes, optimal_spans
from gateway.sources.modbus.planning.plan import BusLoad, LearnedLimits, plan, plans
from gateway.sources.modbus.settings import DeviceSettings
from qilu.contract.errors import ConfigError
from qilu.contract.profile import AddressRange, DeviceProfile, Point, Table
from qilu.contract.reading import Origin, Reason
from qilu.modbus_client.endpoint import SerialLine

ORIGIN = Origin("edge-1", "meter-1", "meter")
WIDTHS = {"uint16": 1, "uint32": 2, "uint64": 4}
OVERHEAD = 20


def point(address: int, kind: str = "uint16", table: str = "holding", **more: Any) -> Point:
    return Point.model_validate(
        {"name": f"p{address}_{kind}", "table": table, "address": address, "type": kind, **more}
    )


def profile(points: Sequence[dict[str, Any]], **more: Any) -> DeviceProfile:
    return DeviceProfile.model_validate({"profile": "meter", "points": points, **more})


def row(name: str, address: int, kind: str = "uint16", table: str = "holding", **more: Any) -> dict[str, Any]:
    return {"name": name, "table": table, "address": address, "type": kind, **more}


def partitions(points: Sequence[Point]) -> Iterator[list[list[Point]]]:
    """Every way to put the points into groups, whatever their order."""
    if not points:
        yield []
        return
    for rest in partitions(points[1:]):
        yield [[points[0]], *rest]
        for index, group in enumerate(rest):
            yield [*rest[:index], [points[0], *group], *rest[index + 1 :]]


def cheapest(table: Table, points: Sequence[Point], limit: int, gaps: Sequence[AddressRange]) -> int:
    """The cost of the best partition, found by trying all."""
    costs = []
    for groups in partitions(points):
        cost = 0
        for group in groups:
            first, last = min(p.address for p in group), max(p.last for p in group)
            if last - first >= limit or any(gap.overlaps(table, first, last) for gap in gaps):
                break
            cost += OVERHEAD + data_bytes(table, last - first + 1)
        else:
            costs.append(cost)
    return min(costs)


@st.composite
def small_maps(draw: st.DrawFn) -> tuple[Table, list[Point], int, list[AddressRange]]:
    """Up to seven points, some of them on the same registers, near address 0 or near the last one."""
    table = draw(st.sampled_from([Table.HOLDING, Table.COIL]))
    base = draw(st.sampled_from([0, 65536 - 60]))
    kinds = ["bool"] if table.holds_bits else list(WIDTHS)
    places = draw(
        st.lists(st.tuples(st.integers(0, 56), st.sampled_from(kinds)), min_size=1, max_size=7, unique=True)
    )
    points = [point(base + address, kind, table.value) for address, kind in places]
    limit = draw(st.integers(4, 70))
    used = {address for p in points for address in range(p.address, p.last + 1)}
    free = [address for address in range(base, base + 60) if address not in used]
    gaps = [
        AddressRange(table=table, first=address, last=address)
        for address in draw(st.lists(st.sampled_from(free), max_size=4))
    ]
    return table, points, limit, gaps


@given(small_maps())
def test_no_other_division_of_a_small_map_is_cheaper(
    small_map: tuple[Table, list[Point], int, list[AddressRange]],
) -> None:
    table, points, limit, gaps = small_map
    spans = optimal_spans(table, points, limit, gaps, OVERHEAD)
    assert sum(span.cost(OVERHEAD) for span in spans) == cheapest(table, points, limit, gaps)


@given(small_maps())
def test_every_point_is_read_once_whole_and_within_the_limits(
    small_map: tuple[Table, list[Point], int, list[AddressRange]],
) -> None:
    """Faults 29 (torn value) and 34 (past the last address), 7 (`unreadable`) and 6 (largest block)."""
    table, points, limit, gaps = small_map
    spans = optimal_spans(table, points, limit, gaps, OVERHEAD)
    read = [p for span in spans for p in span.points]
    assert sorted(p.name for p in read) == sorted(p.name for p in points)
    for span in spans:
        assert 1 <= span.count <= limit
        assert span.first + span.count <= 65536
        assert all(span.first <= p.address and p.last <= span.last for p in span.points)
        assert not any(gap.overlaps(table, span.first, span.last) for gap in gaps)


@given(small_maps())
def test_what_is_read_and_belongs_to_no_point_is_counted_as_wasted(
    small_map: tuple[Table, list[Point], int, list[AddressRange]],
) -> None:
    for span in optimal_spans(small_map[0], small_map[1], small_map[2], small_map[3], OVERHEAD):
        used = {address for p in span.points for address in range(p.address, p.last + 1)}
        assert span.wasted == span.count - len(used)


def test_a_point_longer_than_a_block_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="p0_uint64 cannot be read"):
        optimal_spans(Table.HOLDING, [point(0, "uint64")], 3, [], OVERHEAD)


def test_a_hundred_floats_are_two_requests_of_a_hundred_registers() -> None:
    full = profile([row(f"p{n}", 2 * n, "float32") for n in range(100)])
    read = plan(full, "default", ORIGIN)
    assert read.requests == 2
    assert (read.registers, read.wasted) == (200, 0)
    assert read.bus_bytes == 2 * (12 + 9) + 400


@pytest.mark.parametrize(("most", "spans"), [(None, 1), (5, 1), (4, 2), (0, 3)])
def test_no_gap_is_read_through_that_is_longer_than_the_device_allows(most: int | None, spans: int) -> None:
    """Fault 7. Registers that an alias of a point covers are no gap."""
    rows = [
        row("a", 0, "float64"),
        row("b", 2, overlaps="a"),
        row("c", 9),
        row("d", 11),
        row("e", 12, "uint32"),
    ]
    limits = {} if most is None else {"max_gap": most}
    read = plan(profile(rows, limits=limits), "default", ORIGIN)
    assert read.requests == spans
    assert most is None or all(block.span.wasted <= 5 + 1 for block in read.blocks)


def test_a_short_gap_is_read_through_and_a_long_one_is_not() -> None:
    near, far = [profile([row("a", 0), row("b", gap)]) for gap in (20, 100)]
    assert plan(near, "default", ORIGIN).requests == 1
    assert plan(near, "default", ORIGIN).wasted == 19
    assert plan(far, "default", ORIGIN).requests == 2
    assert plan(far, "default", ORIGIN).wasted == 0


def test_each_table_is_read_with_its_own_function() -> None:
    mixed = profile(
        [
            row("a", 5, "bool", "coil"),
            row("b", 5, "bool", "discrete"),
            row("c", 5, table="input"),
            row("d", 5, table="holding"),
        ]
    )
    requests = {block.request for block in plan(mixed, "default", ORIGIN).blocks}
    assert requests == {bytes((function, 0, 5, 0, 1)) for function in (1, 2, 4, 3)}


def test_a_plan_reads_the_points_of_its_own_group_that_can_be_read() -> None:
    two = profile(
        [row("a", 0), row("b", 1, group="slow"), row("c", 2, access="write"), row("d", 3)],
        groups={"fast": 1, "slow": 10},
    )
    fast, slow = plan(two, "fast", ORIGIN), plan(two, "slow", ORIGIN)
    assert fast.columns.points == ("a", "d")
    assert slow.columns.points == ("b",)
    assert (fast.period, slow.period) == (1.0, 10.0)


def test_a_reply_becomes_a_reading_and_no_reply_a_bad_one() -> None:
    read = plan(profile([row("a", 0, scale=0.5), row("b", 1)]), "default", ORIGIN)
    block = read.blocks[0]
    assert block.reading(7, b"\0\x03\0\x04").values == (1.5, 4)
    bad = block.bad(8, Reason.TIMEOUT)
    assert bad.values == (None, None)
    assert bad.reasons == {0: Reason.TIMEOUT, 1: Reason.TIMEOUT}
    assert bad.time_ms == 8


def test_what_was_learnt_narrows_the_plan() -> None:
    """Faults 5 and 6: a hole is left out and named, a learnt block limit is kept."""
    wide = profile([row(f"p{n}", n) for n in range(20)])
    learnt = LearnedLimits(
        refused_points={"p3": Reason.ILLEGAL_ADDRESS},
        unreadable=(AddressRange(table=Table.HOLDING, first=3, last=3),),
        max_block={Table.HOLDING: 8},
    )
    read = plan(wide, "default", ORIGIN, learned=learnt)
    [hole] = read.not_asked
    assert hole.columns.points == ("p3",)
    assert hole.reading(7).reasons == {0: Reason.ILLEGAL_ADDRESS}
    assert all(block.span.count <= 8 for block in read.blocks)
    assert sum(len(block.columns.points) for block in read.blocks) == 19
    assert str(read.blocks[0]) == "holding 0 to 2"


def test_the_settings_of_a_device_change_periods_and_parameters() -> None:
    metered = profile([row("a", 0, scale={"parameter": "ct"})], parameters={"ct": 1.0}, groups={"fast": 1})
    device = DeviceSettings(
        device="meter-1",
        profile="meter",
        parameters={"ct": 20},
        poll_periods={"fast": "500ms"},  # type: ignore[dict-item]
    )
    [read] = plans(metered, device, ORIGIN, "tcp")
    assert read.period == 0.5
    assert read.blocks[0].reading(0, b"\0\x02").values == (40,)


def test_an_unknown_group_is_refused_with_the_known_ones() -> None:
    device = DeviceSettings(device="meter-1", profile="meter", poll_periods={"fsat": 1.0})
    with pytest.raises(ConfigError, match=r"meter-1.*no group fsat; its groups are: default"):
        plans(profile([row("a", 0)]), device, ORIGIN, "tcp")


def test_a_profile_with_nothing_to_read_is_refused() -> None:
    device = DeviceSettings(device="meter-1", profile="meter")
    with pytest.raises(ConfigError, match="no point that can be read"):
        plans(profile([row("a", 0, access="write")]), device, ORIGIN, "tcp")


def test_the_load_of_an_endpoint_adds_up_its_plans() -> None:
    two = profile([row("a", 0), row("b", 1, group="slow")], groups={"fast": 1, "slow": 10})
    device = DeviceSettings(device="meter-1", profile="meter")
    load = BusLoad.of(plans(two, device, ORIGIN, "rtu"))
    assert load.requests_per_s == pytest.approx(1.1)
    assert load.bytes_per_s == pytest.approx(1.1 * (8 + 5 + 2))
    for line, bits in (
        (SerialLine(9600, "N", 1), 10),
        (SerialLine(9600, "E", 1), 11),
        (SerialLine(9600, "E", 2), 12),
    ):
        assert load.utilisation(byte_time=line.character) == pytest.approx(1.1 * 15 * bits / 9600)


@pytest.mark.parametrize(("gap", "limit"), list(product((0, 7), (16, 125))))
def test_a_span_tells_its_first_and_last_address(gap: int, limit: int) -> None:
    span = Span(Table.HOLDING, (point(4, "uint32"), point(6 + gap)))
    assert (span.first, span.last, span.count, span.wasted) == (4, 6 + gap, 3 + gap, gap)
    assert optimal_spans(Table.HOLDING, span.points, limit, [], OVERHEAD)[0].points == span.points


def test_devices_of_one_profile_and_the_same_limits_share_their_plan() -> None:
    meter = profile(
        [row("a", 1, scale={"parameter": "ratio"}), row("b", 2), row("c", 200)], parameters={"ratio": 2.0}
    )  # fmt: skip
    other = Origin("edge-1", "meter-2", "meter")
    one, two = plan(meter, "default", ORIGIN), plan(meter, "default", other, period=7.0)
    assert [block.codec for block in one.blocks] == [block.codec for block in two.blocks]
    assert all(a.codec is b.codec for a, b in zip(one.blocks, two.blocks, strict=True))
    assert {block.columns.origin for block in one.blocks} == {ORIGIN}
    assert {block.columns.origin for block in two.blocks} == {two.origin} == {other}
    assert (one.period, two.period) == (1.0, 7.0)
    scaled = plan(meter, "default", other, parameters={"ratio": 10.0})
    data = b"\0\1\0\1"
    assert scaled.blocks[0].reading(0, data).values == (10.0, 1)
    assert two.blocks[0].reading(0, data).values == (2.0, 1)
    assert scaled.blocks[0].codec is not two.blocks[0].codec
    assert plan(meter, "default", other, framing="rtu").framing == "rtu"


def test_devices_that_learned_the_same_share_their_plan_and_others_have_their_own() -> None:
    meter = profile([row("a", 1), row("b", 2), row("c", 200)])
    first, second = (
        plan(meter, "default", ORIGIN, learned=LearnedLimits({"b": Reason.ILLEGAL_ADDRESS})) for _ in range(2)
    )
    assert first.blocks[0].codec is second.blocks[0].codec
    assert [excluded.columns.points for excluded in first.not_asked] == [("b",)]
    assert first.not_asked[0].columns.origin == ORIGIN
    refused = LearnedLimits({"b": Reason.TIMEOUT}, max_block={Table.HOLDING: 1})
    own = plan(meter, "default", ORIGIN, learned=refused)
    assert own.not_asked[0].reading(0).reasons == {0: Reason.TIMEOUT}
    assert plan(meter, "default", ORIGIN).not_asked == ()
