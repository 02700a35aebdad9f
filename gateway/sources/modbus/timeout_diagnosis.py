"""Blocks that a turn met with silence, while it may be about them alone and not about the whole device."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.sources.modbus.device import Group
from gateway.sources.modbus.planning.plan import Block
from gateway.sources.modbus.unit_availability import TIMEOUTS_UNTIL_OUT, Unit
from qilu.modbus_client.transaction import Transaction

Suspect = tuple[Block, Transaction]


class UndiagnosedTimeouts:
    """Those of one turn. What a device gives of a block when it is asked for one point tells one from the
    other; then the rest is asked, and its silence is about the block, unless the device loses frames.
    """

    __slots__ = ("_blocks", "_device_lost", "_group", "_trusted", "_unit", "_whole")

    def __init__(self, group: Group, unit: Unit, costs_nobody: bool) -> None:
        """`costs_nobody`: whether a device that may have gone can be asked more than once: it is alone on its
        endpoint, or its late replies are told from others. Elsewhere each silence costs two time-outs."""
        self._group = group
        self._unit = unit
        self._blocks: list[Suspect] = []
        self._whole: dict[bytes, Block] = {}  # request for a rest -> the suspect that it is of
        self._trusted = costs_nobody and (unit.in_service or not unit.probes)
        self._device_lost = False

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def add(self, block: Block, exchange: Transaction, replied: bool) -> bool:
        """Whether it is one from now on. `replied`: whether the device replied in this turn."""
        if self._device_lost or self._group.diagnosis_cooldown or block.request in self._whole:
            return False
        device = self._group.device
        if device.loses_frames(exchange.ended_at) and not (replied and device.should_retry_losses()):
            return False
        if not replied and not self._trusted:
            return False
        self._blocks.append((block, exchange))
        return True

    def take(self) -> Sequence[Suspect]:
        """All of them, which the caller has to account for now."""
        blocks, self._blocks = self._blocks, []
        return blocks

    def register_split(self, block: Block, rest: Sequence[Block]) -> None:
        """The suspect `block` is asked as `rest` now, which are none themselves."""
        self._whole.update((part.request, block) for part in rest)

    def origin_of(self, part: Block) -> Block:
        """The suspect that a rest is of; else the block itself."""
        return self._whole.get(part.request, part)

    @property
    def may_continue(self) -> bool:
        """Whether a unit that is not in service is worth another request: at first contact, since what it was
        asked for first may be what it ignores."""
        return self._trusted and not self._unit.in_service and self._unit.timeouts < TIMEOUTS_UNTIL_OUT

    def mark_device_lost(self) -> None:
        """There are no more suspects in this turn."""
        self._device_lost = True
