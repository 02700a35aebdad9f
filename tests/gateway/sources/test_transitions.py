"""States of links, units, devices and blocks change as listed, and the page draws the tables."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.sources.modbus import poll_cycle
from gateway.sources.modbus.circuit_breaker import UNIT
from gateway.sources.modbus.learning.evidence import BLOCK
from gateway.sources.modbus.presence import PRESENCE
from qilu.contract.profile import DeviceProfile
from qilu.modbus_client.late_reply_guard import LATE_REPLIES
from qilu.modbus_client.link_state import LINK
from qilu.runtime.transitions import Transitions, UnlistedTransitionError
from tests.faults.catalogue import CASES
from tests.faults.stage import Stage, play
from tests.gateway.sources.peer import Asked, Line, Peer, World, losing, normal, profile
from tests.gateway.sources.test_hostile_lines import Hostile, hostile
from tests.support.virtual_time import run

TABLES: tuple[Transitions[Any, Any], ...] = (LINK, LATE_REPLIES, UNIT, PRESENCE, BLOCK)
PAGE = Path(__file__).parents[3] / "docs" / "collecting.md"
DRAWN = re.compile(r"\*\*(\w[\w ]*)\*\*\n\n```mermaid\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])
def test_the_page_draws_the_table(table: Transitions[Any, Any]) -> None:
    drawings = dict(DRAWN.findall(PAGE.read_text(encoding="utf-8")))
    assert drawings[table.name.capitalize()] == table.drawing() + "\n"


def test_the_page_draws_a_request_as_the_poll_cycle_does() -> None:
    drawing = re.search(r"^    request(.*\n)+?\n", str(poll_cycle.__doc__), re.MULTILINE)
    assert drawing is not None
    assert drawing[0] in PAGE.read_text(encoding="utf-8")


def test_an_event_that_is_not_listed_is_a_bug() -> None:
    with pytest.raises(UnlistedTransitionError, match="link: no transition from waiting at ended"):
        LINK.after("waiting", "ended")  # type: ignore[arg-type]


def reset_and_ignore(line: Line, asked: Asked) -> None:
    """A device of which one group ends connections, for a quarter of an hour, and that ignores a point."""
    at = asked.time - 1000
    if asked.read.address == 400 and at < 900:
        line.reset()
    elif not asked.read.address <= 3 < asked.read.address + asked.read.quantity or at < 60:
        normal(line, asked)


TWO_GROUPS = DeviceProfile.model_validate(
    {
        "profile": "meter",
        "groups": {"sound": "20s", "closing": "20s"},
        "points": [
            {"name": f"p{at}", "table": "holding", "address": at, "type": "uint16", "group": group}
            for at, group in ((0, "sound"), (3, "sound"), (200, "sound"), (400, "closing"))
        ],
    }
)

RARE = {
    ("block", "refused", "refusal"),
    ("device", "settling", "no_reply"),
    ("late replies", "confirmed", "late_reply"),
    ("link", "connecting", "ended"),
}
"""Two rare events at a time, which these plays do not bring together."""


@pytest.mark.slow
def test_only_listed_transitions_happen_while_everything_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unlisted one raises; and nearly every listed one happens."""
    seen: Counter[tuple[str, str, str]] = Counter()
    after = Transitions.after

    def recorded(table: Transitions[Any, Any], state: Any, event: Any) -> Any:
        seen[table.name, state, event] += 1
        return after(table, state, event)

    monkeypatch.setattr(Transitions, "after", recorded)
    for seed in range(12):
        random = Random(seed)
        points = [200 * block + place for block in range(3) for place in range(4)]
        peer = hostile(Hostile.of(random, (1, 2), points), random, "own")
        world = World("memory", "rtu", serial=True) if seed % 3 == 2 else World("memory")
        run(world.polls(peer, 250, meter=profile(points), units=(1, 2), period=5, retries=seed % 2))
    run(World("memory").polls(Peer(reset_and_ignore), 500, meter=TWO_GROUPS, period=20))
    run(World("memory").polls(Peer(refuses=lambda: True), 10))
    ignores_loopbacks = losing(0.3)
    ignores_loopbacks.echo = lambda line, answer: None
    run(World("memory", "rtu", serial=True).polls(ignores_loopbacks, 100, meter=profile([0, 200])))
    for case in CASES:
        if not (case.sockets_only or case.virtual_only or case.play):
            run(play(case, Stage("memory", "tcp")))
    listed = {
        (table.name, state, event)
        for table in TABLES
        for state, events in table.table.items()
        for event in events
    }
    assert set(seen) <= listed
    assert listed - set(seen) <= RARE, "listed, and never seen"
