"""One device and its poll groups: what is read of it, and what is known of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.interfaces import DevicePlan, RawReply
from gateway.sources.modbus.hints import SettingHints
from gateway.sources.modbus.identity import DeviceIdentity
from gateway.sources.modbus.learning.accepted_replies import AcceptedReplies
from gateway.sources.modbus.learning.bisection import Bisection
from gateway.sources.modbus.learning.device_limits import DeviceLimits
from gateway.sources.modbus.learning.evidence import Evidence
from gateway.sources.modbus.learning.store import LearnedLimitsStore
from gateway.sources.modbus.learning.verification import Verifier
from gateway.sources.modbus.plan_view import PlanView, last_replies
from gateway.sources.modbus.planning.blocks import Span
from gateway.sources.modbus.planning.plan import NOTHING_LEARNED, Block, LearnedLimits, ReadPlan, plan, plans
from gateway.sources.modbus.presence import Presence
from gateway.sources.modbus.settings import DeviceSettings, Framing
from gateway.sources.modbus.unit_availability import UnitAvailability
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import BlockSchema, Origin, Reading
from qilu.contract.scale_factors import exponents_of
from qilu.modbus_client.connector import EndpointConnector
from qilu.runtime.transitions import Transitions

_log = logging.getLogger(__name__)

WAKE_UPS = 3
"""Consecutive polls of which only a repeated request was answered until the device is known to sleep."""
CLOSING_PAUSE_S = 10.0
"""Seconds before a group that only ends connections is requested again."""


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """Everything that is said of a device before it is polled."""

    settings: DeviceSettings
    profile: DeviceProfile
    origin: Origin


class GroupState(StrEnum):
    NORMAL = "normal"
    TRIAL = "trial"
    """One refused point is requested again."""
    RETEST = "retest"
    """All that was refused is requested again."""
    PAUSED = "paused"
    """All blocks end connections; the group waits."""


class GroupEvent(StrEnum):
    TRIAL_DUE = "trial_due"
    RETEST_DUE = "retest_due"
    CYCLE_ENDED = "cycle_ended"
    """A cycle whose device replied, and which found all that is refused."""
    ALL_BLOCKS_CLOSE = "all_blocks_close"
    PAUSE_OVER = "pause_over"


_POLLED = {
    GroupEvent.RETEST_DUE: GroupState.RETEST,
    GroupEvent.ALL_BLOCKS_CLOSE: GroupState.PAUSED,
}
GROUP = Transitions(
    "poll group",
    GroupState.NORMAL,
    {
        GroupState.NORMAL: {**_POLLED, GroupEvent.TRIAL_DUE: GroupState.TRIAL},
        GroupState.TRIAL: {**_POLLED, GroupEvent.CYCLE_ENDED: GroupState.NORMAL},
        GroupState.RETEST: {**_POLLED, GroupEvent.CYCLE_ENDED: GroupState.NORMAL},
        GroupState.PAUSED: {
            GroupEvent.RETEST_DUE: GroupState.RETEST,
            GroupEvent.PAUSE_OVER: GroupState.NORMAL,
        },
    },
)


class Group:
    """One poll group; its plan changes with the learned limits of the device."""

    __slots__ = (
        "accepted",
        "device",
        "disagreeing",
        "evidence",
        "plan",
        "retested_points",
        "series",
        "state",
    )

    def __init__(self, device: Device, read: ReadPlan) -> None:
        self.device = device
        self.plan = read
        self.state = GROUP.start
        self.evidence = Evidence(block.request for block in read.blocks)
        self.retested_points: frozenset[str] | None = None
        """In the state RETEST: points that were refused by timeouts."""
        self.accepted = AcceptedReplies()
        self.disagreeing: set[str] = set()
        """Blocks whose values were refused since they do not agree with what larger blocks read."""
        self.series = f"{read.origin.device}/{read.group}"
        """What shares its times: the points of a group are never read at two times that are out of order."""

    @property
    def is_settled(self) -> bool:
        """Whether each block replied to its last request, and nothing that was refused is requested again."""
        return self.evidence.settled and self.state is GroupState.NORMAL

    @property
    def key(self) -> tuple[str, str, float]:
        """Groups with the same one are due at the same times."""
        return self.device.name, self.plan.group, self.plan.period

    def replan(self, read: ReadPlan) -> None:
        """Read by this plan from now on."""
        self.plan = read
        self.evidence.plan_changed(block.request for block in read.blocks)

    def is_paused(self, now: float) -> bool:
        """Whether all of its requests end connections, and one did a moment ago."""
        if self.state is GroupState.PAUSED and now - self.evidence.last_closed_at >= CLOSING_PAUSE_S:
            self._on(GroupEvent.PAUSE_OVER)
        return self.state is GroupState.PAUSED

    def retest(self, points: frozenset[str] | None) -> None:
        """Request all again; `points`: what was refused by timeouts, None where exceptions refused it."""
        self._on(GroupEvent.RETEST_DUE)
        self.retested_points = points

    def trial(self) -> None:
        """Request one refused point again."""
        self._on(GroupEvent.TRIAL_DUE)

    def cycle_ended(self, *, complete: bool, may_pause: bool) -> None:
        """`complete`: the device replied, and all that it refuses was found. `may_pause`: other groups of the
        endpoint need the connection."""
        if may_pause and 0 < len(self.plan.blocks) <= len(self.evidence.closing):
            self._on(GroupEvent.ALL_BLOCKS_CLOSE)
        elif complete and self.state is not GroupState.NORMAL:
            self._on(GroupEvent.CYCLE_ENDED)
        if complete:
            self.retested_points = None

    def report_disagreement(self, block: Block) -> None:
        if (name := str(block)) not in self.disagreeing:
            self.disagreeing.add(name)
            text = (
                "%s: %s does not agree with what a larger block read before, so its values are bad; name the"
            )
            text += (
                " larger block in `limits.read_whole` of the profile, or restart after a change of the device"
            )
            _log.warning(text, self.device.name, name)

    def _on(self, event: GroupEvent) -> None:
        self.state = GROUP.after(self.state, event)


class Device:
    """One device: what is read of it, and what is known of it."""

    __slots__ = (
        "_plan_view",
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
        "wake_ups",
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
        self._plan_view = PlanView(self.name)
        self.wake_ups = 0
        """Consecutive polls that began with a timeout and brought values all the same."""
        self.exponents = exponents_of(profile, profile.parameters_with(setup.settings.parameters))
        """What other points scale by, where the profile has such; None where it has not."""
        self.identity = DeviceIdentity(self.name, profile)
        self.groups = [Group(self, read) for read in plans(profile, setup.settings, setup.origin, framing)]

    @property
    def sleeps(self) -> bool:
        """Whether a request only wakes it up, and the next one is answered."""
        return self.wake_ups >= WAKE_UPS

    def columns(self) -> Sequence[BlockSchema]:
        """One entry per block, whether it is requested or known to be refused."""
        schemas: list[BlockSchema] = []
        for group in self.groups:
            schemas += [block.columns for block in group.plan.blocks]
            schemas += [not_asked.columns for not_asked in group.plan.not_asked]
        return schemas

    def present_plan(self) -> DevicePlan:
        """What is requested now, and what was refused; the same object while the plans are the same."""
        return self._plan_view.of(self.groups, self.limits.learned)

    def last_replies(self) -> Sequence[RawReply]:
        """The last reply to each request of the present plan."""
        return last_replies(self.groups)

    def load_limits(self, now: float) -> None:
        """Take the limits that were saved before a restart."""
        if self.limits.load(now):
            self._replan()

    def start_cycle(self, group: Group, now: float) -> None:
        """Request again what was refused, where it is time."""
        before = self.limits.learned
        if before is NOTHING_LEARNED:
            return
        if self.limits.retest_due(now):
            self._retest(before)
            return
        if group.state is not GroupState.NORMAL:
            return
        excluded = [name for points in group.plan.not_asked for name in points.columns.points]
        if self.limits.trial(excluded, now) is not None:
            self._replan()
            group.trial()

    def end_cycle(self, readings: Sequence[Reading], search: Bisection | None, now: float) -> str | None:
        """Learn what the cycle found; a text for people where that is news."""
        succeeded = self.limits.trial_ended(readings)
        text = self.limits.add(search, now) if search is not None else None
        if succeeded:
            before = self.limits.learned
            self.limits.trial_succeeded(now)
            self._retest(before)
        elif succeeded is False and text is None:
            self.limits.trial_undone()
            self._replan()
        elif text is not None:
            self._replan()
        return text

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

    def _retest(self, before: LearnedLimits) -> None:
        self._replan()
        for group in self.groups:
            group.retest(frozenset(before.refused_points) if before.by_timeout else None)

    def _replan(self) -> None:
        """Plan every group by the limits that are known."""
        setup = self.setup
        parameters = setup.profile.parameters_with(setup.settings.parameters)
        for group in self.groups:
            old = group.plan
            group.replan(
                plan(
                    setup.profile,
                    old.group,
                    setup.origin,
                    period=old.period,
                    parameters=parameters,
                    framing=old.framing,
                    learned=self.limits.learned,
                )
            )
