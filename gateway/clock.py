"""The time of this edge: compares the clocks each second, decides how far they are trusted, and saves it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from uuid import UUID

from gateway.timekeeping.clock_file import HeldEpoch, SavedTime, encode_saved, read_saved
from gateway.timekeeping.doubt import EARLIEST, STEADY_S, Doubt
from gateway.timekeeping.provisional import Correction, Mark
from gateway.timekeeping.time_synchronisation import NEVER, TimeService
from qilu.contract.reading import EpochTag, TimeTrust
from qilu.contract.units import format_duration
from qilu.runtime.boot import UNKNOWN_BOOT
from qilu.runtime.monotonic_utc import TOLERANCE, ClockStep, Timebase
from qilu.runtime.private_files import open_file
from qilu.runtime.time_grids import STEP_MS, Grids

_log = logging.getLogger(__name__)

_EVERY = 1.0
"""Seconds between two looks at the wall clock, and between two savings."""
_LAST_SAVED_MS = 100
"""A process that ends saves so long before its last time is given out, at most."""
_MARGIN_MS = 60_000
"""A turn that was under way at the end of an epoch takes its last times within this."""
_MAX_SETTLED = 1000
"""Held epochs of which it is remembered what the time was; those before get the time of the latest one."""
CLOCK_HOLD = 600.0
"""Seconds for which records wait for a clock in doubt, unless the settings have another number."""


class Clock:
    """Gives readings their time. `file`: what outlives the process; `boot`: the present one of the system.

    `hold_s`: seconds for which a clock in doubt is waited for. `service`: see `TimeService`.
    """

    def __init__(
        self,
        file: Path,
        *,
        boot: UUID = UNKNOWN_BOOT,
        hold_s: float = CLOCK_HOLD,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        service: Callable[[], int | None] | None = None,
    ) -> None:
        self._file = file
        self._boot = boot
        self._hold_s = hold_s
        self._wall = wall
        self._monotonic = monotonic
        self._service = service or TimeService()
        self._descriptor: int | None = None
        self._blocked_ms = 0
        self._held: EpochTag | None = None
        self._known_before = False
        self._settled: OrderedDict[int, int] = OrderedDict()
        """Number of a held epoch -> offset_ms when the time was known after it."""
        saved, now, utc = read_saved(file), monotonic(), wall()
        self._same_boot = saved is not None and saved.same_boot(boot)
        self._offset_ms = saved.offset_ms if saved is not None and self._same_boot else None
        self._synchronised = self._service()
        """What the service says now."""
        self._synchronised_before = saved.synchronised if saved is not None and self._same_boot else None
        """What it said before the step with which the doubt began; while there is none, what it says."""
        self._stood_s = saved.stood_s if saved is not None and self._same_boot else 0.0
        self._known_since_s = now - self._stood_s
        """For how long the clock went on without a step while it was known, last."""
        self._last_held = _last_held(saved)
        """The held epoch in which the run before ended."""
        doubt = self._doubt_at_start(saved, utc, now)
        continued = self._last_held if doubt and self._same_boot else None
        since = (continued.number / 1000 if continued else now) if doubt else None
        self._doubt = Doubt(hold_s, now, since=since)
        self.timebase = Timebase(
            utc,
            now,
            grids=Grids(_high_ms(saved)),
            trust=self._doubt.trust,
            guess=now + continued.offset_ms / 1000 if continued else self._guess(saved, utc, now),
            held=continued and (continued.number, continued.high_ms),
        )
        if self.trust is TimeTrust.HELD:
            self._held = self.timebase.epoch.tag
        self.alive_ms, self.blocked_ms = self._before(saved, now)
        """When a process last ran here before this one, and since when its spool had taken no record then
        (UTC); None when none ever did, or when the spool took them."""
        self._note_known()
        if doubt:
            _log.warning("the time is in doubt: %s; %s", doubt, self._what_follows())
        elif self._synchronised is None:
            _log.info("the clock of this system is believed, though no time service confirms it: %s", _ALONE)
        self._on_wall_clock_set: list[Callable[[], None]] = []
        self._on_step: list[Callable[[ClockStep], None]] = []

    def listen(
        self,
        *,
        on_step: Sequence[Callable[[ClockStep], None]] = (),
        on_wall_clock_set: Sequence[Callable[[], None]] = (),
    ) -> None:
        """Call `on_wall_clock_set` when the wall clock was set, and `on_step` when the time is known after a
        step, with the step between the two known epochs."""
        self._on_step += on_step
        self._on_wall_clock_set += on_wall_clock_set

    def now_ms(self) -> int:
        """UTC in ms; rises within an epoch, but is not reserved for anybody."""
        return int(self.timebase.at(self._monotonic()) * 1000)

    def stamp(self, series: Hashable) -> int:
        return self.timebase.next_ms(series, self._monotonic())

    def tag(self) -> EpochTag:
        return self.timebase.epoch.tag

    @property
    def trust(self) -> TimeTrust:
        """How far the time is known now; at most a second old."""
        return self.timebase.epoch.tag.trust

    def set_spool_blocked(self, blocked: bool) -> None:
        """Whether the spool takes no record just now: what is read then nobody will have after a kill."""
        self._blocked_ms = (self._blocked_ms or self.now_ms()) if blocked else 0

    @property
    def wall_offset_s(self) -> float:
        """Seconds that the clock of the system is ahead of the time that readings get."""
        return self._wall() - self.timebase.at(self._monotonic())

    @property
    def spool_blocked_ms(self) -> int:
        """Since when the spool takes no record, in ms (UTC); 0 while it does."""
        return self._blocked_ms

    @property
    def epoch_start_ms(self) -> int:
        """When the trust in the time changed last, in ms (UTC); the start of the process at first."""
        tag = self.timebase.epoch.tag
        return tag.number + tag.offset_ms

    async def run(self) -> None:
        """Watch the wall clock and save what is known until cancelled."""
        try:
            self._save()
            while True:
                await asyncio.sleep(_EVERY)
                self.check()
                self._save()
        finally:
            self._save(ended=True)
            self._close()

    def open_again(self) -> None:
        """The file was removed with its folder, or replaced: save into the one that has the name now."""
        self._close()
        self._save()

    def check(self) -> None:
        """Compare the clocks, and begin another epoch where the trust in them changes."""
        wall, now = self._wall(), self._monotonic()
        step = self.timebase.observe(wall, now)
        if step is not None or self.trust is TimeTrust.KNOWN:
            self._synchronised_before = self._synchronised
        self._synchronised = self._service()
        trust = self._doubt.check(
            now,
            stepped=step is not None,
            early=wall < EARLIEST,
            unbelievable=self.trust is not TimeTrust.KNOWN and not self._believable(wall, now),
            steady_s=self._steady_s(wall, now),
        )
        if step is not None:
            _log.warning("the wall clock was set by %+.1f s", step.seconds)
        if trust is not self.trust:
            self._start_epoch(trust, now)
            confirmed = trust is TimeTrust.KNOWN and self._synchronised is not None
            level = logging.INFO if confirmed else logging.WARNING
            _log.log(level, "the time is %s: %s", _NAMES[trust], self._what_follows())
            self._save()
        self._note_known()
        if step is not None:
            for wall_clock_set in self._on_wall_clock_set:
                wall_clock_set()

    # What becomes of provisional times.

    @property
    def deciding(self) -> bool:
        return self.trust is not TimeTrust.HELD

    def correction(self, mark: Mark, *, this_boot: bool) -> Correction | None:
        """The correction of the epoch of `mark`, decided now; None while it must wait.

        The times that it makes are reserved: nothing else will ever have them.
        """
        offset_ms = self._settled.get(mark.epoch) if this_boot else None
        if this_boot and offset_ms is None:
            if not self.deciding:
                return None
            offset_ms = self.timebase.offset_ms if self.trust is TimeTrust.KNOWN else None
        known = offset_ms is not None
        shift_ms = 0 if offset_ms is None else offset_ms - mark.offset_ms
        start_ms = mark.epoch + mark.offset_ms + shift_ms - STEP_MS
        end_ms = self._end_ms(mark, this_boot=this_boot) + shift_ms
        later_ms, residue = self.timebase.reserve(start_ms, end_ms + _MARGIN_MS)
        shift_ms += later_ms - STEP_MS // 2
        shift_ms += (residue - shift_ms) % STEP_MS
        self._save()
        return Correction(shift_ms, uncertain=not known or later_ms > 0)

    def _end_ms(self, mark: Mark, *, this_boot: bool) -> int:
        """The latest provisional time that the epoch of `mark` can have."""
        if this_boot:
            return round(self._monotonic() * 1000) + mark.offset_ms
        end_ms = mark.epoch + mark.offset_ms + round((self._hold_s + STEADY_S) * 1000)
        last = self._last_held
        return max(end_ms, last.high_ms) if last and last.number == mark.epoch else end_ms

    # Inside.

    def _start_epoch(self, trust: TimeTrust, monotonic: float) -> None:
        highest_ms = max(self.timebase.grids.high_ms)
        tag = self.timebase.start_epoch(trust, monotonic).tag
        held = self._held
        if trust is TimeTrust.HELD:
            self._held = tag
            self._known_before = True
        elif trust is TimeTrust.KNOWN and held is not None:
            self._settled[held.number] = self.timebase.offset_ms
            self._held = None
            if len(self._settled) > _MAX_SETTLED:
                self._settled.popitem(last=False)
            step_ms = self.timebase.offset_ms - held.offset_ms
            if self._known_before and abs(step_ms) > TOLERANCE * 1000:
                time_ms = held.number + held.offset_ms
                step = ClockStep(time_ms, step_ms / 1000, unused=time_ms + step_ms > highest_ms)
                for stepped in self._on_step:
                    stepped(step)

    def _doubt_at_start(self, saved: SavedTime | None, wall: float, monotonic: float) -> str:
        """Why the clock is in doubt when this process starts; empty when it is not."""
        if wall < EARLIEST:
            return "the wall clock stands before 2025 and was never set"
        if saved is not None and self._same_boot:
            if self._offset_ms is None:
                return "it was in doubt when the last run ended"
            step = wall - monotonic - self._offset_ms / 1000
            return (
                f"the wall clock was set by {step:+.1f} s while no gateway ran"
                if abs(step) > TOLERANCE
                else ""
            )
        if self._service() == NEVER:
            return "the time service of this system has not synchronised it yet"
        if saved is None:
            return ""
        if self._boot != UNKNOWN_BOOT and saved.boot != UNKNOWN_BOOT.hex:
            return "the system was started again and nothing has confirmed its clock yet"
        behind = saved.alive_ms / 1000 - wall
        return f"the wall clock is {behind:.1f} s behind the last run" if behind > TOLERANCE else ""

    def _guess(self, saved: SavedTime | None, wall: float, monotonic: float) -> float:
        """The time to begin with where the clock is in doubt."""
        if self._offset_ms is not None:
            return monotonic + self._offset_ms / 1000
        if wall < EARLIEST:
            return max(EARLIEST, 0 if saved is None else saved.alive_ms / 1000)
        return wall

    def _before(self, saved: SavedTime | None, monotonic: float) -> tuple[int | None, int | None]:
        """When a process last ran here and since when its spool was blocked, by the time of this process."""
        if saved is None:
            return None, None
        alive_ms = saved.alive_ms
        if self._same_boot:
            alive_ms = self.now_ms() - round((monotonic - saved.alive_s) * 1000)
        blocked_ms = saved.blocked_ms + alive_ms - saved.alive_ms if saved.blocked_ms else None
        self._blocked_ms = blocked_ms or 0
        return alive_ms, blocked_ms

    def _believable(self, wall: float, monotonic: float) -> bool:
        return not self._waits_for_service(wall, monotonic) and (
            self.timebase.grids.free(int(wall * 1000)) is not None
        )

    def _waits_for_service(self, wall: float, monotonic: float) -> bool:
        """Whether a time service runs that has not synchronised this clock since it was set."""
        if self._synchronised is None or self._as_before(wall, monotonic):
            return False
        unchanged = self._offset_ms is not None and self._synchronised == self._synchronised_before
        return self._synchronised == NEVER or unchanged

    def _steady_s(self, wall: float, monotonic: float) -> float:
        """How long a clock has to be steady: where no time service confirms it, one that was
        for `hold_s` is given up for another one that is so, too."""
        if self._synchronised is not None or self._as_before(wall, monotonic):
            return STEADY_S
        return max(STEADY_S, self._hold_s) if self._stood_s >= self._hold_s else STEADY_S

    def _as_before(self, wall: float, monotonic: float) -> bool:
        """Whether the wall clock is where it was when it was last known in this boot."""
        known_ms = self._offset_ms
        return known_ms is not None and abs(wall - monotonic - known_ms / 1000) <= TOLERANCE

    def _note_known(self) -> None:
        if self.trust is TimeTrust.KNOWN:
            now, offset_ms = self._monotonic(), self.timebase.offset_ms
            if self._offset_ms is None or abs(offset_ms - self._offset_ms) > TOLERANCE * 1000:
                self._known_since_s = now
            self._offset_ms = offset_ms
            self._stood_s = now - self._known_since_s

    def _what_follows(self) -> str:
        if self.trust is TimeTrust.KNOWN:
            sent = "records that waited for it are corrected and sent"
            return (
                sent if self._synchronised is not None else f"{sent}; no time service confirms it: {_ALONE}"
            )
        if self.trust is TimeTrust.HELD:
            now, hold = self._monotonic(), format_duration(self._hold_s)
            service = "" if self._synchronised is None else " and the time service has synchronised it"
            steady = format_duration(round(self._steady_s(self._wall(), now)))
            return (
                f"records are kept and not sent until the clock was steady for {steady}{service}, "
                f"for at most {hold} (clock_hold)"
            )
        return (
            "values are sent as uncertain (clock_uncertain); set the clock or let a time service set it; "
            "where none can be reached, stop it (timedatectl set-ntp false): then the clock is believed"
        )

    def _save(self, *, ended: bool = False) -> None:
        if self._descriptor is not None and os.fstat(self._descriptor).st_nlink == 0:
            self._close()  # somebody removed or replaced the file
        if self._descriptor is None:
            self._descriptor = self._open()
        if self._descriptor is None:
            return
        now = self._monotonic()
        self.timebase.epoch.reach(now)
        saved = SavedTime(
            alive_ms=self.now_ms(),
            alive_s=now,
            boot=self._boot.hex,
            offset_ms=self._offset_ms,
            high_ms=tuple(self.timebase.grids.high_ms),
            blocked_ms=self._blocked_ms,
            ended=ended,
            held=self._present_held(),
            synchronised=self._synchronised_before,
            stood_s=round(self._stood_s, 1),
        )
        with contextlib.suppress(OSError):  # a full disk: the next second tries again
            os.pwrite(self._descriptor, encode_saved(saved), 0)

    def _present_held(self) -> HeldEpoch | None:
        tag, grid = self.timebase.epoch.tag, self.timebase.epoch.grid
        return HeldEpoch(tag.number, tag.offset_ms, grid.high_ms) if tag.trust is TimeTrust.HELD else None

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int | None:
        try:
            return open_file(self._file, os.O_WRONLY | os.O_CREAT)
        except FileNotFoundError:
            return None  # the spool makes the folder at its first start, in a moment
        except OSError as error:
            _log.warning(
                "%s: %s; times may repeat if the clock goes back across a restart", self._file, error
            )
            return None


_ALONE = (
    "run one (systemd-timesyncd; chrony or ntpd where the gateway may ask the kernel), or set "
    "clock: synchronised, with which values are uncertain until one does"
)
_NAMES = {TimeTrust.KNOWN: "known", TimeTrust.HELD: "in doubt", TimeTrust.UNCERTAIN: "still not known"}


def _high_ms(saved: SavedTime | None) -> list[int]:
    """The latest times of the grids, as they may have become after the last saving."""
    if saved is None:
        return []
    return [high and high + _unsaved_ms(saved) for high in saved.high_ms]


def _unsaved_ms(saved: SavedTime) -> int:
    """How far the times of the run before may have risen after the last saving."""
    return _LAST_SAVED_MS if saved.ended else round(_EVERY * 1000)


def _last_held(saved: SavedTime | None) -> HeldEpoch | None:
    """The held epoch in which the run before ended, with the latest time that it may have given out."""
    if saved is None or saved.held is None:
        return None
    return saved.held._replace(high_ms=saved.held.high_ms + _unsaved_ms(saved))
