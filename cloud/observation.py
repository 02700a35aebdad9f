"""What others may see of a running ingester: one frozen view of its counters, links and store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloud.ingester import Ingester, Tally


@dataclass(frozen=True, slots=True)
class IngesterView:
    ingester: str
    store: str
    links: Mapping[str, int]
    """Address of each broker -> since when there is a link (ms UTC); 0: there is none."""
    store_error: str
    """Why the store takes nothing; empty while it does."""
    problem: str
    """Why the ingester does not work; empty while it does."""
    queued_records: int
    queued_bytes: int
    unconfirmed_records: int
    """Records that are stored and not known to be durable."""
    tally: Tally

    @property
    def ready(self) -> bool:
        """Whether records come in and go into the store."""
        return any(self.links.values()) and not self.store_error and not self.problem


@dataclass(slots=True)
class Observation:
    """Collects what an ingester does not know of itself; `look` takes the view."""

    tally: Tally
    ingester: Ingester | None = None
    """None until the store is open."""
    name: str = ""
    store: str = ""
    links: dict[str, int] = field(default_factory=dict)
    store_error: str = "the store is not open yet"

    def opened(self, ingester: Ingester, name: str, store: str) -> None:
        """The store is open, and the ingester works on it."""
        self.ingester, self.name, self.store, self.store_error = ingester, name, store, ""

    def look(self) -> IngesterView:
        ingester = self.ingester
        return IngesterView(
            self.name,
            self.store,
            dict(self.links),
            self.store_error or (ingester.store_error if ingester else ""),
            (ingester.problem() or "") if ingester else "",
            ingester.queued_records if ingester else 0,
            ingester.queued_bytes if ingester else 0,
            ingester.unconfirmed_records if ingester else 0,
            self.tally,
        )
