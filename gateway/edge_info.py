"""Reports texts about the edge: its version, a hash of its settings, and the sentence about its state.

At the start, when a cause comes or goes, every ten minutes while there is one, and once a day: each other
text is a new series in a store of Prometheus' data model.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from gateway.accounting.daily_source import EVERY
from gateway.diagnosis.sentence import Sentence, sentence
from gateway.diagnosis.view import GatewayView
from gateway.settings import GatewaySettings
from qilu.contract.accounting import EDGE_INFO
from qilu.contract.edge_info import GROUP, POINTS
from qilu.contract.reading import BlockSchema, EpochTag, Origin, Poll, Reading

_OF_THE_SITE: Mapping[str, AbstractSet[str]] = {
    "": {"edge", "enterprise", "site", "label", "sources", "profiles", "console"},
    "mqtt": {"username", "password_file", "password_env", "proxy", "tls"},
    "spool": {"directory"},
    "history": {"directory"},
}
"""Part of the settings, "" for the whole -> keys in which edges of one fleet differ, and those of secrets."""
_DIGITS = 8
SHORTEST_S = 60.0
"""Seconds between two reports, at least."""
TROUBLED_S = 600.0
"""Seconds after which a sentence about a cause is reported again: it says how long the cause lasts."""


def settings_hash(settings: GatewaySettings) -> str:
    """The same for edges whose settings differ in names and devices only."""
    document = settings.model_dump(mode="json", exclude=set(_OF_THE_SITE[""]))
    for part, names in _OF_THE_SITE.items():
        for name in names:
            (document.get(part) or {}).pop(name, None)
    text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


class EdgeInfoSource:
    """Looks at the `view` every `period` seconds. `stamp`, `tag`: as for every source of the gateway."""

    name = "edge info"

    def __init__(
        self,
        edge: Origin,
        version: str,
        settings: str,
        view: Callable[[], GatewayView],
        period: float,
        stamp: Callable[[Hashable], int],
        tag: Callable[[], EpochTag | None] = lambda: None,
    ) -> None:
        own = Origin(edge.edge, edge.device, EDGE_INFO, edge.enterprise, edge.site)
        self._columns = BlockSchema(own, GROUP, POINTS)
        self._fixed = version, settings
        self._view = view
        self._period = period
        self._stamp = stamp
        self._tag = tag
        self._reported: tuple[object, ...] = ()
        self._reported_at = float("-inf")

    def take(self, settings: str) -> None:
        """The hash of other settings, which are reported at the next look."""
        version, before = self._fixed
        if settings != before:
            self._fixed = version, settings
            self._reported, self._reported_at = (), float("-inf")

    async def polls(self) -> AsyncGenerator[Poll]:
        loop = asyncio.get_running_loop()
        self._reported, self._reported_at = (), float("-inf")
        while True:
            await asyncio.sleep(self._period)
            now = loop.time()
            state = sentence(replace(self._view(), last_durable_ms=0))  # whose age is another each second
            age, causes = now - self._reported_at, _causes(state)
            longest = TROUBLED_S if state.problems else EVERY
            if age >= longest or (causes != self._reported and age >= min(SHORTEST_S, 6 * self._period)):
                self._reported, self._reported_at = causes, now
                time_ms = self._stamp(self._columns)
                values = (*self._fixed, state.worst.en, state.worst.zh)
                yield Poll(time_ms, (Reading(self._columns, time_ms, values),), epoch=self._tag())


def _causes(state: Sentence) -> tuple[object, ...]:
    """What the sentence is about, without the numbers that change while a cause lasts."""
    return tuple((cause.code, cause.subject) for cause in (state.worst, *state.more))
