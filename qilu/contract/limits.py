"""The limits of everything that a record may hold: the same for gateways, ingesters and stores.

A record beyond these limits is rejected by the ingester whatever its store is, because no change of a clock,
a setting or a store makes it storable. A gateway keeps them by itself: its settings and profiles are checked,
and a value beyond them becomes bad before it is spooled.
"""

from __future__ import annotations

import re
from math import hypot
from typing import Annotated, cast

from pydantic import AfterValidator

from qilu.contract.lookalikes import find_lookalike
from qilu.contract.reading import Poll, Reading, Reason, Value
from qilu.contract.validation import display, validation_error

MAX_NAME = 128
"""Characters of a name: of an edge, device, profile, poll group, point, enterprise, site or line."""
MAX_TEXT = 4_000
"""Characters of a value that is a text."""
MAX_POINTS = 10_000
"""Values of one record, and readings of one record."""
MAX_RECORDS = 1_000
"""Records of one message."""
MAX_MESSAGE_BYTES = 4_000_000
"""Bytes of one message: more than twice what a record of MAX_POINTS values takes."""
MIN_TIME_MS = 0
"""1970."""
MAX_TIME_MS = (2**63 - 1) // 10**6 - 1
"""April 2262: InfluxDB counts nanoseconds in 64 bits."""
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
"""Those of int64 and uint64."""
MAX_FLOAT = 1e290
"""The magnitude of a float; a sum of 10**18 of them is still a finite number."""

_ORDINARY = 2.0**63
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def name_problem(what: str, name: str) -> str | None:
    """Why `name` cannot be the name of `what`; None when it can. An empty name is the caller's affair."""
    if len(name) > MAX_NAME:
        return f"the name of {what} has {len(name)} characters; the limit is {MAX_NAME}: {name[:40]!r}..."
    if _CONTROLS.search(name):
        return f"the name of {what} has a character that controls a terminal or is no character: {name!r}"
    return None


def _place_name(name: str) -> str:
    problem = name_problem("a place", name)
    if problem is not None:
        raise validation_error(problem, "give it a shorter name without control characters")
    return name


PlaceName = Annotated[str, AfterValidator(_place_name)]
"""The name of an enterprise, a site or a line in a file of settings."""


def _store_name(name: str) -> str:
    if not name or not name.isprintable() or name != name.strip() or find_lookalike(name):
        problem = (
            f"{display(name)} cannot be the name of a store: it is in the settings of gateways and ingesters"
        )
        raise validation_error(problem, "use letters, digits and hyphens, such as plant-store")
    return name


StoreName = Annotated[str, AfterValidator(_store_name)]
"""The id of a store, the same in the settings of its ingesters and of the gateways that trust it."""


def is_ordinary(values: tuple[Value, ...]) -> bool:
    """Whether all are numbers far within the limits: what nearly every reading is, found in one step."""
    try:
        return hypot(*cast("tuple[float, ...]", values)) < _ORDINARY
    except (TypeError, OverflowError):
        return False


def value_problem(value: Value) -> str | None:
    """Why no store can keep `value`; None when each can."""
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            return f"a text of {len(value)} characters; the limit is {MAX_TEXT}"
        return None if value.isascii() or _encodes(value) else "a text that cannot be encoded in UTF-8"
    if isinstance(value, int):
        if MIN_INTEGER <= value <= MAX_INTEGER:
            return None
        return f"an integer of {value.bit_length()} bits, which is not within -2^63 to 2^64 - 1"
    if isinstance(value, float) and not -MAX_FLOAT <= value <= MAX_FLOAT:
        return f"{value} is no finite number within {MAX_FLOAT:g}"
    return None


def bounded(poll: Poll) -> Poll:
    """The same poll, with every value that no store can keep marked as bad."""
    if all(is_ordinary(reading.values) for reading in poll.readings):
        return poll
    return poll._replace(readings=tuple(map(_bounded, poll.readings)))


def _bounded(reading: Reading) -> Reading:
    beyond = {
        index: Reason.OUT_OF_LIMITS
        for index, value in enumerate(reading.values)
        if value_problem(value) is not None
    }
    if not beyond:
        return reading
    values = tuple(None if index in beyond else value for index, value in enumerate(reading.values))
    return reading._replace(values=values, reasons={**reading.reasons, **beyond})


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
