"""The set of dashboards about many edges and devices, the same for every plant."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from cloud.grafana import completeness, energy, fleet, health, line, programme
from cloud.grafana.board import Board, Selection

SET: Mapping[str, Callable[[Selection], Board]] = {
    fleet.NAME: fleet.fleet,
    health.NAME: health.health,
    line.NAME: line.line,
    completeness.NAME: completeness.completeness,
    energy.NAME: energy.energy,
    programme.NAME: programme.programme,
}
"""Name -> what makes it."""


def shipped(chosen: Selection) -> Iterator[tuple[str, str]]:
    """Name and text of each file; the same choice gives the same text."""
    for name, make in SET.items():
        yield name, json.dumps(make(chosen).json(), ensure_ascii=False, indent=2) + "\n"
