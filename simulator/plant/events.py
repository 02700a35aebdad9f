"""What truly happened in a plant, tick by tick, for listeners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from simulator.physics.machine import Values
from simulator.physics.noise import Array

REPORTED_POINTS = ("state", "alarm")


class Event(NamedTuple):
    """A change of `state` or `alarm` from one code to another (to the same: how it was at first), good parts
    `made` (0 to their number), or a `fault NAME [POINT]` that begins (0 to 1) or ends (1 to 0).
    """

    tick: int
    device: str
    event: str
    before: int
    after: int


class WireAction(NamedTuple):
    """What a wire did to a request instead of sending its answer: `sent` are the bytes that went out, if
    any. place: the port, or the path of the serial line; unit: whom the request was for.
    """

    place: str
    unit: int
    fault: str
    sent: bytes


class EventPublisher:
    """Makes events of the values of machines. Costs nothing without a listener."""

    def __init__(self, names: Sequence[str]) -> None:
        """names: of all devices, in the plant's order."""
        self.on_event: Callable[[Event], None] | None = None
        self.on_wire_action: Callable[[WireAction], None] | None = (
            None  # to be called by wires that are not plain
        )
        self._names = names
        self._recorder: Callable[[Event], None] | None = None
        self._followers: list[Callable[[Event], None]] = []
        self._seen: dict[tuple[int, str], Array] = {}

    def listen(self, on_event: Callable[[Event], None] | None) -> None:
        """From now on `on_event` is called with every event, and first with the state of each machine; None:
        no listener."""
        self._recorder = on_event
        self._seen.clear()
        self._choose()

    def follow(self, follower: Callable[[Event], None]) -> Callable[[], None]:
        """Call `follower` with what happens from now on, beside the listener; returns how to end that."""
        self._followers.append(follower)
        self._choose()

        def end() -> None:
            self._followers.remove(follower)
            self._choose()

        return end

    def _choose(self) -> None:
        listeners = [*([self._recorder] if self._recorder is not None else ()), *self._followers]

        def publish(event: Event) -> None:
            for listener in listeners:
                listener(event)

        self.on_event = None if not listeners else listeners[0] if len(listeners) == 1 else publish

    def states(self, tick: int, places: np.ndarray, values: Values) -> None:
        """Changes of state and alarm of one model's machines; the first time what they are, as a change from
        the same code.
        """
        if self.on_event is None:
            return
        for point in REPORTED_POINTS:
            if point in values:
                codes = np.array(values[point], dtype=np.float64)
                before = self._seen.get((int(places[0]), point))
                if before is not None and before.tobytes() == codes.tobytes():
                    continue
                changed = range(len(codes)) if before is None else np.flatnonzero(codes != before)
                before = codes if before is None else before
                for index in changed:
                    device = self._names[places[index]]
                    self.on_event(Event(tick, device, point, int(before[index]), int(codes[index])))
                self._seen[int(places[0]), point] = codes

    def parts(self, tick: int, places: np.ndarray, parts: Array) -> None:
        """Good parts that one model's machines made in this tick."""
        if self.on_event is not None:
            for index in np.flatnonzero(parts > 0):
                self.parts_of(tick, places[index], int(parts[index]))

    def parts_of(self, tick: int, place: int, count: int) -> None:
        """So many good parts that the machine at a place made in this tick."""
        if self.on_event is not None and count > 0:
            self.on_event(Event(tick, self._names[place], "made", 0, count))

    def fault(self, tick: int, device: str, fault: str, *, started: bool) -> None:
        """A fault that began or ended."""
        if self.on_event is not None:
            self.on_event(Event(tick, device, f"fault {fault}", int(not started), int(started)))
