"""The read plans of a device as other parts of the gateway see them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from gateway.interfaces import DevicePlan, PlannedRequest, RawReply
from gateway.sources.modbus.planning.plan import Block, LearnedLimits, ReadPlan


class PlanOwner(Protocol):
    plan: ReadPlan


class PlanView:
    """Of one device."""

    __slots__ = ("_device", "_plans", "_view")

    def __init__(self, device: str) -> None:
        self._device = device
        self._plans: list[ReadPlan] = []
        self._view: DevicePlan | None = None

    def of(self, groups: Iterable[PlanOwner], learned: LearnedLimits) -> DevicePlan:
        """What is requested and what was refused; the same object while the plans are the same."""
        plans = [group.plan for group in groups]
        before = self._plans
        if self._view is None or any(old is not new for old, new in zip(before, plans, strict=True)):
            requests = tuple(_request(block, plan.group) for plan in plans for block in plan.blocks)
            self._view = DevicePlan(self._device, requests, dict(learned.refused_points))
            self._plans = plans
        return self._view


def last_replies(groups: Iterable[PlanOwner]) -> Sequence[RawReply]:
    """The last reply to each request."""
    return [
        RawReply(_request(block, group.plan.group), block.last_reply)
        for group in groups
        for block in group.plan.blocks
    ]


def _request(block: Block, group: str) -> PlannedRequest:
    span = block.span
    addresses = tuple(point.address for point in span.points)
    return PlannedRequest(group, span.table.value, span.first, span.count, block.columns.points, addresses)
