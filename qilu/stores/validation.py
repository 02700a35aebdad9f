"""What no store may be given: each store asks here first, so that all of them refuse the same polls."""

from __future__ import annotations

from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.limits import MAX_TIME_MS, MIN_TIME_MS, is_ordinary, value_problem
from qilu.contract.reading import Poll, Reading


def unstorable_reason(poll: Poll) -> Refusal | None:
    """Why no store can keep `poll`, naming the point; None when nothing is wrong with it."""
    if not MIN_TIME_MS <= poll.due_ms <= MAX_TIME_MS:
        return _bad_time("due_ms", poll.due_ms)
    for reading in poll.readings:
        if len(reading.values) != len(reading.columns.points):
            text = f"{len(reading.values)} values for {len(reading.columns.points)} points"
            return Refusal(AckCode.MALFORMED, text)
        if not MIN_TIME_MS <= reading.time_ms <= MAX_TIME_MS:
            return _bad_time("time", reading.time_ms)
        if not is_ordinary(reading.values) and (problem := _bad_value(reading)):
            return Refusal(AckCode.BAD_VALUE, problem)
    return None


def _bad_time(what: str, time_ms: int) -> Refusal:
    shown = time_ms if time_ms.bit_length() <= 64 else f"of {time_ms.bit_length()} bits"
    return Refusal(AckCode.BAD_TIME, f"{what} {shown} is not between 1970 and 2262 (ms)")


def _bad_value(reading: Reading) -> str | None:
    for point, value in zip(reading.columns.points, reading.values, strict=True):
        if problem := value_problem(value):
            return f"point {point!r}: {problem}"
    return None
