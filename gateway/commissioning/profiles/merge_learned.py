"""Takes what a device taught a gateway over into its profile: limits as such, refused points as comments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from gateway.commissioning.profiles.yaml_writer import flow
from gateway.sources.modbus.learning.store import LearnedLimitsFile, fingerprint
from qilu.config.settings_file import load, load_text, load_with_line_index
from qilu.config.yaml_loader import LineIndex
from qilu.contract.errors import ConfigError
from qilu.contract.modicon import TableAddress, format_modicon
from qilu.contract.profile import AddressRange, DeviceProfile, Table

_LIMIT_OF = {
    Table.HOLDING: "max_registers",
    Table.INPUT: "max_registers",
    Table.COIL: "max_bits",
    Table.DISCRETE: "max_bits",
}


def apply_learned(profile_file: Path, learned_file: Path) -> str:
    """The text of the profile with what was learned; ConfigError where the two do not belong together."""
    profile, places = load_with_line_index(profile_file, DeviceProfile)
    learned = load(learned_file, LearnedLimitsFile)
    if (learned.profile, learned.fingerprint) != (profile.profile, fingerprint(profile)):
        problem = f"{learned.device} was measured with another state of the profile {learned.profile}"
        remedy = f"run the gateway with {profile_file} until the file is written anew"
        raise ConfigError(problem, file=learned_file, key="fingerprint", remedy=remedy)
    text = merged(profile_file.read_text(encoding="utf-8-sig"), places, profile, learned)
    load_text(text, DeviceProfile, file=str(profile_file))
    return text


def merged(text: str, places: LineIndex, profile: DeviceProfile, learned: LearnedLimitsFile) -> str:
    """The text of a profile, with what was learned in it. Pure."""
    lines = text.splitlines()
    raw: Any = yaml.safe_load(text)
    in_modicon = raw.get("addressing") == "modicon"
    new = limits(raw.get("limits") or {}, profile, learned, in_modicon=in_modicon)
    start, end = _block(lines, places, "limits")
    notes, unplaced = _notes(raw.get("points") or (), places, learned)
    comments = [f"# {learned.device} refuses {name}." for name in unplaced]
    block = (
        [*comments, f"limits:  # as {learned.device} taught the gateway", *_entries(new)] if new else comments
    )
    # From the end to the begin, so that no insertion moves a place that is still to come.
    edits = [(line - 1, line - 1, [note]) for line, note in notes]
    for first, last, put in sorted([*edits, (start, end, block)], reverse=True, key=lambda edit: edit[0]):
        lines[first:last] = put
    return "\n".join(lines) + "\n"


def limits(
    before: Mapping[str, Any], profile: DeviceProfile, learned: LearnedLimitsFile, *, in_modicon: bool = False
) -> dict[str, Any]:
    """The profile's `limits` with what was learned; gaps only, where no point lies.

    Two tables share each limit, so none is less than the longest point needs.
    """
    after = dict(before)
    for table, longest in learned.max_block.items():
        key = _LIMIT_OF[table]
        needed = max((p.size for p in profile.points if p.readable and _LIMIT_OF[p.table] == key), default=1)
        after[key] = max(needed, min(longest, after.get(key, longest)))
    gaps = [
        _in_modicon(gap) if in_modicon else gap.model_dump(mode="json")
        for gap in learned.unreadable
        if not any(gap.overlaps(point.table, point.address, point.last) for point in profile.points)
    ]
    known = list(after.get("unreadable", []))
    if added := [gap for gap in gaps if gap not in known]:
        after["unreadable"] = known + added
    return after


def _in_modicon(gap: AddressRange) -> dict[str, Any]:
    """As a file has it whose addresses name their tables; those of coils begin with 0, and so are texts."""
    ends = {"first": gap.first, "last": gap.last}
    lines = {key: format_modicon(TableAddress(gap.table, address)) for key, address in ends.items()}
    return {key: digits if digits.startswith("0") else int(digits) for key, digits in lines.items()}


def _notes(
    points: Sequence[Any], places: LineIndex, learned: LearnedLimitsFile
) -> tuple[list[tuple[int, str]], list[str]]:
    """A comment with its line for each refused point, and the points that have no line of their own."""
    notes, names = [], {point.get("name"): index for index, point in enumerate(points)}
    unplaced = []
    for point_name in learned.refused_points:
        line = places.line(("points", names[point_name])) if point_name in names else None
        if line is None:
            unplaced.append(point_name)
        else:
            notes.append((line, f"  # {learned.device} refuses this point"))
    return notes, unplaced


def _block(lines: Sequence[str], places: LineIndex, key: str) -> tuple[int, int]:
    """Where the lines of a key of the top stand; an empty place before the points where there is none."""
    tops = sorted(line for loc, line in places.lines.items() if len(loc) == 1)
    start = places.lines.get((key,))
    if start is None:
        first = min(line for loc, line in places.lines.items() if loc in (("points",), ("structures",)))
        before_points = first - 1
        return before_points, before_points
    end = next((line for line in tops if line > start), len(lines) + 1) - 1
    while end > start and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    return start - 1, end


def _entries(values: Mapping[str, Any]) -> list[str]:
    """A mapping as indented lines; a list has one line for each entry."""
    entries = []
    for key, value in values.items():
        if isinstance(value, list) and value:
            entries += [f"  {key}:", *(f"    - {flow(entry)}" for entry in value)]
        else:
            entries.append(f"  {key}: {flow(value)}")
    return entries
