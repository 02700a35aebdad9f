"""What a data set is to the loader that fills a store from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from qilu.contract.known_columns import KnownColumns
from qilu.contract.point_info import PointInfo
from qilu.contract.reading import BlockSchema, Origin, Poll, Reason


@dataclass(frozen=True, slots=True)
class Extent:
    """The time that a data set covers: `first_ms` <= time < `end_ms`, UTC."""

    first_ms: int
    end_ms: int

    @property
    def length_ms(self) -> int:
        return self.end_ms - self.first_ms


@dataclass(frozen=True, slots=True)
class Place:
    """What a data set does not say: whose readings these are."""

    edge: str
    enterprise: str = ""
    site: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """The points of one device."""

    origin: Origin
    infos: tuple[tuple[str, PointInfo], ...]


class DataSet(Protocol):
    """Readings on disk. What is wrong in a file is a ConfigError with its line."""

    extent: Extent
    polls_expected: int
    """How many polls there are: for the progress."""

    def descriptions(self) -> Iterator[Description]: ...

    def polls(self) -> Iterator[Poll]:
        """All readings, one poll after the other; rising in time for each device."""


def columns_of(known: KnownColumns, origin: Origin, group: str, points: tuple[str, ...]) -> BlockSchema:
    """The columns of a device. RefusalError: a name that no ingester takes."""
    names = origin.edge, origin.device, origin.profile, origin.enterprise, origin.site, origin.line
    return known.get((*names, group, points))


NO_REPLY = Reason.TIMEOUT
"""Of every value of a row in which nothing stands."""
NO_VALUE = Reason.UNDECODABLE
"""Of a value that is missing beside others."""
