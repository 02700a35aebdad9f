"""What is known of an endpoint and outlives its connections."""

from __future__ import annotations

from random import Random

from qilu.modbus_client.late_reply_guard import LateReplyGuard
from qilu.modbus_client.local_echo import LocalEcho
from qilu.modbus_client.options import ClientOptions

_LAST = 0xFFFF
_DISTANCE = 1024  # ids that are kept between ours and those of another master


class TransactionIds:
    """Ids from 1 to 65535: some servers reply with 0 to everything.

    A converter may send the reply to a request of an old connection, or of another master, over the newest
    one. Such a reply has an id that no open request has: ids start at random, never start again, and keep
    clear of the ids of other masters, which count up as well.
    """

    __slots__ = ("_last", "_random")

    def __init__(self, random: Random) -> None:
        self._random = random
        self._last = random.randrange(_LAST)

    def next(self) -> int:
        self._last = last = self._last % _LAST + 1
        return last

    def avoid(self, other: int) -> None:
        """Another master uses this id now."""
        if (other - self._last + _DISTANCE) % _LAST <= 2 * _DISTANCE:
            self._last = (other + self._random.randrange(2 * _DISTANCE, _LAST - 2 * _DISTANCE)) % _LAST


class EndpointState:
    """Shared by all connections, one after another, to one endpoint."""

    __slots__ = ("echo", "guard", "ids")

    def __init__(self, options: ClientOptions, random: Random) -> None:
        self.ids = TransactionIds(random)
        self.guard = LateReplyGuard(options.timeout, any_unit=bool(options.accepted_unit_ids))
        setting = "never" if options.framing == "tcp" else options.local_echo
        self.echo = LocalEcho(options.url, setting)
