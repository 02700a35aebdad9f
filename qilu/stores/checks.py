"""What no store may be given: each store asks here first, so that all of them refuse the same polls."""

from __future__ import annotations

from math import isfinite
from typing import cast

from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.reading import Poll, Reading


def refusal(poll: Poll) -> Refusal | None:
    """Why no store can keep `poll`, naming the point; None when nothing is wrong with it."""
    for reading in poll.readings:
        if len(reading.values) != len(reading.columns.points):
            text = f"{len(reading.values)} values for {len(reading.columns.points)} points"
            return Refusal(AckCode.MALFORMED, text)
        # One sum tells for all: it is finite only if every value is. What is no number is looked at below.
        try:
            total = sum(cast("tuple[float, ...]", reading.values))
        except (TypeError, OverflowError):
            total = float("nan")
        if total - total != 0 and (problem := _bad_value(reading)):
            return Refusal(AckCode.BAD_VALUE, problem)
    return None


def _bad_value(reading: Reading) -> str | None:
    for point, value in zip(reading.columns.points, reading.values, strict=True):
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                return f"point {point!r}: {error}"
        elif isinstance(value, int | float):
            try:
                finite = isfinite(value)
            except OverflowError:
                finite = False
            if not finite:
                return f"point {point!r}: {str(value)[:40]} is not a finite number"
    return None
