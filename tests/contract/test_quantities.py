"""Durations and sizes are read as people write them, and written as they are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qilu.contract.units import format_bytes, format_duration, parse_bytes, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("200ms", 0.2), ("700ms", 0.7), ("1s", 1), ("1.5s", 1.5), ("5m", 300), ("2h", 7200),
        ("30d", 2_592_000), ("1h30m", 5400), (" 1 s ", 1), (2, 2), (0.25, 0.25), ("2", 2), ("0ms", 0),
        (0, 0),
    ],
)  # fmt: skip
def test_a_duration_is_seconds(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "5 parsecs", "-1s", -1, "1s later", True, None, "nan", "inf", [1]]
)
def test_what_is_no_duration_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration") as caught:
        parse_duration(text)
    assert "200ms" in str(caught.value.context["remedy"])  # type: ignore[attr-defined]


@given(st.integers(0, 10**12))
def test_a_written_duration_is_read_back_to_the_millisecond(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GB", 2 * 10**9),
        ("512MB", 512 * 10**6),
        ("64KiB", 65536),
        ("1.5 kb", 1500),
        ("1.234kB", 1234),
        ("7", 7),
        (7, 7),
        ("3B", 3),
    ],
)
def test_a_size_is_bytes(text: object, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "big", "-1", -1, "1GBit", True, None, 1.5, "²"])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_bytes(text)


@given(st.integers(0, 10**15))
def test_a_written_size_is_right_to_four_digits(size: int) -> None:
    assert parse_bytes(format_bytes(size)) == pytest.approx(size, rel=0.0006)


@pytest.mark.parametrize("text", ["2GB", "64KiB", "1500MB", "999B", "0B"])
def test_an_exact_size_is_written_exactly(text: str) -> None:
    assert format_bytes(parse_bytes(text)) == text


@given(st.text(max_size=12))
def test_garbage_is_a_quantity_or_a_value_error(text: str) -> None:
    for parse in (parse_duration, parse_bytes):
        try:
            assert parse(text) >= 0
        except ValueError:
            continue
