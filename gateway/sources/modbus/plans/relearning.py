"""When what a device refused is asked once more: it may have been starting up, or was changed since. Pure."""

from __future__ import annotations

from collections.abc import Sequence

FIRST_TRIAL = 60.0
"""Seconds after which one refused point is asked for again; doubling, while it goes on being refused."""
RELEARN = 3600.0
"""Seconds after which all is asked again; nothing sooner where silence taught it, which costs time-outs."""


class Relearning:
    """Of one device. Times are seconds of one monotonic clock."""

    __slots__ = ("_since", "_trials", "by_silence", "trial")

    def __init__(self) -> None:
        self.trial: str | None = None
        """The refused point that the present turn asks for. When it is answered, the others may be, too."""
        self.by_silence = False
        """Whether some of what is known was taught by silence."""
        self._since = 0.0
        self._trials = 0

    def learnt(self, now: float, *, by_silence: bool) -> None:
        """The device refused something that it had not refused before, or refused it again."""
        self._since = now
        self.by_silence = self.by_silence or by_silence

    def all_due(self, now: float) -> bool:
        """Whether it is time to forget all that it taught."""
        return now - self._since >= RELEARN

    def trial_due(self, now: float) -> bool:
        """Whether it is time to ask for one of the refused points."""
        return not self.by_silence and now - self._since >= FIRST_TRIAL * 2**self._trials

    def try_one_of(self, refused: Sequence[str], now: float) -> str:
        """The one to ask for in this turn: another one each time."""
        self.trial = refused[self._trials % len(refused)]
        self._trials += 1
        self._since = now
        return self.trial

    def forgotten(self, now: float) -> None:
        """All is asked again; what comes of it is a new lesson."""
        self._since, self._trials, self.by_silence = now, 0, False
