"""A link: one connection to a broker, from the moment it is up to the moment it is lost."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Self, TypeVar

import aiomqtt

from qilu.contract.errors import DataError, LinkEnd, LinkLostError, UnreachableError
from qilu.mqtt import reason_codes as reasons
from qilu.mqtt.connect_errors import explain_connect_error
from qilu.mqtt.keepalive import Keepalive
from qilu.mqtt.link_errors import LinkLoss, Publish, access_remedy, explain
from qilu.mqtt.paho_adapter import Message, PahoAdapter
from qilu.mqtt.settings import MqttSettings
from qilu.mqtt.transport import Proxy, Transport
from qilu.runtime.certificates import Trust, explain_distrust

__all__ = ["BrokerConnection", "Message", "RefusedError"]

CONNECT_TIMEOUT = 5.0
ACK_TIMEOUT = 60.0
"""Seconds without any acknowledgement while one is waited for: the link lives, but only a new one helps."""
MAX_ACK_TIMEOUTS = 10
"""A single message waits for its acknowledgement for so many times of that, while others get theirs."""
IN_FLIGHT = 20
"""Messages on the way without acknowledgement: mosquitto's own window; more wait in publish()."""
CAPACITY = 1000
"""Messages received and not yet taken by messages()."""
CAPACITY_BYTES = 64_000_000
"""Bytes of their topics and payloads; a single message beyond it is never taken."""

_T = TypeVar("_T")
_MARGIN = 32  # bytes of a PUBLISH beside its topic and payload, rounded up


class RefusedError(DataError):
    """The broker will not take this message: `reason` is the MQTT 5 reason code, 0x80 or above.

    0x87 is not authorised, 0x95 too large, 0x97 quota exceeded. 3.1.1 has no such code.
    """

    def __init__(self, problem: str, reason: int) -> None:
        super().__init__(problem)
        self.reason = reason


class BrokerConnection:
    """Entering it connects (UnreachableError: where and why; ConfigError: which file), leaving disconnects.

    A link is used once: when it is lost, every call raises UnreachableError, and a new link is the way on.
    It starts with a clean session that ends with it, so nothing waits in the broker or in the client to be
    sent a second time: whoever publishes keeps what is not acknowledged.

    What arrives while `capacity` messages, or `capacity_bytes` of them, wait in front of messages() is
    discarded and counted in `discarded`: harmless, because records are sent again until they are answered,
    answers are repeated when they are, and retained notices come again with the next subscription.
    """

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        *,
        will: Message | None = None,
        capacity: int = CAPACITY,
        capacity_bytes: int = CAPACITY_BYTES,
        connect_timeout: float = CONNECT_TIMEOUT,
        ack_timeout: float | None = None,
        keepalive: Keepalive | None = None,
    ) -> None:
        """`keepalive`: what the links before this one have shown of the line. `ack_timeout`: seconds; default
        ACK_TIMEOUT, or twice the keepalive where that is longer."""
        self._settings = settings
        self._client_id = client_id
        self._will = will
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._connect_timeout = connect_timeout
        self._keepalive = Keepalive(settings.keepalive) if keepalive is None else keepalive
        self._keepalive_s = self._keepalive.seconds
        # While a message passes a thin line no acknowledgement can come: the keepalive knows for how long.
        self._ack_timeout = max(ACK_TIMEOUT, 2 * self._keepalive_s) if ack_timeout is None else ack_timeout
        self._client: PahoAdapter | None = None
        self._waiting: dict[asyncio.Future[int], Publish] = {}
        self._acknowledged_at = 0.0
        self._lost: LinkLoss | None = None
        self._next_keepalive_s = self._keepalive_s

    @property
    def discarded(self) -> int:
        """Incoming messages that found no room."""
        return 0 if self._client is None else self._client.discarded

    async def __aenter__(self) -> Self:
        client = self._build()
        # Connecting runs in a thread that cannot be cancelled: let it end, and leave no connection behind.
        entering = asyncio.ensure_future(client.__aenter__())
        try:
            await asyncio.shield(entering)
        except aiomqtt.MqttError as error:
            await client.disconnect()
            if isinstance(error.__context__, ssl.SSLCertVerificationError):
                raise await self._distrust(error.__context__) from error
            raise explain_connect_error(self._settings, error, self._connect_timeout) from error
        except asyncio.CancelledError:
            with suppress(aiomqtt.MqttError, OSError):
                await entering
            await client.disconnect()
            raise
        self._client = client
        self._keepalive.opened()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.disconnect()

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Return once the broker has acknowledged it (qos 0: once it is on its way).

        False when the broker reports that nobody subscribes to it; True also where it does not report it.
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
            sent = client.send(topic, payload, qos, retain)
        except (aiomqtt.MqttError, OSError) as error:
            raise self._ended() from error
        publish = self._waiting[sent] = Publish(topic, len(payload), self._now())
        try:
            reason = await self._acknowledgement(sent, f"of the message on {topic}")
        finally:
            del self._waiting[sent]
        self._keepalive.acknowledged(publish.size_bytes, self._now() - publish.sent_at)
        if reason >= reasons.FAILURE:
            remedy = (
                access_remedy(self._settings, "publish", topic) if reason == reasons.NOT_AUTHORISED else ""
            )
            raise RefusedError(f"{topic}: refused by the broker: {reasons.in_words(reason)}{remedy}", reason)
        return reason != reasons.NO_MATCHING_SUBSCRIBERS

    async def subscribe(self, filters: Sequence[str], *, qos: int = 1) -> None:
        """Return once the broker has granted all of them.

        UnreachableError when it refuses one, does not answer, or the link is lost.
        """
        client = self._open()
        try:
            sent = client.request_subscription(filters, qos)
        except (aiomqtt.MqttError, OSError) as error:
            raise self._ended() from error
        granted = await self._acknowledgement(sent, f"of the subscription to {', '.join(filters)}")
        refused = [
            f"{topic_filter} ({reasons.refused_subscription(reason)})"
            for topic_filter, reason in zip(filters, granted, strict=True)
            if reason >= reasons.FAILURE
        ]
        if refused:
            what = f"refuses the subscription to {', '.join(refused)}"
            remedy = access_remedy(self._settings, "subscribe", "there")
            raise LinkLostError(f"MQTT broker {self._settings.address} {what}{remedy}", LinkEnd.EXPLAINED)

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Yield what arrives, in order; UnreachableError when the link is lost and all has been yielded.

        For one reader at a time.
        """
        client = self._open()
        incoming = client.incoming
        while True:
            while incoming:
                yield client.take()
            if client.lost:
                raise self._ended()
            await client.wait_message()

    async def _acknowledgement(self, sent: asyncio.Future[_T], of_what: str) -> _T:
        """What the broker answers. LinkLostError: the link is lost, or nothing is acknowledged any more."""
        started = self._now()
        while not sent.done():
            since = max(started, self._acknowledged_at)
            ends = min(since + self._ack_timeout, started + MAX_ACK_TIMEOUTS * self._ack_timeout)
            if self._now() >= ends:
                what = f"no acknowledgement {of_what} for {round(self._now() - started, 1):g} s"
                text = f"MQTT broker {self._settings.address}: {what}, though the link stands"
                raise LinkLostError(f"{text}; see the broker's log", LinkEnd.EXPLAINED)
            await asyncio.wait((sent,), timeout=ends - self._now())
        self._acknowledged_at = self._now()
        try:
            return sent.result()
        except (aiomqtt.MqttError, OSError) as error:
            raise self._ended() from error

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _build(self) -> PahoAdapter:
        settings, will = self._settings, self._will
        five = settings.protocol == "5"
        proxy = settings.proxy
        transport = Transport(
            settings.host,
            settings.port,
            None if settings.tls is None else settings.tls.context("mqtt.tls"),
            settings.websocket,
            None if proxy is None else Proxy(proxy.host, proxy.port, proxy.username, proxy.password()),
        )
        return PahoAdapter(
            transport,
            capacity=self._capacity,
            capacity_bytes=self._capacity_bytes,
            identifier=self._client_id,
            username=settings.username,
            password=settings.password(),
            protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
            clean_session=None if five else True,
            # paho asks after one such time of silence and gives up after another
            keepalive=max(1, int(self._keepalive_s / 2)),
            connect_timeout=self._connect_timeout,
            max_inflight_messages=IN_FLIGHT,
            will=None if will is None else aiomqtt.Will(will.topic, will.payload, 1, will.retain),
        )

    async def _distrust(self, error: ssl.SSLCertVerificationError) -> UnreachableError:
        settings = self._settings
        ca = None if settings.tls is None else settings.tls.ca
        trust = Trust(settings.host, settings.port, "mqtt.host", ca, "mqtt.tls.ca")
        problem = await explain_distrust(trust, error, self._connect_timeout)
        return UnreachableError(f"MQTT broker {settings.address}: {problem}")

    def _open(self) -> PahoAdapter:
        if self._client is None:
            raise RuntimeError("a link is used inside `async with`")
        if self._client.lost:
            raise self._ended()
        return self._client

    def _ended(self) -> LinkLostError:
        """Why the link ended, in words, with what can be done about it."""
        if self._lost is None:  # what waits is known to the first who asks: the others are cancelled by then
            error = None if self._client is None else self._client.disconnect_error()
            waiting = tuple(self._waiting.values())
            self._lost = LinkLoss(
                self._settings, self._client_id, error, self._keepalive_s, waiting, self._now()
            )
            self._keepalive.ended(timed_out=self._lost.timed_out, waiting_bytes=self._lost.waiting_bytes)
            self._next_keepalive_s = self._keepalive.seconds
        return explain(self._lost, self._next_keepalive_s)
