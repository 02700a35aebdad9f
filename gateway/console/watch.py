"""Sees every poll that passes and keeps references to the last ones; what they mean is worked out on demand.

Collecting must not become slower or fail by being watched, so nothing here decodes, formats or waits.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from qilu.contract.reading import BlockSchema, Poll, Reason, Value

MAX_VALUES = 400_000
"""Values of all polls that are kept, about 20 MB."""
POLL_VALUES = 12
"""What a poll takes besides its values, in values."""
MAX_AGE_MS = 600_000
SPARK_VALUES = 60
_RATE_POLLS = 8


class GroupWatch:
    __slots__ = (
        "_dues",
        "_place",
        "_schema",
        "errors",
        "good_ms",
        "key_point",
        "poll",
        "polls",
        "skipped",
        "spark",
    )

    def __init__(self, key_point: str | None) -> None:
        self.poll: Poll | None = None
        self.polls = 0
        self.skipped = 0
        self.errors: Counter[Reason] = Counter()
        self.good_ms = 0
        """When the last reading with a usable value was made, in ms (UTC)."""
        self.key_point = key_point
        """The point whose last values are kept for a sparkline."""
        self.spark: deque[Value] = deque(maxlen=SPARK_VALUES)
        self._dues: deque[int] = deque(maxlen=_RATE_POLLS)
        self._schema: BlockSchema | None = None
        self._place = 0

    def add(self, poll: Poll) -> None:
        self.poll = poll
        self.polls += 1
        self.skipped += poll.skipped
        self._dues.append(poll.due_ms)
        for reading in poll.readings:
            if reading.reasons:
                self.errors.update(reading.reasons.values())
            if len(reading.reasons) < len(reading.values):
                self.good_ms = reading.time_ms
        if self.key_point is not None:
            self.spark.append(self._key_value(poll, self.key_point))

    def _key_value(self, poll: Poll, point: str) -> Value:
        for reading in poll.readings:
            if reading.columns is self._schema:
                return reading.values[self._place]
        for reading in poll.readings:  # the read plan has changed
            if point in reading.columns.points:
                self._schema, self._place = reading.columns, reading.columns.points.index(point)
                return reading.values[self._place]
        return None

    @property
    def polls_per_min(self) -> float:
        """The rate of the last polls; 0 before the second."""
        dues = self._dues
        span_ms = dues[-1] - dues[0] if len(dues) > 1 else 0
        return (len(dues) - 1) * 60_000 / span_ms if span_ms > 0 else 0.0


class Watch:
    """A processor that changes nothing. `key_points`: (device, group) -> the point of its sparkline.

    It keeps the polls of the last ten minutes, at most MAX_VALUES values of them.
    """

    def __init__(self, key_points: Mapping[tuple[str, str], str], max_values: int = MAX_VALUES) -> None:
        self.devices: dict[str, dict[str, GroupWatch]] = {}
        """Device -> poll group -> what was seen of it."""
        self.changed: set[str] = set()
        """Devices that were polled since somebody emptied this."""
        self.out_of_limits: dict[str, tuple[str, ...]] = {}
        self.key_points = key_points
        self._max_values = max_values
        self._recent: deque[Poll] = deque()
        self._values = 0

    def process(self, poll: Poll) -> Sequence[Poll]:
        columns = poll.readings[0].columns
        device = columns.origin.device
        groups = self.devices.setdefault(device, {})
        group = groups.get(columns.group)
        if group is None:
            group = groups[columns.group] = GroupWatch(self.key_points.get((device, columns.group)))
        group.add(poll)
        self.changed.add(device)
        if Reason.OUT_OF_LIMITS in group.errors:
            self._note_limits(device, groups.values())
        self._keep(poll)
        return (poll,)

    def forget(self, devices: Collection[str]) -> None:
        """These devices are gone, or begin anew; their last polls stay for a chart."""
        for device in devices:
            self.devices.pop(device, None)
            self.out_of_limits.pop(device, None)
            self.changed.discard(device)

    def recent(self, device: str) -> Iterator[Poll]:
        """The polls of a device that are kept, the oldest first."""
        return (poll for poll in self._recent if poll.origin.device == device)

    def _keep(self, poll: Poll) -> None:
        recent = self._recent
        recent.append(poll)
        self._values += poll.size + POLL_VALUES
        while self._values > self._max_values or recent[0].due_ms < poll.due_ms - MAX_AGE_MS:
            self._values -= recent.popleft().size + POLL_VALUES
            if not recent:
                break

    def _note_limits(self, device: str, groups: Iterable[GroupWatch]) -> None:
        """Which points of a device are out of limits now; only of devices that had such once."""
        points = tuple(
            reading.columns.points[place]
            for group in groups
            if group.poll is not None
            for reading in group.poll.readings
            for place, reason in reading.reasons.items()
            if reason is Reason.OUT_OF_LIMITS
        )
        if points:
            self.out_of_limits[device] = points
        else:
            self.out_of_limits.pop(device, None)
