"""The verdict on a road: each counter that is missing is laid to the fault that cost it, or to nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.system.ledger import Ledger, Served, Stored


class Fault(NamedTuple):
    """A moment at which requests that were open got lost: at most `IN_FLIGHT` on each endpoint it hit.

    `from_ms` and `to_ms` are the earliest and the latest moment at which the simulator may have served them.
    """

    name: str
    endpoint: str
    """Its URL; "" stands for every one."""
    from_ms: int
    to_ms: int


IN_FLIGHT = 1
"""Requests that the gateway has open on one endpoint."""

SERVED_LATE_MS = 1000
"""What was on its way at a fault, in a slow link or a busy simulator, is served so much later at most."""


@dataclass(frozen=True)
class Verdict:
    """What the ledger says when all that can still come has come."""

    ledger: Ledger
    explained: Sequence[tuple[Served, Fault]]
    unexplained: Sequence[Served]

    @property
    def findings(self) -> list[str]:
        """Everything that must not be, in words; empty when all is well."""
        ledger = self.ledger
        found: list[tuple[str, Sequence[Served | Stored | tuple[tuple[str, int], list[int]]]]] = [
            ("served, not stored, and no fault explains it", self.unexplained),
            ("stored, and never served", ledger.never_served),
            ("stored under two times", list(ledger.twice.items())),
            ("stored in another order than served", ledger.out_of_order),
        ]
        return [f"{what}: {len(those)}, such as {list(those)[:10]}" for what, those in found if those]

    def __str__(self) -> str:
        ledger = self.ledger
        lines = [f"{len(ledger.served)} counters served, {len(ledger.stored)} stored"]
        lines += [f"  {served.device} {served.counter}: {fault.name}" for served, fault in self.explained]
        lines.append(
            f"{len(self.explained)} missing and explained, {len(self.unexplained)} without an excuse"
        )
        return "\n".join(lines)


def judge(ledger: Ledger, until: int, endpoints: Mapping[str, str], faults: Sequence[Fault]) -> Verdict:
    """`until`: what was served later is not missing yet. `endpoints`: device -> URL of where it is polled.

    Each fault may explain `IN_FLIGHT` missing counters on each endpoint. They are handed out in the order of
    time, each to the fault whose window ends first: so as many are explained as can be.
    """
    left: dict[tuple[Fault, str], int] = {}
    explained, unexplained = [], []
    for one in sorted(ledger.until(until).lost):
        endpoint = endpoints[one.device]
        able = [
            fault
            for fault in faults
            if fault.endpoint in ("", endpoint)
            and fault.from_ms <= one.time_ms <= fault.to_ms
            and left.get((fault, endpoint), IN_FLIGHT) > 0
        ]
        if not able:
            unexplained.append(one)
            continue
        fault = min(able, key=lambda fault: fault.to_ms)
        left[fault, endpoint] = left.get((fault, endpoint), IN_FLIGHT) - 1
        explained.append((one, fault))
    return Verdict(ledger, explained, unexplained)


def kill_faults(
    served: Sequence[Served], endpoints: Mapping[str, str], kills: Sequence[tuple[int, int]]
) -> list[Fault]:
    """What kills of the gateway, each with the moment of its next start, may have cost.

    On each endpoint that is the last that it served before the kill, because the next is only asked for when
    the spool has this one; or what was on its way and was served when nobody waited any more.
    """
    faults = []
    for killed, started in kills:
        last = dict.fromkeys(endpoints.values(), killed)
        last |= {endpoints[one.device]: one.time_ms for one in served if one.time_ms <= killed}
        name = f"open at the kill of the gateway at {killed}"
        latest = max(killed, started) + SERVED_LATE_MS
        faults += [Fault(name, endpoint, earliest, latest) for endpoint, earliest in last.items()]
    return faults
