"""How long a link may be silent: longer where a message needs longer to pass a thin line. Pure."""

from __future__ import annotations

MAX_KEEPALIVE_S = 900.0
"""A message that needs longer than this for a line is tried all the same, for ever."""
_MARGIN = 4.0
"""Keepalive in multiples of the longest time from a message to its acknowledgement."""


class Keepalive:
    """The keepalive of the next link of one client, in seconds: `setting_s`, or more as links have shown.

    While a long message is on a thin line, nothing comes back, not even the answer to a ping. A link that
    ends so, with a message on its way that is longer than any which it carried, doubles the keepalive. Once
    links carry their messages, it follows the longest time that one took, down to the setting.
    """

    def __init__(self, setting_s: float) -> None:
        self._setting_s = setting_s
        self.seconds = setting_s
        self._acknowledged_bytes = 0
        self._longest_s: float | None = None

    def opened(self) -> None:
        """A link is made, with a keepalive of `seconds`."""
        self._acknowledged_bytes, self._longest_s = 0, None

    def acknowledged(self, size_bytes: int, took_s: float) -> None:
        """A message of this link reached the broker, and its acknowledgement came back."""
        self._acknowledged_bytes = max(self._acknowledged_bytes, size_bytes)
        self._longest_s = max(self._longest_s or 0.0, took_s)

    def ended(self, *, timed_out: bool, waiting_bytes: int) -> None:
        """The link ended, with messages without acknowledgement of `waiting_bytes` at most, 0 for none."""
        seconds = self.seconds
        if self._longest_s is not None:
            seconds = min(seconds, _MARGIN * self._longest_s)
        if timed_out and waiting_bytes > self._acknowledged_bytes:
            seconds = 2 * self.seconds
        self.seconds = min(max(seconds, self._setting_s), max(MAX_KEEPALIVE_S, self._setting_s))
