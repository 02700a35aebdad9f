"""A link: one connection to a broker, from the moment it is up to the moment it is lost."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode

from qilu.contract.errors import DataError, UnreachableError
from qilu.mqtt import reasons
from qilu.mqtt.guarded import GuardedClient, Message
from qilu.mqtt.refusals import refusal
from qilu.mqtt.settings import MqttSettings

__all__ = ["Link", "Message", "RefusedError"]

CONNECT_TIMEOUT = 5.0
ACK_TIMEOUT = 60.0
"""Seconds for an acknowledgement while the link lives; it will not come later, so only a new link helps."""
TAKEN_OVER_PAUSE = 10.0
"""Seconds before one that was pushed off comes back: two of one id would push each other off all the time."""
IN_FLIGHT = 20
"""Messages on the way without acknowledgement: mosquitto's own window; more wait in publish()."""
CAPACITY = 1000
"""Messages received and not yet taken by messages()."""

_MARGIN = 32  # bytes of a PUBLISH beside its topic and payload, rounded up


class RefusedError(DataError):
    """The broker will not take this message: `reason` is the MQTT 5 reason code, 0x80 or above.

    0x87 is not authorised, 0x95 too large, 0x97 quota exceeded. 3.1.1 cannot say it.
    """

    def __init__(self, problem: str, reason: int) -> None:
        super().__init__(problem)
        self.reason = reason


class Link:
    """Entering it connects (UnreachableError: where and why; ConfigError: which file), leaving disconnects.

    A link is used once: when it is lost, every call raises UnreachableError, and a new link is the way on.
    It starts with a clean session that ends with it, so nothing waits in the broker or in the client to be
    sent a second time: whoever publishes keeps what is not acknowledged.

    What arrives while `capacity` messages wait in front of messages() is discarded and counted in
    `discarded`: harmless, because records are sent again until they are answered, answers are repeated when
    they are, and retained notices come again with the next subscription.
    """

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        *,
        will: Message | None = None,
        capacity: int = CAPACITY,
        connect_timeout: float = CONNECT_TIMEOUT,
        ack_timeout: float = ACK_TIMEOUT,
    ) -> None:
        self._settings = settings
        self._client_id = client_id
        self._will = will
        self._capacity = capacity
        self._connect_timeout = connect_timeout
        self._ack_timeout = ack_timeout
        self._client: GuardedClient | None = None

    @property
    def discarded(self) -> int:
        """Incoming messages that found no room."""
        return 0 if self._client is None else self._client.discarded

    @property
    def max_payload(self) -> int | None:
        """Bytes that a message may have, less those of its topic; None where the broker set no bound."""
        if self._client is None or self._client.max_packet is None:
            return None
        return self._client.max_packet - _MARGIN

    async def __aenter__(self) -> Self:
        client = self._build()
        # Connecting runs in a thread that cannot be cancelled: let it end, and leave no connection behind.
        entering = asyncio.ensure_future(client.__aenter__())
        try:
            await asyncio.shield(entering)
        except aiomqtt.MqttError as error:
            await client.leave()
            raise refusal(self._settings, error, self._connect_timeout) from error
        except ssl.CertificateError as error:
            raise UnreachableError(f"MQTT broker {self._settings.address}: {error}") from error
        except asyncio.CancelledError:
            with suppress(aiomqtt.MqttError, OSError):
                await entering
            await client.leave()
            raise
        self._client = client
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.leave()

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Return once the broker has acknowledged it (qos 0: once it is on its way).

        False when the broker says that nobody subscribes to it; True also where it does not say.
        RefusedError when it will never be taken as it is; UnreachableError as soon as the link is lost, or
        when the broker lives and does not acknowledge it.
        """
        client = self._open()
        if client.max_packet is not None and len(payload) + len(topic) + _MARGIN > client.max_packet:
            raise RefusedError(
                f"{topic}: {len(payload)} bytes are more than the broker's packets of {client.max_packet}",
                reasons.PACKET_TOO_LARGE,
            )
        try:
            async with asyncio.timeout(self._ack_timeout):
                reason = await client.send(topic, payload, qos, retain)
        except TimeoutError as error:
            if client.lost:  # what the system calls so when a connection ends
                raise self._ended() from error
            what = f"no acknowledgement of {topic} for {self._ack_timeout:g} s"
            raise UnreachableError(f"MQTT broker {self._settings.address}: {what}") from error
        except (aiomqtt.MqttError, OSError) as error:
            raise self._ended() from error
        if reason >= reasons.FAILURE:
            raise RefusedError(f"{topic}: refused by the broker: {reasons.in_words(reason)}", reason)
        return reason != reasons.NO_MATCHING_SUBSCRIBERS

    async def subscribe(self, filters: Sequence[str], *, qos: int = 1) -> None:
        """Return once the broker has granted all of them; UnreachableError when it refuses one or is lost."""
        client = self._open()
        try:
            granted = await client.ask_for(filters, qos)
        except (aiomqtt.MqttError, OSError) as error:
            raise self._ended() from error
        refused = [
            f"{one} ({reasons.in_words(reason)})"
            for one, reason in zip(filters, granted, strict=True)
            if reason >= reasons.FAILURE
        ]
        if refused:
            raise UnreachableError(
                f"MQTT broker {self._settings.address} refuses the subscription to {', '.join(refused)}; "
                "see its access list"
            )

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Yield what arrives, in order; UnreachableError when the link is lost and all has been yielded.

        For one reader at a time.
        """
        client = self._open()
        incoming = client.incoming
        while True:
            while incoming:
                yield incoming.popleft()
            if client.lost:
                raise self._ended()
            await client.arrival()

    def _build(self) -> GuardedClient:
        settings, will = self._settings, self._will
        five = settings.protocol == "5"
        return GuardedClient(
            settings.host,
            settings.port,
            capacity=self._capacity,
            identifier=self._client_id,
            username=settings.username,
            password=settings.password(),
            protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
            clean_session=None if five else True,
            # paho asks after one such time of silence and gives up after another
            keepalive=max(1, int(settings.keepalive / 2)),
            connect_timeout=self._connect_timeout,
            max_inflight_messages=IN_FLIGHT,
            tls=None if settings.tls is None else settings.tls.context(),
            will=None if will is None else aiomqtt.Will(will.topic, will.payload, 1, will.retain),
        )

    def _open(self) -> GuardedClient:
        if self._client is None:
            raise RuntimeError("a link is used inside `async with`")
        if self._client.lost:
            raise self._ended()
        return self._client

    def _ended(self) -> UnreachableError:
        """Why the link ended, in words, with what can be done about it."""
        place = f"MQTT broker {self._settings.address}"
        error = None if self._client is None else self._client.why_lost()
        reason = getattr(error, "rc", None)
        if isinstance(reason, ReasonCode) and reason.value == reasons.SESSION_TAKEN_OVER:
            return UnreachableError(
                f"{place}: another client uses the id {self._client_id!r} and took over (0x8E); "
                "give each its own id, and let only one of a copied installation run",
                retry_after=TAKEN_OVER_PAUSE,
            )
        if isinstance(reason, ReasonCode) and reason.value == reasons.KEEPALIVE_TIMEOUT:
            return UnreachableError(
                f"{place}: connection lost, nothing came for {self._settings.keepalive:g} s"
            )
        if isinstance(reason, ReasonCode) and reason.value != reasons.UNSPECIFIED:
            return UnreachableError(f"{place}: connection lost ({reasons.in_words(reason.value)})")
        if error is None:
            return UnreachableError(f"{place}: the link is closed")
        # Not every broker names a take-over: mosquitto 2.0.11 just closes, as it does when it ends.
        why = "" if isinstance(reason, ReasonCode) else f": {error}"
        return UnreachableError(
            f"{place}: connection lost{why} (if it comes back only to be lost again and again: "
            f"does another client use the id {self._client_id!r}?)"
        )
