"""Line protocol: what is encoded is what a reader of the published grammar understands."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qilu.contract.errors import DataError
from qilu.contract.reading import BlockSchema, Origin, Poll, Quality, Reading, Reason, Value
from qilu.contract.store_names import field_name, measurement_name
from qilu.stores.influx.line_protocol import INFLUXDB, TAGS, VICTORIAMETRICS, Dialect, LineEncoder

COLUMNS = BlockSchema(Origin("edge-1", "press-1", "press", "acme", "jinan", "a"), "fast", ("force", "state"))
HEAD = b"press,device=press-1,edge=edge-1,enterprise=acme,line=a,profile=press,site=jinan"


def poll(*values: Value, columns: BlockSchema = COLUMNS, time_ms: int = 7, **reasons: Reason) -> Poll:
    bad = {columns.points.index(point): reason for point, reason in reasons.items()}
    return Poll(time_ms, (Reading(columns, time_ms, values, bad),))


@pytest.mark.parametrize("dialect", [INFLUXDB, VICTORIAMETRICS])
@pytest.mark.parametrize(
    ("given_poll", "fields"),
    [
        (poll(81.5, 2), b"force=81.5,state=2 7"),
        (poll(1e16, -0.0), b"force=1e16,state=-0.0 7"),
        (poll(2**64, 10**30), b"force=18446744073709551616,state=1000000000000000000000000000000 7"),
        (poll(True, False), b"force=1,state=0 7"),
        (poll(None, 2, force=Reason.TIMEOUT), b"force__q=1,state=2 7"),
        (poll(5.5, 2, force=Reason.CLOCK_UNCERTAIN), b"force__q=15,force=5.5,state=2 7"),
        (poll(5.5, 2, force=Reason.SENTINEL), b"force__q=9,state=2 7"),
        (poll(None, 2), b"force__q=12,state=2 7"),
    ],
)
def test_a_reading_is_one_line_or_one_for_each_value(
    dialect: Dialect, given_poll: Poll, fields: bytes
) -> None:
    line = LineEncoder(dialect).encode(given_poll)
    if dialect is INFLUXDB:
        assert line == HEAD + b" " + fields + b"\n"
        return
    *values, time = fields.replace(b" 7", b",7").split(b",")
    points = [value.partition(b"=")[0].removesuffix(b"__q") for value in values]
    by_point = {
        point: b",".join(value for value, of in zip(values, points, strict=True) if of == point)
        for point in points
    }
    assert line == b"".join(
        b"%s,point=%s %s %s\n" % (HEAD, point, texts, time) for point, texts in by_point.items()
    )


def test_tags_that_are_not_given_are_left_out() -> None:
    columns = BlockSchema(Origin("e", "d", "p"), "g", ("x",))
    assert (
        LineEncoder(INFLUXDB).encode(poll(1.5, columns=columns)) == b"p,device=d,edge=e,profile=p x=1.5 7\n"
    )


def test_a_text_has_a_field_of_its_own_or_is_named_once_where_it_has_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert (
        LineEncoder(INFLUXDB).encode(poll('a "b"\\', 2)) == HEAD + b' force__text="a \\"b\\"\\\\",state=2 7\n'
    )
    encoder = LineEncoder(VICTORIAMETRICS)
    only = BlockSchema(COLUMNS.origin, "fast", ("force",))
    with caplog.at_level(logging.WARNING):
        assert encoder.encode(poll("a", 2)) == HEAD + b",point=state state=2 7\n"
        assert encoder.encode(poll("a", columns=only)) == b""
    assert [record.getMessage()[:29] for record in caplog.records] == ["profile press, point force: a"]


def test_a_line_longer_than_the_store_takes_is_refused_and_not_dropped() -> None:
    long = BlockSchema(COLUMNS.origin, "fast", tuple(f"{'x' * 5000}{i}" for i in range(1000)))
    with pytest.raises(DataError, match="longer than the store takes"):
        LineEncoder(INFLUXDB).encode(poll(*([1.5] * 1000), columns=long))
    long = BlockSchema(COLUMNS.origin, "fast", ("x" * 300_000, "y" * 300_000))
    with pytest.raises(DataError, match="longer than the store takes"):
        LineEncoder(VICTORIAMETRICS).encode(poll(1.5, 1.5, columns=long))


Line = tuple[str, dict[str, str], dict[str, float | str], int]


def parse(line: str, dialect: Dialect) -> Line:
    """A line as the servers read it, from left to right."""
    assert line.endswith("\n")
    name, at = _until(line, 0, ", ", ", ", dialect)
    tags: dict[str, str] = {}
    fields: dict[str, float | str] = {}
    while line[at] == ",":
        key, at = _until(line, at + 1, "=", ",= ", dialect)
        tags[key], at = _until(line, at + 1, ", ", ",= ", dialect)
    while line[at] != " " or not fields:
        key, at = _until(line, at + 1, "=", ",= ", dialect)
        if line[at + 1] == '"':
            fields[key], at = _quoted(line, at + 2)
        else:
            number, at = _until(line, at + 1, ", ", "", dialect)
            fields[key] = float(number)
    return name, tags, fields, int(line[at:])


def _until(line: str, at: int, stops: str, special: str, dialect: Dialect) -> tuple[str, int]:
    escapes = special + ("\\" if dialect.doubles_backslash else "")
    plain = []
    while line[at] not in stops:
        if line[at] == "\\" and line[at + 1] in escapes:
            at += 1
        plain.append(line[at])
        at += 1
    return "".join(plain), at


def _quoted(line: str, at: int) -> tuple[str, int]:
    plain = []
    while line[at] != '"':
        at += line[at] == "\\"
        plain.append(line[at])
        at += 1
    return "".join(plain), at + 1


NAMES = st.text(st.characters(exclude_categories=["Cc"]), min_size=1, max_size=8) | st.text(
    '\\,= "ab', min_size=1, max_size=6
)
ORIGINS = st.builds(
    Origin,
    edge=NAMES,
    device=NAMES,
    profile=NAMES,
    enterprise=NAMES | st.just(""),
    site=NAMES | st.just(""),
    line=NAMES | st.just(""),
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70) | st.booleans()
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10) | st.text(
    '\\"=, ', max_size=6
)
REASONS = st.sampled_from(Reason)


@settings(max_examples=300)
@given(st.data())
@pytest.mark.parametrize("dialect", [INFLUXDB, VICTORIAMETRICS])
def test_what_is_encoded_is_what_is_read(dialect: Dialect, data: st.DataObject) -> None:
    columns = BlockSchema(data.draw(ORIGINS), "g", tuple(data.draw(st.lists(NAMES, min_size=1, max_size=4))))
    values = tuple(data.draw(st.one_of(st.none(), NUMBERS, TEXTS)) for _ in columns.points)
    reasons = data.draw(st.dictionaries(st.integers(0, len(values) - 1), REASONS, max_size=2))
    time_ms = data.draw(st.integers(-(2**40), 2**43))
    reading = Reading(columns, time_ms, values, reasons)
    try:
        line = LineEncoder(dialect).encode(Poll(time_ms, (reading,))).decode()
    except DataError:
        return
    expected: dict[str, float | str] = {}
    for index, (point, value) in enumerate(zip(columns.points, values, strict=True)):
        reason = reasons.get(index, Reason.UNDECODABLE if value is None else None)
        if reason is not None:
            expected[f"{point}__q"] = reason.code
        if value is not None and (reason is None or reason.quality is not Quality.BAD):
            if not isinstance(value, str):
                expected[point] = float(value)
            elif dialect.texts:
                expected[f"{point}__text"] = value
    if not expected:
        assert line == ""
        return
    tags = {tag: text for tag in TAGS if (text := getattr(columns.origin, tag))}
    measurement = measurement_name(columns.origin.profile)
    if dialect is INFLUXDB:
        assert parse(line, dialect) == (measurement, tags, expected, time_ms)
        return
    by_point: dict[str, dict[str, float | str]] = {}
    for field, value in expected.items():
        point = field if field in columns.points else field.removesuffix("__q")
        name = field_name(point) + field.removeprefix(point)
        by_point.setdefault(point, {})[name] = value
    lines = [parse(part + "\n", dialect) for part in line[:-1].split("\n")]
    assert {(name, tuple(sorted(of.items())), time) for name, of, _, time in lines} == {
        (measurement, tuple(sorted({**tags, "point": point}.items())), time_ms) for point in by_point
    }
    assert {of["point"]: fields for _, of, fields, _ in lines} == by_point


def test_texts_of_an_edge_are_labels_of_one_series_where_a_server_has_no_texts() -> None:
    own = BlockSchema(
        Origin("edge-1", "edge-1", "edge-info", site="jinan"), "edge_info", ("version", "settings")
    )
    given_poll = poll("1.2, beta", "0123abcd", columns=own)
    assert LineEncoder(VICTORIAMETRICS).encode(given_poll) == (
        b"qilu_edge,device=edge-1,edge=edge-1,profile=edge-info,site=jinan,version=1.2\\,\\ beta,"
        b"settings=0123abcd info=1 7\n"
    )
    assert LineEncoder(INFLUXDB).encode(given_poll) == (
        b"qilu_edge_info,device=edge-1,edge=edge-1,profile=edge-info,site=jinan"
        b' version__text="1.2, beta",settings__text="0123abcd" 7\n'
    )
