"""Which unit ids answer behind an endpoint, and what the answers together mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gateway.commissioning.probe.reader import Prober, identity, ping

FEW_UNITS, TRIES = 16, 2
"""Of so many units each one is asked twice: a device that is asleep loses the first request."""


class Unit(NamedTuple):
    unit: int
    how: str
    identity: str


async def scan(
    prober: Prober, units: Sequence[int], on_unit: Callable[[Unit], None], progress: Callable[[int], None]
) -> list[Unit]:
    """Every unit that answers; `on_unit` is called as soon as it does."""
    answering: list[Unit] = []
    for done, unit in enumerate(units, 1):
        how = await ping(prober, unit, TRIES if len(units) <= FEW_UNITS else 1)
        if how is not None:
            results = await identity(prober, unit)
            answering.append(Unit(unit, how, " ".join(results[number] for number in sorted(results)[:3])))
            on_unit(answering[-1])
        progress(done)
    return answering


def verdict(units: Sequence[int], answering: Sequence[Unit], timeout: float) -> str:
    if not answering:
        return (
            f"none of {len(units)} unit ids answered within {timeout:g} s: the id, the framing "
            "(tcp or rtu+tcp), baud rate or parity may be others, or --timeout too short"
        )
    text = f"{len(answering)} of {len(units)} unit ids answered"
    ((_, alike),) = Counter((unit.how, unit.identity) for unit in answering).most_common(1)
    if alike > max(2, len(units) // 2):
        many = "all of them" if alike == len(units) else f"{alike} of them"
        return f"{text}, {many} alike: there may be one device that does not look at the id"
    return text
