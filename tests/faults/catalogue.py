"""All cases of all rows."""

from __future__ import annotations

from tests.faults.rows import connections, refusals, replies, values
from tests.faults.stage import Case

CASES: tuple[Case, ...] = (*refusals.CASES, *replies.CASES, *connections.CASES, *values.CASES)
