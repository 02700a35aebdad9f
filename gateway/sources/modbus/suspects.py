"""Blocks that a turn met with silence, while it may be about them alone and not about the whole device."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.sources.modbus.device import Group
from gateway.sources.modbus.line.exchange import Exchange
from gateway.sources.modbus.plans.plan import Block
from gateway.sources.modbus.service import SILENCES, Unit

Suspect = tuple[Block, Exchange]


class Suspects:
    """Those of one turn. An answer to what was asked later tells a block from its device. Then it is asked
    again, and a second silence is about the block, unless the device is known to lose frames.
    """

    __slots__ = ("_asked_again", "_blocks", "_gone", "_group", "_trusted", "_unit", "halves")

    def __init__(self, group: Group, unit: Unit, costs_nobody: bool) -> None:
        """`costs_nobody`: whether a device that may have gone can be asked more than once: it is alone on its
        endpoint, or its late replies are told from others. Elsewhere each silence costs two time-outs."""
        self.halves = False
        """Whether halves are asked though nothing was answered yet: one may tell of the other."""
        self._group = group
        self._unit = unit
        self._blocks: list[Suspect] = []
        self._asked_again: set[bytes] = set()
        self._trusted = costs_nobody and (unit.known or not unit.probes)
        self._gone = False

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def add(self, block: Block, exchange: Exchange, answered: bool) -> bool:
        """Whether it is one from now on. `answered`: whether the device gave any values in this turn."""
        if self._gone or self._group.resting or not (answered or self._trusted):
            return False
        if self._group.device.loses_frames(exchange.ended_at) and (
            not answered or block.request in self._asked_again
        ):
            return False
        self._blocks.append((block, exchange))
        return True

    @property
    def go_on(self) -> bool:
        """Whether a unit that is not in service is worth another request: at first contact, since what it was
        asked for first may be what it ignores."""
        return self._trusted and not self._unit.known and self._unit.silent < SILENCES

    def take(self) -> Sequence[Suspect]:
        """All of them, which the caller has to account for now."""
        taken, self._blocks = self._blocks, []
        return taken

    def ask_again(self, block: Block) -> bool:
        """Whether it is to be asked as it is: once in a turn."""
        first = block.request not in self._asked_again
        self._asked_again.add(block.request)
        return first

    def device_has_gone(self) -> None:
        """It was silent about what it had answered: there are no more suspects in this turn."""
        self._gone = True
