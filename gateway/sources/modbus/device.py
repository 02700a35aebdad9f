"""One device and its poll groups: what is read of it, and what is known of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gateway.interfaces import DevicePlan, PlannedRequest, RawReply
from gateway.sources.modbus.hints import SettingHints
from gateway.sources.modbus.identity import DeviceIdentity
from gateway.sources.modbus.learning.accepted_replies import AcceptedReplies
from gateway.sources.modbus.learning.bisection import Bisection
from gateway.sources.modbus.learning.device_limits import DeviceLimits
from gateway.sources.modbus.learning.evidence import Evidence
from gateway.sources.modbus.learning.store import LearnedLimitsStore
from gateway.sources.modbus.learning.verification import Verifier
from gateway.sources.modbus.planning.blocks import Span
from gateway.sources.modbus.planning.plan import NOTHING_LEARNED, Block, LearnedLimits, ReadPlan, plan, plans
from gateway.sources.modbus.presence import Presence
from gateway.sources.modbus.settings import DeviceSettings, Framing
from gateway.sources.modbus.unit_availability import UnitAvailability
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import BlockSchema, Origin, Reason
from qilu.contract.scale_factors import exponents_of
from qilu.modbus_client.connector import EndpointConnector

_log = logging.getLogger(__name__)

CLOSING_PAUSE_S = 10.0
"""Seconds before a group is polled again in which a request ended a connection and none was answered."""


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """Everything that is said of a device before it is polled."""

    settings: DeviceSettings
    profile: DeviceProfile
    origin: Origin


class Group:
    """One poll group; its plan changes with the learned limits of the device."""

    __slots__ = (
        "_disagreeing",
        "_replies_seen",
        "accepted",
        "device",
        "evidence",
        "not_before",
        "plan",
        "series",
    )  # fmt: skip

    def __init__(self, device: Device, read: ReadPlan) -> None:
        self.device = device
        self.plan = read
        self.evidence = Evidence(block.request for block in read.blocks)
        self.accepted = AcceptedReplies()
        self.series = f"{read.origin.device}/{read.group}"
        """What shares its times: the points of a group are never read at two times that are out of order."""
        self.not_before = float("-inf")
        """Seconds of the loop's clock: until then the other groups of the device have the connection."""
        self._disagreeing: set[str] = set()
        self._replies_seen = 0

    @property
    def key(self) -> tuple[str, str, float]:
        """Groups with the same one are due at the same times."""
        return self.device.name, self.plan.group, self.plan.period

    @property
    def device_alive(self) -> bool:
        """Whether the device replied in another group since the last cycle of this one."""
        return self.device.cycles_with_reply > self._replies_seen

    def replan(self, read: ReadPlan) -> None:
        """Read by this plan from now on."""
        self.plan = read
        self.evidence.plan_changed(block.request for block in read.blocks)

    def cycle_ended(self, *, replied: bool) -> None:
        """`replied`: whether the device did, in this cycle."""
        self.evidence.cycle_ended(alive=replied or self.device_alive)
        self._replies_seen = self.device.cycles_with_reply
        if replied:
            self.replied()

    def replied(self) -> None:
        """The device replied in a cycle."""
        self.device.cycles_with_reply += 1
        self._replies_seen = self.device.cycles_with_reply
        self.not_before = float("-inf")

    def connection_ended(self, now: float) -> None:
        """A request of this group ended a connection that had brought no reply."""
        if len(self.device.groups) > 1:
            self.not_before = now + CLOSING_PAUSE_S

    def report_disagreement(self, block: Block) -> None:
        """Once for each block: its values are refused, since larger blocks read others."""
        if (name := str(block)) not in self._disagreeing:
            self._disagreeing.add(name)
            text = (
                "%s: %s does not agree with what a larger block read before, so its values are bad; name the"
                " larger block in `limits.read_whole` of the profile, or restart after a change of the device"
            )
            _log.warning(text, self.device.name, name)


class Device:
    """Its poll groups, its learned limits, and whether it is online."""

    __slots__ = (
        "_present_plan",
        "cycles_with_reply",
        "exponents",
        "gap",
        "groups",
        "hints",
        "identity",
        "limits",
        "name",
        "presence",
        "setup",
        "unit",
    )  # fmt: skip

    def __init__(
        self,
        setup: DeviceSetup,
        framing: Framing,
        message_spacing: float,
        store: LearnedLimitsStore | None = None,
    ) -> None:
        """ConfigError where the settings do not fit the profile."""
        profile = setup.profile
        self.setup = setup
        self.name = setup.origin.device
        self.unit = setup.settings.unit_id
        self.gap = max(message_spacing, profile.limits.message_spacing)
        self.limits = DeviceLimits(self.name, profile, store)
        self.presence = Presence(setup.settings.settling_polls)
        self.hints = SettingHints(profile)
        self.cycles_with_reply = 0
        """Of all its groups."""
        self.exponents = exponents_of(profile, profile.parameters_with(setup.settings.parameters))
        """What other points scale by, where the profile has such; None where it has not."""
        self.identity = DeviceIdentity(self.name, profile)
        self._present_plan: DevicePlan | None = None
        self.groups = [Group(self, read) for read in plans(profile, setup.settings, setup.origin, framing)]

    def columns(self) -> Sequence[BlockSchema]:
        """One entry per block, whether it is requested or known to be refused."""
        schemas: list[BlockSchema] = []
        for group in self.groups:
            schemas += [block.columns for block in group.plan.blocks]
            schemas += [not_asked.columns for not_asked in group.plan.not_asked]
        return schemas

    def present_plan(self) -> DevicePlan:
        """What is requested now, and what was refused; the same object while the plans are the same."""
        if self._present_plan is None:
            requests = tuple(request for request, _ in self._requests())
            self._present_plan = DevicePlan(self.name, requests, dict(self.limits.learned.refused_points))
        return self._present_plan

    def last_replies(self) -> Sequence[RawReply]:
        """The last reply to each request of the present plan."""
        return [RawReply(request, block.last_reply) for request, block in self._requests()]

    def _requests(self) -> Iterator[tuple[PlannedRequest, Block]]:
        for group in self.groups:
            for block in group.plan.blocks:
                yield block.planned, block

    def load_limits(self, now: float) -> None:
        """Take the limits that were saved before a restart."""
        if self.limits.load(now):
            self._replan()

    def take_trial(self, group: Group, now: float) -> Block | None:
        """A request that the device refused, to be sent again now."""
        if not self.limits.trial_due(now):
            return None
        planned = {block.request for block in group.plan.blocks}
        refused: dict[bytes, Block] = {}
        for block in self._plan(group, NOTHING_LEARNED).blocks:
            if block.request not in planned:
                refused[block.request] = block
            for place, name in enumerate(block.columns.points):
                if self.limits.learned.refused_points.get(name, Reason.UNREACHABLE) is not Reason.UNREACHABLE:
                    point = block.point(place)
                    refused[point.request] = point
        return self.limits.next_trial(list(refused.values()), now) if refused else None

    def learn(self, search: Bisection, now: float) -> str | None:
        """Learn what a cycle found; a text for people where that is news."""
        text = self.limits.add(search, now)
        if text is not None:
            self._replan()
        return text

    def forget_limits(self) -> None:
        """The device answered what it had refused."""
        self.limits.forget()
        self._replan()

    def identity_blocks(self) -> Sequence[Block]:
        profile, origin = self.setup.profile, self.setup.origin
        spans = [Span(point.table, (point,)) for point in profile.points if point.identity]
        return [Block(span, origin, span.points[0].group, profile.parameters) for span in spans]

    def move_to(self, address: int) -> None:
        """Its identity is at this address: all of its points are as far from there as in the profile."""
        setup = self.setup
        identity = next(point for point in setup.profile.points if point.identity)
        try:
            profile = setup.profile.moved(address - identity.address)
        except ValueError as error:
            text = (
                "%s: %s is at %d and not at %d, but the profile cannot be moved there (%s): check the profile"
            )
            _log.warning(text, self.name, identity.name, address, identity.address, error)
            return
        text = "%s: %s is at %d and not at %d; all addresses of the profile are moved with it"
        _log.warning(text, self.name, identity.name, address, identity.address)
        self.setup = replace(setup, profile=profile)
        self.limits.profile_moved(profile)
        self._replan()
        for group in self.groups:
            group.accepted = AcceptedReplies()

    def verifier(self, link: EndpointConnector, service: UnitAvailability) -> Verifier:
        return Verifier(self.unit, self.gap, link, service)

    def _replan(self) -> None:
        """Plan every group by the limits that are known."""
        self._present_plan = None
        for group in self.groups:
            group.replan(self._plan(group, self.limits.learned))

    def _plan(self, group: Group, learned: LearnedLimits) -> ReadPlan:
        setup, old = self.setup, group.plan
        return plan(
            setup.profile,
            old.group,
            setup.origin,
            period=old.period,
            parameters=setup.profile.parameters_with(setup.settings.parameters),
            framing=old.framing,
            learned=learned,
        )
