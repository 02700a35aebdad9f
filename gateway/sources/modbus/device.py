"""One device as its source sees it: what is read of it, what it taught us, whether it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.sources.modbus.plans.plan import NOTHING_LEARNT, Learnt, ReadPlan, plan, plans
from gateway.sources.modbus.plans.relearning import Relearning
from gateway.sources.modbus.settings import DeviceSettings, Framing
from qilu.contract.exponents import exponents_of
from qilu.contract.profile import DeviceProfile, Table
from qilu.contract.reading import Columns, Origin, Reading, Reason

LOSSY_FOR = 3600.0
"""Seconds in which a frame that was lost makes the next silence prove less."""
WORTH_MENDING, MEMORY = 0.5, 0.2
"""The share of losses that have to be mended, and what one of them is in its mean."""
ENDER_PAUSE = 10.0
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
        "device", "doubted", "ended_at", "enders", "losses", "plan", "resting", "series", "silences",
        "unheard",
    )  # fmt: skip

    def __init__(self, device: Device, read: ReadPlan) -> None:
        self.device = device
        self.plan = read
        self.silences: dict[bytes, int] = {}
        """Request -> turns in a row in which it was met with silence while others were answered."""
        self.losses = 0
        """How many of these were answered later, up to some: silence proves less where frames are lost."""
        self.resting = 0
        """Turns to come in which silences are not looked into, for the sake of the neighbours."""
        self.unheard: set[bytes] = set()
        """Requests that were met with silence when they were sent last."""
        self.enders: list[bytes] = []
        """Requests that ended a connection which had brought nothing, until they are answered. They are asked
        after all others, alone, and the one that did it last as the last one."""
        self.ended_at = 0.0
        """When one of them did that last, in seconds of the loop's clock."""
        self.doubted: frozenset[str] | None = None
        """Points that were refused, while what the device taught is asked once more."""
        self.series = f"{read.origin.device}/{read.group}"
        """What shares its times: the points of a group are never read at two times that are out of order."""

    def would_end_it(self, now: float) -> bool:
        """Whether all that it asks for ended connections, and did a moment ago: it has to wait, or the groups
        beside it would have none, each time that it comes first."""
        enders = self.enders
        return bool(enders) and len(enders) >= len(self.plan.blocks) and now - self.ended_at < ENDER_PAUSE

    @property
    def uneventful(self) -> bool:
        """Whether every request was answered when it was sent last."""
        return not (self.silences or self.unheard or self.enders)


class Device:
    """`online` is None until the first turn told; `reason` is why its last values were bad; so many turns
    with an answer as `distrusted` have to pass until its values count."""

    __slots__ = (
        "distrusted", "exponents", "gap", "groups", "learnt", "lost_at", "mended", "name", "online",
        "reason", "relearning", "setup", "spoken", "told", "unit",
    )  # fmt: skip

    def __init__(self, setup: DeviceSetup, framing: Framing, request_gap: float) -> None:
        """ConfigError where the settings do not fit the profile."""
        self.setup = setup
        self.name = setup.origin.device
        self.unit = setup.settings.unit
        self.gap = max(request_gap, setup.profile.limits.request_gap)
        self.learnt: Learnt = NOTHING_LEARNT
        self.relearning = Relearning()
        self.told = NOTHING_LEARNT
        """What it taught and people were told of."""
        self.spoken: set[Table] = set()
        """Tables of which it ever gave values: it has the function that reads them, whatever it says."""
        self.lost_at = float("-inf")
        """When it last answered what it had been silent about, in seconds of the loop's clock."""
        self.mended = 1.0
        """The share of the losses that it answered when it was asked again, of late."""
        self.online: bool | None = None
        self.distrusted = 0
        self.reason = Reason.NOT_POLLED
        self.exponents = exponents_of(setup.profile, setup.profile.parameters_with(setup.settings.parameters))
        """What other points scale by, where the profile has such; None where it has not."""
        self.groups = [
            Group(self, read) for read in plans(setup.profile, setup.settings, setup.origin, framing)
        ]

    def worth_mending(self) -> bool:
        """Whether to ask again for what was lost, where it costs the neighbours time: now and then even where
        that is mostly in vain."""
        worth = self.mended > WORTH_MENDING
        self.mended += (1 - self.mended) * (MEMORY if worth else MEMORY / 10)
        return worth

    def is_back(self) -> None:
        """It was out of service: what it was silent about meanwhile was no loss."""
        for group in self.groups:
            group.unheard.clear()

    def in_vain(self, now: float) -> None:
        """What it was asked for again did not come either."""
        if self.loses_frames(now):
            self.mended *= 1 - MEMORY

    def loses_frames(self, now: float) -> bool:
        """Whether a silence of this device may well be a frame that was lost."""
        return now - self.lost_at < LOSSY_FOR

    def columns(self) -> Sequence[Columns]:
        """One entry per block, whether it is asked or known to be refused."""
        found: list[Columns] = []
        for group in self.groups:
            found += [block.columns for block in group.plan.blocks]
            found += [not_asked.columns for not_asked in group.plan.not_asked]
        return found

    def learn(self, learnt: Learnt, now: float, *, by_silence: bool) -> None:
        """It taught this, with refusals or with silences."""
        self.relearning.learnt(now, by_silence=by_silence)
        self._plan(learnt)

    def _plan(self, learnt: Learnt) -> None:
        """Plan every group anew with what is known."""
        self.learnt = learnt
        setup = self.setup
        parameters = setup.profile.parameters_with(setup.settings.parameters)
        for group in self.groups:
            old = group.plan
            group.unheard.clear()
            group.enders.clear()
            group.plan = plan(
                setup.profile,
                old.group,
                setup.origin,
                period=old.period,
                parameters=parameters,
                framing=old.framing,
                learnt=learnt,
            )

    def forget_in_time(self, group: Group, now: float) -> bool:
        """Give what was refused another chance, in the turn of `group` that begins; True when all of it."""
        learnt, relearning = self.learnt, self.relearning
        if learnt is NOTHING_LEARNT:
            return False
        if relearning.all_due(now):
            self._forget(now)
            return True
        if relearning.trial_due(now):
            names = (name for some in group.plan.not_asked for name in some.columns.points)
            if refused := [name for name in names if name in learnt.holes]:
                trial = relearning.try_one_of(refused, now)
                self._plan(learnt.without(self.setup.profile.point(trial)))
        return False

    def trial_over(self, readings: Sequence[Reading]) -> bool:
        """A turn has ended; True where it asked for a refused point and got its value."""
        trial, self.relearning.trial = self.relearning.trial, None
        return trial is not None and any(
            trial in reading.columns.points and reading.columns.points.index(trial) not in reading.reasons
            for reading in readings
        )

    def forget_all(self, now: float) -> None:
        """It answers what it refused; what it refuses now is news."""
        self.told = NOTHING_LEARNT
        self._forget(now)

    def _forget(self, now: float) -> None:
        """A function stays missing until the next start."""
        learnt, by_silence = self.learnt, self.relearning.by_silence
        self.relearning.forgotten(now)
        self._plan(Learnt(no_function=learnt.no_function) if learnt.no_function else NOTHING_LEARNT)
        for group in self.groups:
            group.doubted = learnt.holes if by_silence else None


def distrusted(reading: Reading) -> Reading:
    """What a device said that came back a moment ago: no value of it is good."""
    reasons = dict.fromkeys(range(len(reading.values)), Reason.RESTARTED) | dict(reading.reasons)
    return Reading(reading.columns, reading.time_ms, (None,) * len(reading.values), reasons)
