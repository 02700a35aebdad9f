"""Reports what should be polled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence

from gateway.accounting.daily_source import DailySource, Row
from gateway.interfaces import ExpectedPolls
from qilu.contract.accounting import COLLECTION, SCHEDULE, SCHEDULE_POINTS
from qilu.contract.reading import BlockSchema, EpochTag, Origin


class ScheduleSource(DailySource):
    """One reading for each device of `expected`; `stamp` and `tag` as for every `DailySource`.

    `account_interval_s`: how long an account runs, which is sent with it.
    """

    def __init__(
        self,
        expected: Iterable[ExpectedPolls],
        account_interval_s: float,
        stamp: Callable[[Hashable], int],
        tag: Callable[[], EpochTag | None] = lambda: None,
    ) -> None:
        self._account_interval_s = account_interval_s
        super().__init__("schedule", SCHEDULE, self._rows_of(expected), stamp, tag)

    def exchange(self, devices: Collection[str], expected: Iterable[ExpectedPolls]) -> None:
        """These devices are polled as `expected` has them from now on, and not at all where it has not."""
        self.replace(devices, self._rows_of(expected))

    def _rows_of(self, expected: Iterable[ExpectedPolls]) -> list[Row]:
        groups: dict[Origin, list[ExpectedPolls]] = {}
        for group in expected:
            groups.setdefault(group.origin, []).append(group)
        return [
            (_columns(origin), _values(device_groups, self._account_interval_s))
            for origin, device_groups in groups.items()
        ]


def _columns(origin: Origin) -> BlockSchema:
    own = Origin(origin.edge, origin.device, COLLECTION, origin.enterprise, origin.site, origin.line)
    return BlockSchema(own, SCHEDULE, SCHEDULE_POINTS)


def _values(groups: Sequence[ExpectedPolls], account_interval_s: float) -> tuple[float, ...]:
    rate = sum(group.points / group.period for group in groups)
    points = sum(group.points for group in groups)
    return (rate, points, len(groups), min(group.period for group in groups), account_interval_s)
