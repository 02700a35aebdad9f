"""State that a processor keeps for each point of each device, however the points are spread over blocks."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from qilu.contract.reading import BlockSchema

StateT = TypeVar("StateT")


class PointStates(Generic[StateT]):
    """One state for each (device, point). A read plan may change; the state of a point stays.

    Bounded by the points of the gateway's devices: blocks are remembered only as long as the source has them.
    """

    def __init__(self, create: Callable[[str, str], StateT]) -> None:
        """`create`: the first state of a point, from the names of device and point."""
        self._create = create
        self._states: dict[tuple[str, str], StateT] = {}
        self._by_block: WeakKeyDictionary[BlockSchema, tuple[StateT, ...]] = WeakKeyDictionary()

    def of(self, columns: BlockSchema) -> tuple[StateT, ...]:
        """The states of the points of a block, in their order."""
        states = self._by_block.get(columns)
        if states is None:
            states = tuple(self._state(columns.origin.device, point) for point in columns.points)
            self._by_block[columns] = states
        return states

    def forget(self, devices: Collection[str]) -> None:
        self._states = {place: state for place, state in self._states.items() if place[0] not in devices}
        self._by_block = WeakKeyDictionary(
            (columns, states)
            for columns, states in self._by_block.items()
            if columns.origin.device not in devices
        )

    def _state(self, device: str, point: str) -> StateT:
        if (device, point) not in self._states:
            self._states[device, point] = self._create(device, point)
        return self._states[device, point]
