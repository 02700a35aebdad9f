"""Which of several brokers a link goes to: one that works is kept, one that fails is left for the next."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

from qilu.contract.errors import AccessRefusedError, UnreachableError
from qilu.mqtt.client import CONNECT_TIMEOUT, BrokerConnection
from qilu.mqtt.keepalive import Keepalive
from qilu.mqtt.paho_adapter import Message
from qilu.mqtt.settings import MqttSettings
from qilu.runtime.reconnection import STABLE_S

BRIEF_CONNECT_TIMEOUT = 2.0
"""Seconds until a silent broker is left for another one; a round in which all were silent allows more."""

_log = logging.getLogger(__name__)


class HostChoice:
    """The brokers of one client. Pure but for the log; the first one is taken at random."""

    def __init__(self, settings: MqttSettings, random: Random) -> None:
        self._brokers: Sequence[MqttSettings] = settings.brokers
        self._at = random.randrange(len(self._brokers))
        self._brief = len(self._brokers) > 1

    @property
    def several(self) -> bool:
        """Whether there is another one to go to."""
        return len(self._brokers) > 1

    @property
    def current(self) -> MqttSettings:
        """The broker that is tried next, or that the link goes to."""
        return self._brokers[self._at]

    @property
    def connect_timeout(self) -> float:
        """Seconds that the current one has to answer."""
        return BRIEF_CONNECT_TIMEOUT if self._brief else CONNECT_TIMEOUT

    def leave(self, why: str) -> None:
        """Go on to the next broker, and log it where there is another one."""
        if not self.several:
            return
        left, self._at = self.current.address, (self._at + 1) % len(self._brokers)
        _log.warning("MQTT broker %s is left for %s: %s", left, self.current.address, why)

    @asynccontextmanager
    async def link(
        self, client_id: str, *, will: Message | None = None, keepalive: Keepalive | None = None
    ) -> AsyncGenerator[BrokerConnection]:
        """A link to the current broker, or to the next one that lets it in.

        UnreachableError when none does, with the cause of each: AccessRefusedError where all of them refuse
        user or password. ConfigError: a file of the settings cannot be used.
        """
        problems: list[UnreachableError] = []
        async with AsyncExitStack() as stack:
            for _ in self._brokers:
                link = BrokerConnection(
                    self.current,
                    client_id,
                    will=will,
                    connect_timeout=self.connect_timeout,
                    keepalive=keepalive,
                )
                try:
                    await stack.enter_async_context(link)
                except UnreachableError as error:
                    problems.append(error)
                    self._advance()
                else:
                    break
            else:
                self._brief = False
                raise _combined(problems)
            self._brief = self.several
            if problems:
                text = "; ".join(map(str, problems))
                _log.warning("connected to MQTT broker %s instead: %s", self.current.address, text)
            yield link

    def ended(self, age_s: float) -> None:
        """A link is lost after so many seconds: after a long one the same broker is tried first."""
        if age_s < STABLE_S:
            self.leave(f"its link was lost after {age_s:.0f} s")

    def _advance(self) -> None:
        self._at = (self._at + 1) % len(self._brokers)


def _combined(problems: Sequence[UnreachableError]) -> UnreachableError:
    if len(problems) == 1:
        return problems[0]
    text = "; ".join(dict.fromkeys(map(str, problems)))
    retry_after = max((problem.retry_after or 0.0 for problem in problems), default=0.0) or None
    if all(isinstance(problem, AccessRefusedError) for problem in problems):
        return AccessRefusedError(f"no broker lets this client in: {text}", retry_after=retry_after)
    return UnreachableError(text, retry_after=retry_after)
