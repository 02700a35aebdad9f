"""Whether a device is online, and whether its values count yet. Pure."""

from __future__ import annotations

from enum import StrEnum

from qilu.contract.reading import Reason
from qilu.runtime.transitions import Transitions


class PresenceState(StrEnum):
    UNKNOWN = "unknown"
    ONLINE = "online"
    SETTLING = "settling"
    """Online again after an offline period; its values do not count yet."""
    OFFLINE = "offline"


class PresenceEvent(StrEnum):
    REPLY = "reply"
    NO_REPLY = "no_reply"
    SETTLED = "settled"


PRESENCE = Transitions(
    "device",
    PresenceState.UNKNOWN,
    {
        PresenceState.UNKNOWN: {
            PresenceEvent.REPLY: PresenceState.ONLINE,
            PresenceEvent.NO_REPLY: PresenceState.OFFLINE,
        },
        PresenceState.ONLINE: {PresenceEvent.NO_REPLY: PresenceState.OFFLINE},
        PresenceState.SETTLING: {
            PresenceEvent.SETTLED: PresenceState.ONLINE,
            PresenceEvent.NO_REPLY: PresenceState.OFFLINE,
        },
        PresenceState.OFFLINE: {PresenceEvent.REPLY: PresenceState.SETTLING},
    },
)


class Presence:
    """Of one device."""

    __slots__ = ("_settling_left", "_settling_polls", "reason", "state")

    def __init__(self, settling_polls: int) -> None:
        """`settling_polls`: polls with a reply after an offline period until values count."""
        self.state = PRESENCE.start
        self.reason = Reason.NOT_POLLED
        """Why the last values were bad."""
        self._settling_polls = settling_polls
        self._settling_left = 0

    @property
    def online(self) -> bool:
        return self.state is PresenceState.ONLINE

    @property
    def offline(self) -> bool:
        return self.state is PresenceState.OFFLINE

    def replied(self) -> str | None:
        """The device replied; a text for the log where it is online from now on."""
        if self.state is PresenceState.UNKNOWN:
            self._on(PresenceEvent.REPLY)
            return "answers"
        if not self.offline:
            return None
        self._on(PresenceEvent.REPLY)
        self._settling_left = self._settling_polls
        if not self._settling_left:
            self._on(PresenceEvent.SETTLED)
        return "answers again"

    def not_replied(self, reason: Reason, *, trusted: bool) -> bool:
        """A poll without a reply; whether the device is offline from now on, unless it is `trusted` still."""
        self.reason = reason
        if trusted or self.offline:
            return False
        self._on(PresenceEvent.NO_REPLY)
        return True

    def count_poll(self) -> bool:
        """A poll with a reply is over; whether its values count."""
        if self.state is not PresenceState.SETTLING:
            return True
        self._settling_left -= 1
        if not self._settling_left:
            self._on(PresenceEvent.SETTLED)
        return False

    def _on(self, event: PresenceEvent) -> None:
        self.state = PRESENCE.after(self.state, event)
