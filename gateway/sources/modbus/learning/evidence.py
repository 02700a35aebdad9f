"""What earlier poll cycles showed of each block of a poll group. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from qilu.runtime.transitions import Transitions

TIMEOUT_CYCLES = 2
"""Consecutive cycles without a reply to a block, while others are answered, before it counts as refused.
One cycle fewer for a block that was never answered."""
MAX_LOSSES = 7
"""Lost frames of a group that each raise this number by one."""


class BlockState(StrEnum):
    UNKNOWN = "unknown"
    SUPPORTED = "supported"
    """The device replied to the last request with values."""
    DOUBTFUL = "doubtful"
    """The last request timed out, or ended a new connection."""
    REFUSED = "refused"
    """Its parts are read; what they show changes the plan."""


class BlockEvent(StrEnum):
    REPLY = "reply"
    TIMEOUT = "timeout"
    REFUSAL = "refusal"
    """An exception, or one timeout too many."""


_NO_VALUES = {BlockEvent.TIMEOUT: BlockState.DOUBTFUL, BlockEvent.REFUSAL: BlockState.REFUSED}
_ANY = {BlockEvent.REPLY: BlockState.SUPPORTED, **_NO_VALUES}
BLOCK = Transitions(
    "block",
    BlockState.UNKNOWN,
    {
        BlockState.UNKNOWN: {**_ANY, BlockEvent.TIMEOUT: BlockState.UNKNOWN},
        BlockState.SUPPORTED: _NO_VALUES,
        BlockState.DOUBTFUL: _ANY,
        BlockState.REFUSED: _ANY,
    },
)


class Evidence:
    """The states of the blocks of one read plan, by request. Parts of blocks have none."""

    __slots__ = ("_cycles", "_states", "_timed_out", "losses", "settled")

    def __init__(self, requests: Iterable[bytes]) -> None:
        self.settled = False
        """Whether each block is SUPPORTED: a reply changes no state."""
        self.losses = 0
        """Timeouts that were answered in a later cycle."""
        self._states: dict[bytes, BlockState] = {}
        self._cycles: dict[bytes, int] = {}  # request -> consecutive cycles without a reply
        self._timed_out: list[bytes] = []  # in the present cycle
        self.plan_changed(requests)

    def plan_changed(self, requests: Iterable[bytes]) -> None:
        """Other blocks from now on. One that was supported is still one."""
        supported = {request for request, state in self._states.items() if state is BlockState.SUPPORTED}
        self._states = {
            request: BlockState.SUPPORTED if request in supported else BLOCK.start for request in requests
        }
        self._cycles.clear()
        self._timed_out.clear()
        self.settled = False

    def replied(self, request: bytes) -> None:
        """The device gave the values."""
        if self._states.get(request) is not BlockState.SUPPORTED:
            self._move(request, BlockEvent.REPLY)
            if self._cycles.pop(request, 0):
                self.losses = min(self.losses + 1, MAX_LOSSES)

    def is_unsupported(self, request: bytes) -> bool:
        """Whether one more timeout of this block counts as a refusal."""
        unknown = self._states.get(request) is BlockState.UNKNOWN
        return self._cycles.get(request, 0) >= TIMEOUT_CYCLES + self.losses - unknown

    def doubt(self, request: bytes) -> int:
        """Consecutive cycles in which the block got no reply."""
        return self._cycles.get(request, 0)

    def timed_out(self, request: bytes) -> None:
        """The block was given up for this cycle."""
        self._move(request, BlockEvent.TIMEOUT)
        self._timed_out.append(request)

    def refused(self, request: bytes) -> None:
        """The device refused the block, or ignored it too often."""
        self._move(request, BlockEvent.REFUSAL)

    @property
    def first_timeout(self) -> bool:
        """Whether no block was given up in this cycle yet."""
        return not self._timed_out

    def cycle_ended(self, *, alive: bool) -> None:
        """`alive`: whether the device replied to others; else its timeouts say nothing about blocks."""
        if alive:
            self._cycles = {request: self._cycles.get(request, 0) + 1 for request in self._timed_out}
        self._timed_out.clear()
        self.settled = set(self._states.values()) == {BlockState.SUPPORTED}

    def _move(self, request: bytes, event: BlockEvent) -> None:
        if (state := self._states.get(request)) is not None:
            self._states[request] = BLOCK.after(state, event)
            self.settled = False
