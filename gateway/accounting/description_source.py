"""Reports what each point is: at a start, and when settings or profiles are exchanged."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from gateway.accounting.daily_source import DailySource, Row
from qilu.contract.point_info import GROUP
from qilu.contract.reading import EpochTag


class DescriptionSource(DailySource):
    """The descriptions of points in `rows`; `stamp` and `tag` as for every `DailySource`."""

    def __init__(
        self,
        rows: Iterable[Row],
        stamp: Callable[[Hashable], int],
        tag: Callable[[], EpochTag | None] = lambda: None,
    ) -> None:
        super().__init__("descriptions", GROUP, rows, stamp, tag)
