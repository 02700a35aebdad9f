"""Audits a store again and again, and writes each result into it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import KW_ONLY, dataclass

from cloud.audit.audit import Audit, audit
from cloud.audit.report import audit_polls, comparison_polls
from qilu.contract.accounting import EDGE_INFO
from qilu.contract.edge_info import POINTS
from qilu.contract.errors import UnreachableError
from qilu.contract.reading import DeviceKey
from qilu.stores.interfaces import Reader, Store

_log = logging.getLogger(__name__)
RETRY_S = 60.0
"""Seconds after which an audit is tried again that the store did not answer."""


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """How often, over which time before it, and of which edges; none: of all."""

    every_s: float
    last_s: float
    edges: Collection[str] = ()


@dataclass(eq=False)
class PeriodicAudit:
    """Asks `reader` and writes into `store`, both open."""

    reader: Reader
    store: Store
    plan: AuditPlan
    _: KW_ONLY
    wall: Callable[[], float] = time.time

    async def run(self) -> None:
        """Audit at once and then every `every_s` seconds, until cancelled."""
        while True:
            pause_s = self.plan.every_s
            try:
                _log.info(_summary(await self.once()))
            except UnreachableError as error:
                pause_s = min(RETRY_S, pause_s)
                _log.warning("no audit, the next attempt is in %.0f s: %s", pause_s, error)
            await asyncio.sleep(pause_s)

    async def once(self) -> Audit:
        """One audit, whose result is in the store when it returns. UnreachableError."""
        end_ms = int(self.wall() * 1000)
        start_ms = end_ms - round(self.plan.last_s * 1000)
        result = await audit(self.reader, start_ms, end_ms, edges=self.plan.edges)
        polls = [
            *audit_polls(result, self.plan.last_s, end_ms),
            *comparison_polls(await self._texts(result), end_ms),
        ]
        if polls:
            await self.store.write(polls)
        return result

    async def _texts(self, result: Audit) -> Mapping[str, Mapping[str, str]]:
        """Edge -> what it reported of itself in texts; empty where the store has no texts."""
        if not self.reader.has_texts:
            return {}
        texts = {}
        for edge in sorted({finding.edge for finding in result.findings}):
            latest = await self.reader.latest(DeviceKey(edge, edge), profile=EDGE_INFO)
            texts[edge] = {
                point: sample.value
                for point, sample in latest.items()
                if point in POINTS and isinstance(sample.value, str)
            }
        return texts


def _summary(result: Audit) -> str:
    edges = {finding.edge for finding in result.findings}
    unexplained = sum(finding.unexplained for finding in result.findings)
    return (
        f"audited {len(result.findings)} devices of {len(edges)} edges: {unexplained} values are missing"
        " without a cause"
    )
