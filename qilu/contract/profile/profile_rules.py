"""What makes a device profile impossible or surprising."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from qilu.contract.limits import MAX_POINTS
from qilu.contract.profile.model import AddressRange, DeviceLimits, ProfileFile
from qilu.contract.profile.point import Copies, Point
from qilu.contract.profile.types import Table
from qilu.contract.validation import Loc, Problem

_EXACT_IN_A_FLOAT = 2**53


def of_profile(profile: ProfileFile) -> Iterator[Problem]:
    """What is wrong with the points taken together, and with the device's limits."""
    if not profile.points and not profile.structures:
        yield Problem(("points",), "a profile without points reads nothing", "describe at least one point")
    yield from _of_ranges(profile.limits)
    ids = [point for point in profile.points if point.identity]
    if profile.locate and (not ids or ids[0].type != "uint16"):
        text = "no register is the id of a model"
        yield Problem(("locate",), text, "give a point `identity: [103]`, the ids of its models")
    seen: dict[str, Point] = {}
    for index, point in enumerate(profile.points):
        if point.name in seen:
            other = seen[point.name]
            text = f"{point.name} is also the name of the point at {other.table} {other.address}"
            yield Problem(("points", index, "name"), text, "rename one of them")
        seen.setdefault(point.name, point)
        yield from _of_copies(point, ("points", index), needed=False)
        yield from _of_flags(point, ("points", index))
        yield from _of_place(profile, index, point)
    for number, repeat in enumerate(profile.structures):
        yield from _of_copies(repeat, ("structures", number), needed=True)
    for group, count in Counter(point.group for point in profile.points).items():
        if count > MAX_POINTS:
            text = f"the poll group {group} has {count} points; one record has at most {MAX_POINTS}"
            yield Problem(("points",), text, "divide the points into several groups")
    yield from _of_exponents(profile, seen)
    yield from _of_overlaps(profile)
    yield from of_overrides(profile, profile.parameters, ("parameters",))


def _of_ranges(limits: DeviceLimits) -> Iterator[Problem]:
    for key, ranges in (("unreadable", limits.unreadable), ("read_whole", limits.read_whole)):
        for number, each in enumerate(ranges):
            if each.first > each.last:
                text = f"first {each.first} is above last {each.last}"
                yield Problem(("limits", key, number), text, "swap them")
    for number, whole in enumerate(limits.read_whole):
        here, limit = ("limits", "read_whole", number), limits.max_block(whole.table)
        if whole.last - whole.first >= limit:
            text = f"{_range(whole)} has more than the {limit} addresses that one request may read"
            yield Problem(here, text, "correct it, or raise `limits.max_registers`")
        for other in (*limits.unreadable, *limits.read_whole[:number]):
            if other.overlaps(whole.table, whole.first, whole.last):
                text = f"{_range(whole)} shares addresses with {_range(other)}"
                yield Problem(here, text, "correct one of them")


def _of_place(profile: ProfileFile, index: int, point: Point) -> Iterator[Problem]:
    here: Loc = ("points", index)
    if point.group not in profile.groups:
        known = ", ".join(profile.groups)
        yield Problem((*here, "group"), f"there is no group {point.group}", f"`groups` has: {known}")
    for key in ("scale", "offset"):
        name = getattr(getattr(point, key), "parameter", None)
        if name is not None and name not in profile.parameters:
            text = f"parameter {name} is not declared"
            yield Problem((*here, key, "parameter"), text, f"add `{name}: 1.0` to `parameters`")
    if not point.readable:
        return
    limit = profile.limits.max_block(point.table)
    if point.size > limit:
        text = f"takes {point.size} registers, but one request may read {limit} only"
        yield Problem((*here, "type"), text, "raise `limits.max_registers` or set `access: write`")
    for gap in profile.limits.unreadable:
        if gap.overlaps(point.table, point.address, point.last):
            text = f"lies in {_range(gap)}, which `limits.unreadable` forbids"
            yield Problem((*here, "address"), text, "correct one of them, or set `access: write`")
    for whole in profile.limits.read_whole:
        if whole.overlaps(point.table, point.address, point.last) and not whole.holds(point):
            text = f"is only partly in {_range(whole)} of `limits.read_whole`"
            yield Problem((*here, "address"), text, "correct one of them")


def _of_copies(copies: Copies, here: Loc, *, needed: bool) -> Iterator[Problem]:
    """Why copies could not be spelled out."""
    count, suffixes = copies.count, copies.suffixes
    if count is not None and suffixes is not None and count != len(suffixes):
        text = f"count is {count}, but there are {len(suffixes)} suffixes"
        yield Problem((*here, "suffixes"), text, "correct or remove `count`")
    elif count is not None or suffixes is not None:
        key = "count" if suffixes is None else "suffixes"
        text = f"`{key}` needs to know how far it is from one copy to the next"
        yield Problem((*here, key), text, "add `stride: 10` for 10 addresses")
    elif needed or copies.stride is not None:
        text = "the number of copies is missing"
        yield Problem((*here, "stride"), text, "add `count: 3` or `suffixes: [a, b, c]`")


def _of_flags(point: Point, here: Loc) -> Iterator[Problem]:
    """Why flags could not be spelled out."""
    for bit in point.flags:
        if not point.readable:
            yield Problem((*here, "flags"), "a point that is only written has no flags", "remove `flags`")
            return
        if not 0 <= bit < point.type.bits:
            text, limit = f"{point.type} has no bit {bit}", point.type.bits - 1
            yield Problem((*here, "flags", bit), text, f"bits are 0 to {limit}")


def _of_exponents(profile: ProfileFile, named: Mapping[str, Point]) -> Iterator[Problem]:
    for index, point in enumerate(profile.points):
        name = getattr(point.scale, "point", None)
        if name is None:
            continue
        other = named.get(name)
        where: Loc = ("points", index, "scale", "point")
        if other is None:
            yield Problem(where, f"there is no point {name}", "name the point that has the scale factor")
        elif not other.type.is_integer or not other.readable:
            text = f"{name} is no integer that can be read, and an exponent of ten has to be one"
            yield Problem(where, text, "correct its `type`, mostly int16")
        elif other.scale != 1 or other.offset != 0 or other.accumulate:
            text = f"{name} is scaled or counted on, and an exponent of ten has to be as it is"
            yield Problem(where, text, f"remove `scale` and `offset` of {name}")


def _of_overlaps(profile: ProfileFile) -> Iterator[Problem]:
    names = {point.name: point for point in profile.points}
    for index, point in enumerate(profile.points):
        if point.overlaps is None:
            continue
        other = names.get(point.overlaps)
        if other is None or other is point or not _share_a_register(point, other):
            text = f"{point.overlaps} is no point with a register of this one"
            yield Problem(
                ("points", index, "overlaps"), text, "name the point that lies on the same registers"
            )
    order = sorted(
        range(len(profile.points)), key=lambda i: (profile.points[i].table, profile.points[i].address)
    )
    open_: list[int] = []
    for index in order:
        point = profile.points[index]
        open_ = [i for i in open_ if _share_a_register(profile.points[i], point)]
        for i in open_:
            if _collide(profile.points[i], point):
                later, earlier = max(i, index), profile.points[min(i, index)]
                name = profile.points[later].name
                text = f"{name} overlaps {earlier.name} ({earlier.table} {earlier.address} to {earlier.last})"
                remedy = f"correct address or type; if both are meant, add `overlaps: {earlier.name}`"
                yield Problem(("points", later, "address"), text, remedy)
        open_.append(index)


def _share_a_register(first: Point, other: Point) -> bool:
    if first.table is not other.table or first.address > other.last or other.address > first.last:
        return False
    if first.words is None and other.words is None:
        return True
    registers = {first.address + offset for offset in first.register_offsets}
    return any(other.address + offset in registers for offset in other.register_offsets)


def _collide(first: Point, other: Point) -> bool:
    if first.size == other.size == 1 and not first.mask & other.mask:
        return False
    return first.overlaps is None and other.overlaps is None


def of_overrides(profile: ProfileFile, values: Mapping[str, float], here: Loc = ()) -> Iterator[Problem]:
    """What is wrong with numbers for the profile's parameters."""
    scales = {getattr(point.scale, "parameter", None) for point in profile.points}
    for name, value in values.items():
        if name not in profile.parameters:
            known = ", ".join(profile.parameters) or "none"
            text = f"{profile.profile} has no parameter {name}"
            yield Problem((*here, name), text, f"its parameters are: {known}")
        elif name in scales and value == 0:
            yield Problem((*here, name), "a scale of 0 would make every value the same", "use the real ratio")
        elif not abs(value) <= 1e30:
            yield Problem((*here, name), f"{value} is not usable as a factor", "use the real ratio")


_MODICON = {Table.INPUT: 30001, Table.HOLDING: 40001}
"""The first register of a table in Modicon's notation."""


def _in_modicon_s_notation(profile: ProfileFile) -> list[tuple[Loc, str]]:
    """Points whose addresses are far from those that do not look like Modicon's notation of their table."""
    registers = [point for point in profile.points if point.table in _MODICON]
    if any(getattr(point.scale, "point", None) for point in registers):
        return []  # a map of SunSpec begins at address 40000
    alike = [point for point in registers if 0 <= point.address - _MODICON[point.table] < 9999]
    unlike = [point.address for point in registers if point not in alike]
    if not alike or any(address >= 20_000 for address in unlike):
        return []  # a device that really has such addresses
    if unlike:
        text = "{} looks like Modicon's notation, and others do not: write {}, or it is read as it is"
        numbers = [(point, point.address - _MODICON[point.table]) for point in alike]
        return [(("points", point.name, "address"), text.format(point.address, at)) for point, at in numbers]
    text = "all addresses are in Modicon's notation (30001 to 39999 for input, 40001 to 49999 for holding)"
    return [(("points",), f"{text}: write `addressing: modicon`, or these addresses are read as they are")]


def warnings(profile: ProfileFile) -> list[tuple[Loc, str]]:
    """What is allowed and yet likely to surprise; a point stands in its place by name."""
    texts = _in_modicon_s_notation(profile)
    groups = {point.name: point.group for point in profile.points}
    for point in profile.points:
        here: Loc = ("points", point.name)
        if point.type.bits == 64 and point.type.is_integer and point.readable:
            high = point.limits.max
            if high is None or high > _EXACT_IN_A_FLOAT or (point.limits.min or 0) < -_EXACT_IN_A_FLOAT:
                text = "stores keep numbers as floats, which are exact up to 2^53 only"
                texts.append(((*here, "type"), text))
        name = getattr(point.scale, "point", None)
        if name is not None and groups[name] != point.group:
            text = f"{name} is read in group {groups[name]}, and its last value is used until then"
            texts.append(((*here, "scale"), text))
    return texts


def _range(gap: AddressRange) -> str:
    return f"{gap.table} {gap.first} to {gap.last}"
