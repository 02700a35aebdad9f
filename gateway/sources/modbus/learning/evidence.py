"""What earlier poll cycles showed of each block of a poll group. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from qilu.runtime.transitions import Transitions

TIMEOUT_CYCLES = 2
"""Consecutive cycles with a timeout of a block, while others are answered, before the cycle in which the
timeout counts as a refusal. One cycle fewer for a block that was never answered."""
MAX_LOSSES = 7
"""Lost frames of a group that each raise this number by one."""


class BlockState(StrEnum):
    UNKNOWN = "unknown"
    SUPPORTED = "supported"
    """The device replied to the request with values."""
    TIMED_OUT = "timed_out"
    REFUSED = "refused"
    CLOSING = "closing"


class BlockEvent(StrEnum):
    REPLY = "reply"
    TIMEOUT = "timeout"
    TIMEOUT_LIMIT = "timeout_limit"
    """The timeout is one too many: it counts as a refusal."""
    EXCEPTION = "exception"
    DISCONNECT = "disconnect"
    """The request ended a connection that had brought no reply."""


_NO_REPLY = {
    BlockEvent.TIMEOUT: BlockState.TIMED_OUT,
    BlockEvent.TIMEOUT_LIMIT: BlockState.REFUSED,
    BlockEvent.EXCEPTION: BlockState.REFUSED,
    BlockEvent.DISCONNECT: BlockState.CLOSING,
}
_ANY = {BlockEvent.REPLY: BlockState.SUPPORTED, **_NO_REPLY}
BLOCK = Transitions(
    "block",
    BlockState.UNKNOWN,
    {
        BlockState.UNKNOWN: {**_ANY, BlockEvent.TIMEOUT: BlockState.UNKNOWN},
        BlockState.SUPPORTED: _NO_REPLY,
        BlockState.TIMED_OUT: _ANY,
        BlockState.REFUSED: _ANY,
        BlockState.CLOSING: {**_ANY, BlockEvent.TIMEOUT: BlockState.CLOSING},
    },
)


class Evidence:
    """The states of the blocks of one read plan, by request. Parts of blocks have none."""

    __slots__ = ("_cycles", "_states", "_timed_out", "closing", "last_closed_at", "losses", "settled")

    def __init__(self, requests: Iterable[bytes]) -> None:
        self.closing: list[bytes] = []
        """Requests of blocks in the state CLOSING; the one that ended a connection last is the last."""
        self.last_closed_at = 0.0
        """When one of them did, in seconds of the loop's clock."""
        self.settled = False
        """Whether each block is SUPPORTED, and no timeout is counted: a reply says nothing new."""
        self.losses = 0
        """Timeouts that were answered in a later cycle."""
        self._states: dict[bytes, BlockState] = {}
        self._cycles: dict[bytes, int] = {}  # request -> consecutive cycles with a timeout
        self._timed_out: list[bytes] = []  # in the present cycle
        self.plan_changed(requests)

    def plan_changed(self, requests: Iterable[bytes]) -> None:
        """Other blocks from now on. A block that was supported is still one."""
        before = self._states
        self._states = dict.fromkeys(requests, BlockState.UNKNOWN)
        for request in self._states.keys() & before.keys():
            if before[request] is BlockState.SUPPORTED:
                self._states[request] = BlockState.SUPPORTED
        self.closing.clear()
        self._cycles.clear()
        self._timed_out.clear()
        self.settled = False

    def replied(self, request: bytes) -> None:
        """The device gave the values."""
        state = self._states.get(request)
        if state is BlockState.SUPPORTED or state is None:
            return
        self._move(request, BlockEvent.REPLY)
        if self._cycles.pop(request, 0):
            self.losses = min(self.losses + 1, MAX_LOSSES)
        if request in self.closing:
            self.closing.remove(request)

    def is_unsupported(self, request: bytes) -> bool:
        """Whether one more timeout of this block counts as a refusal."""
        limit = TIMEOUT_CYCLES + self.losses - (self._states.get(request) is BlockState.UNKNOWN)
        return self._cycles.get(request, 0) >= limit

    def timed_out(self, request: bytes) -> None:
        """The block was given up for this cycle."""
        self._move(request, BlockEvent.TIMEOUT)
        self._timed_out.append(request)

    def refused(self, request: bytes, *, by_timeout: bool) -> None:
        """The device refused the block, or ignored it too often."""
        self._move(request, BlockEvent.TIMEOUT_LIMIT if by_timeout else BlockEvent.EXCEPTION)

    def disconnected(self, request: bytes, at: float) -> None:
        """The request ended a connection that had brought no reply."""
        self._move(request, BlockEvent.DISCONNECT)
        self.last_closed_at = at
        if request in self.closing:
            self.closing.remove(request)
        if request in self._states:
            self.closing.append(request)

    @property
    def first_timeout(self) -> bool:
        """Whether no block was given up in this cycle yet."""
        return not self._timed_out

    def cycle_ended(self, *, replied: bool) -> None:
        """`replied`: whether the device replied in this cycle; else its timeouts say nothing about blocks."""
        if replied and (self._timed_out or self._cycles):
            self._cycles = {request: self._cycles.get(request, 0) + 1 for request in self._timed_out}
        self._timed_out.clear()
        self.settled = not self._cycles and set(self._states.values()) == {BlockState.SUPPORTED}

    def order(self, requests: Sequence[bytes]) -> list[int]:
        """Places of these requests, those that end connections last."""
        places = {request: place for place, request in enumerate(self.closing)}
        return sorted(range(len(requests)), key=lambda at: places.get(requests[at], -1))

    def _move(self, request: bytes, event: BlockEvent) -> None:
        if (state := self._states.get(request)) is not None:
            self._states[request] = BLOCK.after(state, event)
            self.settled = False
