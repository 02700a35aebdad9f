"""The set of dashboards that is the same for every plant."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from cloud.grafana.board import Board, Selection
from cloud.grafana.fleet import NAME as FLEET
from cloud.grafana.fleet import fleet
from cloud.grafana.health import NAME as HEALTH
from cloud.grafana.health import health

SET: Mapping[str, Callable[[Selection], Board]] = {FLEET: fleet, HEALTH: health}
"""Name -> what makes it."""


def shipped(chosen: Selection) -> Iterator[tuple[str, str]]:
    """Name and text of each file; the same choice gives the same text."""
    for name, make in SET.items():
        yield name, json.dumps(make(chosen).json(), ensure_ascii=False, indent=2) + "\n"
