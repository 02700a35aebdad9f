"""What makes a device profile impossible or surprising; profile.py holds the models themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qilu.contract.invalid import Loc, Problem
from qilu.contract.modicon import without_modicon

if TYPE_CHECKING:
    from qilu.contract.profile import AddressRange, DeviceProfile, Point

_RESERVED_ENDING = "__q"
_EXACT_IN_A_FLOAT = 2**53
_LARGEST_FLOAT32 = (2 - 2.0**-23) * 2.0**127
_LARGEST_FLOAT64 = (2 - 2.0**-52) * 2.0**1023


def filled_in(raw: Any) -> Any:
    """A profile as written, with what its points leave to the profile; anything odd is left for pydantic."""
    if not isinstance(raw, Mapping):
        return raw
    profile = without_modicon(dict(raw))
    points = profile.get("points")
    if isinstance(points, Sequence) and not isinstance(points, str):
        defaults: dict[str, Any] = {
            key: profile[key] for key in ("byte_order", "word_order") if key in profile
        }
        groups = profile.get("groups")
        if isinstance(groups, Mapping) and groups:
            defaults["group"] = next(iter(groups))
        profile["points"] = [_point_filled_in(point, defaults) for point in points]
    return profile


def _point_filled_in(raw: Any, defaults: Mapping[str, Any]) -> Any:
    if not isinstance(raw, Mapping):
        return raw
    is_state = raw.get("type") in ("bool", "string") or raw.get("enum")
    return {"kind": "state" if is_state else "gauge", **defaults, **raw}


def of_point(point: Point) -> Iterator[Problem]:
    """What is wrong with a point by itself."""
    if point.name.endswith(_RESERVED_ENDING):
        yield Problem(
            ("name",), f"names that end in {_RESERVED_ENDING} are reserved for reasons", "rename it"
        )
    if point.address < 0 or point.last > 65535:
        end = "" if point.size == 1 else f" to {point.last}"
        yield Problem(
            ("address",), f"address {point.address}{end} does not exist (0 to 65535)", "correct the address"
        )
    if point.writable and not point.table.can_be_written:
        yield Problem(("access",), f"a point of table {point.table} cannot be written", "say `access: read`")
    yield from _of_layout(point)
    yield from _of_numbers(point)
    yield from _of_limits(point)


def _of_layout(point: Point) -> Iterator[Problem]:
    kind, table = point.type, point.table
    if table.holds_bits and kind != "bool":
        yield Problem(
            ("type",), f"{kind} does not fit into table {table}", f"a {table} is always `type: bool`"
        )
    if point.bit is not None and (table.holds_bits or kind != "bool"):
        yield Problem(("bit",), "a bit can be chosen of a bool in a register only", "remove `bit`")
    if point.bit is None and kind == "bool" and not table.holds_bits:
        yield Problem(
            ("type",), "a bool in a register needs the number of its bit", "add `bit: 0` to `bit: 15`"
        )
    if point.length is not None and kind != "string":
        yield Problem(("length",), f"a length is for strings; {kind} has its own", "remove `length`")
    if point.length is None and kind == "string":
        yield Problem(
            ("type",), "a string needs its length in registers", "add `length: 8` for 16 characters"
        )


def _of_numbers(point: Point) -> Iterator[Problem]:
    """Keys that only some types can have, and the raw numbers in them."""
    allowed = {
        "scale": point.type.is_integer or point.type.is_float,
        "offset": point.type.is_integer or point.type.is_float,
        "limits": point.type.is_integer or point.type.is_float,
        "sentinels": point.type.is_integer or point.type.is_float,
        "enum": point.type.is_integer or point.type == "bool",
    }
    for key, fits in allowed.items():
        if not fits and getattr(point, key) != type(point).model_fields[key].default:
            yield Problem((key,), f"`{key}` means nothing for a {point.type}", f"remove `{key}`")
            return
    if point.scale == 0:
        yield Problem(("scale",), "a scale of 0 would make every value the same", "use the device's factor")
    if point.type.is_integer or point.type == "bool":
        yield from _of_codes(point)
    elif point.type.is_float:
        for index, raw in enumerate(point.sentinels):
            if not abs(raw) <= (_LARGEST_FLOAT32 if point.type == "float32" else _LARGEST_FLOAT64):
                yield Problem(("sentinels", index), f"{raw} is not a raw value of {point.type}", "correct it")


def _of_codes(point: Point) -> Iterator[Problem]:
    bits = point.type.bits
    low = -(1 << (bits - 1)) if point.type.value.startswith("int") else 0
    for index, code in enumerate(point.sentinels):
        # The pattern of a negative sentinel may also be written unsigned, 0x8000 for -32768.
        if isinstance(code, float) or not low <= code < 1 << bits:
            yield Problem(("sentinels", index), f"{code} is not a raw value of {point.type}", "correct it")
    high = (1 << (bits - 1 if low else bits)) - 1
    for code in point.enum:
        if not low <= code <= high:
            yield Problem(
                ("enum", code), f"{code} is not a code of {point.type}", f"codes are {low} to {high}"
            )


def _of_limits(point: Point) -> Iterator[Problem]:
    low, high = point.limits.min, point.limits.max
    if low is not None and high is not None and low >= high:
        yield Problem(("limits",), f"min {low:g} is not below max {high:g}", "swap or correct them")


def of_profile(profile: DeviceProfile) -> Iterator[Problem]:
    """What is wrong with the points taken together, and with the device's limits."""
    if not profile.points:
        yield Problem(("points",), "a profile without points reads nothing", "describe at least one point")
    for number, gap in enumerate(profile.limits.no_read):
        if gap.first > gap.last:
            yield Problem(
                ("limits", "no_read", number), f"first {gap.first} is above last {gap.last}", "swap them"
            )
    seen: dict[str, int] = {}
    for index, point in enumerate(profile.points):
        if point.name in seen:
            first = seen[point.name]
            yield Problem(
                ("points", index, "name"), f"{point.name} is also points.{first}", "rename one of them"
            )
        seen.setdefault(point.name, index)
        yield from _of_place(profile, index, point)
    yield from _of_overlaps(profile)
    yield from of_overrides(profile, profile.parameters, ("parameters",))


def _of_place(profile: DeviceProfile, index: int, point: Point) -> Iterator[Problem]:
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
    most = profile.limits.max_block(point.table)
    if point.size > most:
        text = f"takes {point.size} registers, but one request may read {most} only"
        yield Problem((*here, "type"), text, "raise `limits.max_registers` or say `access: write`")
    for gap in profile.limits.no_read:
        if gap.meets(point.table, point.address, point.last):
            text = f"lies in {_range(gap)}, which `limits.no_read` forbids"
            yield Problem((*here, "address"), text, "correct one of them, or say `access: write`")


def _of_overlaps(profile: DeviceProfile) -> Iterator[Problem]:
    names = {point.name: point for point in profile.points}
    for index, point in enumerate(profile.points):
        if point.alias_of is None:
            continue
        other = names.get(point.alias_of)
        if other is None or other is point or not _share_a_register(point, other):
            text = f"{point.alias_of} is no point with a register of this one"
            yield Problem(
                ("points", index, "alias_of"), text, "name the point that lies on the same registers"
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
                remedy = f"correct address or type; if both are meant, say `alias_of: {earlier.name}`"
                yield Problem(("points", later, "address"), text, remedy)
        open_.append(index)


def _share_a_register(one: Point, other: Point) -> bool:
    return one.table is other.table and one.address <= other.last and other.address <= one.last


def _collide(one: Point, other: Point) -> bool:
    if one.bit is not None and other.bit is not None and one.bit != other.bit:
        return False
    return one.alias_of is None and other.alias_of is None


def of_overrides(profile: DeviceProfile, values: Mapping[str, float], here: Loc = ()) -> Iterator[Problem]:
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


def warnings(profile: DeviceProfile) -> list[tuple[Loc, str]]:
    """What is allowed and yet likely to surprise."""
    found: list[tuple[Loc, str]] = []
    for index, point in enumerate(profile.points):
        if point.type in ("uint64", "int64") and point.readable:
            high = point.limits.max
            if high is None or high > _EXACT_IN_A_FLOAT or (point.limits.min or 0) < -_EXACT_IN_A_FLOAT:
                text = f"{point.name}: stores keep numbers as floats, which are exact up to 2^53 only"
                found.append((("points", index, "type"), text))
    return found


def _range(gap: AddressRange) -> str:
    return f"{gap.table} {gap.first} to {gap.last}"
