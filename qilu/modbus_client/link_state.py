"""The states of the link to one endpoint, which its connector alone changes."""

from __future__ import annotations

from enum import StrEnum

from qilu.runtime.transitions import Transitions


class LinkState(StrEnum):
    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"
    """The last attempt failed; the next one waits for the backoff."""


class LinkEvent(StrEnum):
    NEEDED = "needed"
    CONNECTED = "connected"
    FAILED = "failed"
    """No connection, or one that ended before its first reply."""
    ENDED = "ended"
    """It had brought a reply, or the client ended it, or the one before it had brought replies."""


LINK = Transitions(
    "link",
    LinkState.DISCONNECTED,
    {
        LinkState.DISCONNECTED: {LinkEvent.NEEDED: LinkState.CONNECTING},
        LinkState.CONNECTING: {
            LinkEvent.CONNECTED: LinkState.CONNECTED,
            LinkEvent.FAILED: LinkState.WAITING,
            LinkEvent.ENDED: LinkState.DISCONNECTED,
        },
        LinkState.CONNECTED: {
            LinkEvent.ENDED: LinkState.DISCONNECTED,
            LinkEvent.FAILED: LinkState.WAITING,
        },
        LinkState.WAITING: {LinkEvent.NEEDED: LinkState.CONNECTING},
    },
)
