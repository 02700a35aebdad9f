"""One device as its source sees it: what is read of it, what it taught us, whether it answers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.interfaces import DevicePlan, PlannedRequest, RawReply
from gateway.sources.modbus.identity import DeviceIdentity
from gateway.sources.modbus.learning.accepted_replies import AcceptedReplies
from gateway.sources.modbus.learning.retry_policy import RetryPolicy
from gateway.sources.modbus.planning.blocks import Span
from gateway.sources.modbus.planning.plan import NOTHING_LEARNED, Block, LearnedLimits, ReadPlan, plan, plans
from gateway.sources.modbus.settings import DeviceSettings, Framing
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import BlockSchema, Origin, Reading, Reason
from qilu.contract.scale_factors import exponents_of

_log = logging.getLogger(__name__)

LOSS_WINDOW_S = 3600.0
"""Seconds in which a frame that was lost makes the next silence prove less."""
WORTH_MENDING, MEMORY = 0.5, 0.2
"""The share of losses that have to be mended, and what one of them is in its mean."""
WAKE_UPS = 3
"""Consecutive polls of which only a repeated request was answered until the device is known to sleep."""
CLOSING_PAUSE_S = 10.0
"""Seconds before a group that only ends connections is asked for again, where there are others."""


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """Everything that is said of a device before it is polled."""

    settings: DeviceSettings
    profile: DeviceProfile
    origin: Origin


class Group:
    """One poll group; its plan changes when the device teaches us something."""

    __slots__ = (
        "accepted",
        "connection_closing_requests",
        "device",
        "diagnosis_cooldown",
        "disagreeing",
        "last_closed_at",
        "losses",
        "plan",
        "points_under_retest",
        "series",
        "timed_out_requests",
        "timeout_counts",
    )  # fmt: skip

    def __init__(self, device: Device, read: ReadPlan) -> None:
        self.device = device
        self.plan = read
        self.timeout_counts: dict[bytes, int] = {}
        """Request -> turns in a row in which it was met with silence while others were answered."""
        self.losses = 0
        """How many of these were answered later, up to some: silence proves less where frames are lost."""
        self.diagnosis_cooldown = 0
        """Turns to come in which silences are not looked into, for the sake of the neighbours."""
        self.timed_out_requests: set[bytes] = set()
        """Requests that were met with silence when they were sent last."""
        self.connection_closing_requests: list[bytes] = []
        """Requests that ended a connection which had brought nothing, until they are answered. They are asked
        after all others, alone, and the one that did it last as the last one."""
        self.last_closed_at = 0.0
        """When one of them did that last, in seconds of the loop's clock."""
        self.points_under_retest: frozenset[str] | None = None
        """Points that were refused, while what the device taught is asked once more."""
        self.accepted = AcceptedReplies()
        self.disagreeing: set[str] = set()
        """Blocks whose values were refused since they do not agree with what larger blocks read."""
        self.series = f"{read.origin.device}/{read.group}"
        """What shares its times: the points of a group are never read at two times that are out of order."""

    def would_close_connection(self, now: float) -> bool:
        """Whether all that it asks for ended connections, and did a moment ago: it has to wait, or the groups
        beside it would have none, each time that it comes first."""
        closing = self.connection_closing_requests
        return (
            bool(closing)
            and len(closing) >= len(self.plan.blocks)
            and now - self.last_closed_at < CLOSING_PAUSE_S
        )

    def report_disagreement(self, block: Block) -> None:
        if (name := str(block)) not in self.disagreeing:
            self.disagreeing.add(name)
            text = (
                "%s: %s does not agree with what a larger block read before, and is bad; name that block in"
            )
            text += " `limits.read_whole` of the profile, or restart after a change of the device"
            _log.warning(text, self.device.name, name)

    @property
    def is_healthy(self) -> bool:
        """Whether every request was answered when it was sent last."""
        return not (self.timeout_counts or self.timed_out_requests or self.connection_closing_requests)


class Device:
    """`online` is None until the first turn told; `reason` is why its last values were bad; so many turns
    with an answer as `settling_polls` have to pass until its values count."""

    __slots__ = (
        "_shown_plan",
        "_shown_plans",
        "exponents",
        "gap",
        "groups",
        "identity",
        "last_loss_at",
        "learned",
        "name",
        "online",
        "reason",
        "relearning",
        "reported",
        "retry_success_rate",
        "settling_polls",
        "setup",
        "unit",
        "wake_ups",
    )  # fmt: skip

    def __init__(self, setup: DeviceSetup, framing: Framing, message_spacing: float) -> None:
        """ConfigError where the settings do not fit the profile."""
        self.setup = setup
        self.name = setup.origin.device
        self.unit = setup.settings.unit_id
        self.gap = max(message_spacing, setup.profile.limits.message_spacing)
        self.learned: LearnedLimits = NOTHING_LEARNED
        self._shown_plan: DevicePlan | None = None
        self._shown_plans: list[ReadPlan] = []
        self.relearning = RetryPolicy()
        self.reported = NOTHING_LEARNED
        """What it taught and people were told of."""
        self.last_loss_at = float("-inf")
        """When it last answered what it had been silent about, in seconds of the loop's clock."""
        self.retry_success_rate = 1.0
        """The share of the losses that it answered when it was asked again, of late."""
        self.online: bool | None = None
        self.settling_polls = 0
        self.wake_ups = 0
        """Consecutive polls that began with a timeout and brought values all the same."""
        self.reason = Reason.NOT_POLLED
        self.exponents = exponents_of(setup.profile, setup.profile.parameters_with(setup.settings.parameters))
        """What other points scale by, where the profile has such; None where it has not."""
        self.identity = DeviceIdentity(self.name, setup.profile)
        self.groups = [
            Group(self, read) for read in plans(setup.profile, setup.settings, setup.origin, framing)
        ]

    def should_retry_losses(self) -> bool:
        """Whether to ask again for what was lost, where it costs the neighbours time: now and then even where
        that is mostly in vain."""
        worth = self.retry_success_rate > WORTH_MENDING
        self.retry_success_rate += (1 - self.retry_success_rate) * (MEMORY if worth else MEMORY / 10)
        return worth

    def reset_after_outage(self) -> None:
        """It was out of service: what it was silent about meanwhile was no loss."""
        for group in self.groups:
            group.timed_out_requests.clear()

    @property
    def sleeps(self) -> bool:
        """Whether a request only wakes it up, and the next one is answered."""
        return self.wake_ups >= WAKE_UPS

    def record_failed_retry(self, now: float) -> None:
        """What it was asked for again did not come either."""
        if self.loses_frames(now):
            self.retry_success_rate *= 1 - MEMORY

    def loses_frames(self, now: float) -> bool:
        """Whether a silence of this device may well be a frame that was lost."""
        return now - self.last_loss_at < LOSS_WINDOW_S

    def columns(self) -> Sequence[BlockSchema]:
        """One entry per block, whether it is asked or known to be refused."""
        schemas: list[BlockSchema] = []
        for group in self.groups:
            schemas += [block.columns for block in group.plan.blocks]
            schemas += [not_asked.columns for not_asked in group.plan.not_asked]
        return schemas

    def present_plan(self) -> DevicePlan:
        """What is requested now, and what was refused; the same object while the plans are the same."""
        plans = [group.plan for group in self.groups]
        if self._shown_plan is None or any(
            before is not now for before, now in zip(self._shown_plans, plans, strict=True)
        ):
            requests = tuple(planned_request(block, read.group) for read in plans for block in read.blocks)
            self._shown_plan = DevicePlan(self.name, requests, dict(self.learned.refused_points))
            self._shown_plans = plans
        return self._shown_plan

    def last_replies(self) -> Sequence[RawReply]:
        """The last reply to each request of the present plan."""
        return [
            RawReply(planned_request(block, group.plan.group), block.last_reply)
            for group in self.groups
            for block in group.plan.blocks
        ]

    def learn(self, learned: LearnedLimits, now: float) -> None:
        """It taught this, with refusals or with timeouts."""
        self.relearning.learned(now)
        self._plan(learned)

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
        self._plan(NOTHING_LEARNED)
        for group in self.groups:
            group.accepted = AcceptedReplies()

    def _plan(self, learned: LearnedLimits) -> None:
        """Plan every group anew with what is known."""
        self.learned = learned
        setup = self.setup
        parameters = setup.profile.parameters_with(setup.settings.parameters)
        for group in self.groups:
            old = group.plan
            group.timed_out_requests.clear()
            group.connection_closing_requests.clear()
            group.plan = plan(
                setup.profile,
                old.group,
                setup.origin,
                period=old.period,
                parameters=parameters,
                framing=old.framing,
                learned=learned,
            )

    def forget_in_time(self, group: Group, now: float) -> bool:
        """Give what was refused another chance, in the turn of `group` that begins; True when all of it."""
        learned, relearning = self.learned, self.relearning
        if learned is NOTHING_LEARNED:
            return False
        if relearning.all_due(now):
            self._forget(now)
            return True
        if not learned.by_timeout and relearning.trial_due(now):
            names = (name for excluded in group.plan.not_asked for name in excluded.columns.points)
            if refused := [name for name in names if name in learned.refused_points]:
                trial = relearning.start_retry(refused, now)
                self._plan(learned.without(self.setup.profile.point(trial)))
        return False

    def trial_over(self, readings: Sequence[Reading]) -> bool:
        """A turn has ended; True where it asked for a refused point and got its value."""
        trial, self.relearning.retried_point = self.relearning.retried_point, None
        return trial is not None and any(
            trial in reading.columns.points and reading.columns.points.index(trial) not in reading.reasons
            for reading in readings
        )

    def forget_all(self, now: float) -> None:
        """It answers what it refused; what it refuses now is news."""
        self.reported = NOTHING_LEARNED
        self._forget(now)

    def _forget(self, now: float) -> None:
        learned = self.learned
        self.relearning.forgotten(now)
        self._plan(NOTHING_LEARNED)
        for group in self.groups:
            group.points_under_retest = frozenset(learned.refused_points) if learned.by_timeout else None


def planned_request(block: Block, group: str) -> PlannedRequest:
    """A block as others see it."""
    span = block.span
    return PlannedRequest(
        group, span.table.value, span.first, span.count, block.columns.points,
        tuple(point.address for point in span.points),
    )  # fmt: skip
