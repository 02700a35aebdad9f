r"""Polls as line protocol, pure: one line per reading for InfluxDB, one per value for VictoriaMetrics.

    tyre_press,device=press-1,edge=edge-1,profile=tyre-press force=81.5,oil_level__q=1 1764000000012
    tyre_press,device=press-1,edge=edge-1,profile=tyre-press,point=force force=81.5 1764000000012

The measurement is the profile as a name (`qilu.contract.store_names`), the tag `profile` the profile itself.
In VictoriaMetrics measurement and field become one metric, and the tag `point` has the point by itself.
Numbers are floats (a bool is 1 or 0), so that a field never changes its type. What is not good writes
`<point>__q` = the reason's code, and its value only if it is uncertain. A text goes to the string field
`<point>__text`, where a server has such. Names escape `,`, `=` and blank with a backslash; a backslash itself
is doubled for VictoriaMetrics and stands for itself in InfluxDB, which has no spelling for some of them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import msgspec

from qilu.contract import edge_info
from qilu.contract.accounting import EDGE_INFO, POINT_INFO, PROFILES
from qilu.contract.ack_codes import AckCode, Refusal, RefusalError
from qilu.contract.errors import DataError
from qilu.contract.point_info import infos_of
from qilu.contract.reading import BlockSchema, Poll, Quality, Reading, Reason, Value
from qilu.contract.store_names import field_name, measurement_name

QUALITY = "__q"
TEXT = "__text"
TAGS = ("device", "edge", "enterprise", "line", "profile", "site")
POINT = "point"
"""The tag of a series in VictoriaMetrics that has the point, also of its `__q`."""

INFO = measurement_name(POINT_INFO)
"""The measurement, and the metric, of what points are."""
EDGE_TEXTS = measurement_name(EDGE_INFO)
"""The metric of the texts of edges, in a server without texts."""
INFO_FIELD = "info"
_PARTS_PER_LINE = 3
"""Parts of a line with one value: what stands before it, the value, and the time."""
_NUMBERS = frozenset((float, int))
_MAX_WARNED = 100
_encode = msgspec.json.Encoder().encode
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What servers differ in."""

    doubles_backslash: bool
    """A backslash in a name is written twice; else it stands for itself."""
    texts: bool
    """There are string fields."""
    quotes_in_points: bool
    """A double quote in a field's name is a character like any other; else it would swallow the time."""
    reserved_points: frozenset[str]
    """Names that no field may have."""
    line_per_value: bool
    """Each value has its line and its tag `point`; measurement and field become the name of one metric."""
    max_line: int
    """Bytes of the longest line that it takes."""


INFLUXDB = Dialect(False, True, True, frozenset(("time", *TAGS)), False, 4_000_000)
VICTORIAMETRICS = Dialect(True, False, False, frozenset(), True, 256 * 1024)


@dataclass(frozen=True, slots=True)
class _Template:
    """What is the same in all lines of one `Columns`: ready-made bytes with holes for the numbers."""

    heads: tuple[bytes, ...]
    """Measurement, tags and the blank behind them: one for each point, or one for all."""
    fields: tuple[bytes, ...]
    """Escaped names of the points."""
    parts: list[bytes]
    """One line per reading: head+field=, hole, ,field=, hole, ...; per value: head+field=, hole, time, ..."""


class LineEncoder:
    """Turns polls into lines, remembering what does not change from one to the next."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._templates: WeakKeyDictionary[BlockSchema, _Template] = WeakKeyDictionary()
        self._warned: set[tuple[str, str]] = set()

    def encode(self, poll: Poll, without: AbstractSet[str] = frozenset()) -> bytes:
        """The lines of one poll, each with its line feed; DataError when the server could not keep them.

        `without`: names of fields that are left out. Expects values that `stores.checks` let through.
        Empty when there is nothing that it has a place for.
        """
        if poll.origin.profile == POINT_INFO:
            return b"".join(self._infos(reading) for reading in poll.readings)
        if poll.origin.profile == EDGE_INFO and not self._dialect.texts:
            return b"".join(self._edge_texts(reading) for reading in poll.readings)
        lines = []
        for reading in poll.readings:
            template = self._templates.get(reading.columns) or self._template(reading.columns)
            if not without and not reading.reasons and _NUMBERS.issuperset(map(type, reading.values)):
                line = _numbers(template, reading)
            else:
                line = self._mixed(template, reading, without)
            longest = len(line) // len(template.heads)  # of equal lines, which those of one device nearly are
            if longest > self._dialect.max_line:
                text = f"a line of {len(line)} bytes is longer than the store takes"
                raise RefusalError(Refusal(AckCode.TOO_LARGE, text))
            lines.append(line)
        return b"".join(lines)

    def _infos(self, reading: Reading) -> bytes:
        """Each described point: a series of its labels with the value 1, or a row of fields."""
        origin, lines = reading.columns.origin, []
        for point, info in infos_of(reading):
            labels = info.labels()
            tags = {tag: getattr(origin, tag) for tag in TAGS} | {
                "profile": labels.pop("profile"),
                POINT: point,
            }
            if self._dialect.texts:
                values = ((name, getattr(info, name)) for name in labels)
                fields = b",".join(
                    b"%s=%s" % (name.encode(), _quoted(value) if isinstance(value, str) else _number(value))
                    for name, value in values
                )
            else:
                tags, fields = tags | labels, INFO_FIELD.encode() + b"=1"
            name = INFO if self._dialect.texts else INFO.removesuffix(f"_{INFO_FIELD}")
            head = _head(name, tags, self._dialect)
            lines.append(b"%s %s %d\n" % (head, fields, reading.time_ms))
        return b"".join(lines)

    def _edge_texts(self, reading: Reading) -> bytes:
        """The texts of an edge as labels of one series with the value 1."""
        tags = {tag: getattr(reading.columns.origin, tag) for tag in TAGS}
        for point, value in zip(reading.columns.points, reading.values, strict=True):
            if isinstance(value, str) and point in edge_info.POINTS:
                tags[point] = value[: edge_info.MAX_CHARACTERS]
        head = _head(EDGE_TEXTS.removesuffix(f"_{INFO_FIELD}"), tags, self._dialect)
        return b"%s %s=1 %d\n" % (head, INFO_FIELD.encode(), reading.time_ms)

    def _template(self, columns: BlockSchema) -> _Template:
        template = self._templates[columns] = _build(columns, self._dialect)
        return template

    def _mixed(self, template: _Template, reading: Reading, without: AbstractSet[str]) -> bytes:
        """A line with some values that are bad, uncertain, bool, text or left out."""
        fields: list[bytes] = []
        lines: list[bytes] = []
        for index, (name, value) in enumerate(zip(template.fields, reading.values, strict=True)):
            if self._dialect.line_per_value and index and fields:
                lines.append(_line(template.heads[index - 1], fields, reading))
                fields = []
            reason = reading.reasons.get(index)
            if reason is None and value is None:
                reason = Reason.UNDECODABLE
            if reason is not None:
                if reading.columns.points[index] + QUALITY not in without:
                    fields.append(b"%s__q=%d" % (name, reason.code))
                if reason.quality is Quality.BAD:
                    continue
            field = self._value(name, value, reading.columns, index)
            suffix = TEXT if isinstance(value, str) else ""
            if field and reading.columns.points[index] + suffix not in without:
                fields.append(field)
        if fields:
            lines.append(_line(template.heads[-1], fields, reading))
        return b"".join(lines)

    def _value(self, name: bytes, value: Value, columns: BlockSchema, index: int) -> bytes:
        if isinstance(value, str):
            if self._dialect.texts:
                return b"%s__text=%s" % (name, _quoted(value))
            self._warn_once(columns, index)
            return b""
        return b"" if value is None else b"%s=%s" % (name, _number(value))

    def _warn_once(self, columns: BlockSchema, index: int) -> None:
        what = (columns.origin.profile, columns.points[index])
        if (
            what not in self._warned and len(self._warned) < _MAX_WARNED and what[0] not in PROFILES
        ):  # their texts only repeat their codes
            self._warned.add(what)
            _log.warning(
                "profile %s, point %s: a text, for which this store has no place; its values are left out. "
                "Take a store with texts (SQLite, InfluxDB) or an enum with a code for each text",
                *what,
            )


def _head(measurement: str, tags: Mapping[str, str], dialect: Dialect) -> bytes:
    """Measurement and tags; those without a text are left out."""
    parts = (b",%s=%s" % (name.encode(), escape(text, ",= ", dialect)) for name, text in tags.items() if text)
    return measurement.encode() + b"".join(parts)


def _numbers(template: _Template, reading: Reading) -> bytes:
    """The common case: all good, all numbers. JSON's spelling of a number is one of line protocol, too."""
    parts, time = template.parts.copy(), b" %d\n" % reading.time_ms
    step = len(parts) // len(template.fields)
    try:
        parts[1::step] = _encode(reading.values)[1:-1].split(b",")
    except OverflowError:
        parts[1::step] = [_number(value) for value in reading.values if isinstance(value, int | float)]
    if step == _PARTS_PER_LINE:
        parts[2::step] = [time] * len(template.fields)
    else:
        parts.append(time)
    return b"".join(parts)


def _line(head: bytes, fields: Sequence[bytes], reading: Reading) -> bytes:
    return b"%s%s %d\n" % (head, b",".join(fields), reading.time_ms)


def _quoted(text: str) -> bytes:
    return b'"%s"' % text.replace("\\", "\\\\").replace('"', '\\"').encode()


def _number(value: float) -> bytes:
    return b"%d" % value if isinstance(value, int) else repr(value).encode()


def _build(columns: BlockSchema, dialect: Dialect) -> _Template:
    origin = columns.origin
    _refuse_names(columns, dialect)
    tags = b"".join(
        b",%s=%s" % (tag.encode(), escape(text, ",= ", dialect))
        for tag in TAGS
        if (text := getattr(origin, tag))
    )
    head = measurement_name(origin.profile).encode() + tags
    parts: list[bytes] = []
    if dialect.line_per_value:
        names = [escape(point, ",= ", dialect) for point in columns.points]
        heads = tuple(b"%s,%s=%s " % (head, POINT.encode(), name) for name in names)
        fields = tuple(field_name(point).encode() for point in columns.points)
        for of_point, field in zip(heads, fields, strict=True):
            parts += (b"%s%s=" % (of_point, field), b"", b"")
        return _Template(heads, fields, parts)
    fields = tuple(escape(point, ",= ", dialect) for point in columns.points)
    for index, field in enumerate(fields):
        parts += (b"%s%s=" % (b"," if index else head + b" ", field), b"")
    return _Template((head + b" ",), fields, parts)


def _refuse_names(columns: BlockSchema, dialect: Dialect) -> None:
    origin = columns.origin
    if not origin.device or not columns.points or "" in columns.points:
        raise DataError("a device, a point or the list of points has no name")
    if not origin.profile:
        raise DataError("the profile has no name: use a-z, 0-9 and -")
    if len(set(columns.points)) < len(columns.points):
        raise DataError("two points have the same name")
    for point in columns.points:
        quoted = '"' in point and not dialect.quotes_in_points
        if quoted or point in dialect.reserved_points or point.endswith((QUALITY, TEXT)):
            raise DataError(f"a point cannot have the name {point!r} in this store: rename it in the profile")


def escape(text: str, special: str, dialect: Dialect) -> bytes:
    """A name with its `special` characters escaped; DataError when line protocol cannot carry it."""
    if any(character < " " or character == "\x7f" for character in text):
        raise DataError(f"the name {text!r} has a control character, which line protocol cannot carry")
    if dialect.doubles_backslash:
        text = text.replace("\\", "\\\\")
    elif any(f"\\{character}" in text for character in special) or text.endswith("\\"):
        raise DataError(f"the name {text!r} has a backslash where line protocol cannot carry one")
    for character in special:
        text = text.replace(character, f"\\{character}")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"the name {text!r} is no text: {error}") from error
