"""Reports what each point is: settings and profiles are read at a start only, so every change is reported."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from gateway.accounting.daily_source import DailySource
from qilu.contract.point_info import GROUP
from qilu.contract.reading import BlockSchema, EpochTag


class DescriptionSource(DailySource):
    """The descriptions of points in `rows`; `stamp` and `tag` as for every `DailySource`."""

    def __init__(
        self,
        rows: Iterable[tuple[BlockSchema, tuple[str, ...]]],
        stamp: Callable[[Hashable], int],
        tag: Callable[[], EpochTag | None] = lambda: None,
    ) -> None:
        super().__init__("descriptions", GROUP, rows, stamp, tag)
