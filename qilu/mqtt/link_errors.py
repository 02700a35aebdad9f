"""Why a link ended, and why a broker refuses a topic: the text for the operator, with a remedy."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from paho.mqtt.reasoncodes import ReasonCode

from qilu.contract.errors import LinkEnd, LinkLostError
from qilu.mqtt import reason_codes as reasons
from qilu.mqtt.settings import MqttSettings

TAKEOVER_PAUSE_S = 10.0
"""Seconds before one that was pushed off comes back: two of one id would push each other off all the time."""
_BROKER_TIMEOUT_SHARE = 0.7
"""Part of the keepalive after which a broker may close a link on which no whole packet arrives.

We announce half of the keepalive, and a broker waits for one and a half times of that (MQTT 5, 3.1.2.10)."""


@dataclass(frozen=True, slots=True)
class Publish:
    """A message that waits for its acknowledgement; `sent_at`: seconds of the loop's clock."""

    topic: str
    size_bytes: int
    sent_at: float


@dataclass(frozen=True, slots=True)
class LinkLoss:
    """What is known when a link is lost. `waiting`: messages without acknowledgement."""

    settings: MqttSettings
    client_id: str
    error: BaseException | None
    keepalive_s: float
    waiting: Collection[Publish]
    now: float

    @property
    def reason(self) -> int | None:
        """The reason code of the broker, or of paho for it; None without one."""
        code = getattr(self.error, "rc", None)
        return code.value if isinstance(code, ReasonCode) else None

    @property
    def timed_out(self) -> bool:
        """Whether nothing came through for so long that the line, or its speed, is the cause."""
        waited = max((self.now - publish.sent_at for publish in self.waiting), default=0.0)
        return self.reason == reasons.KEEPALIVE_TIMEOUT or (
            self.reason in (None, reasons.UNSPECIFIED) and waited >= _BROKER_TIMEOUT_SHARE * self.keepalive_s
        )

    @property
    def waiting_bytes(self) -> int:
        """Of the longest message without acknowledgement."""
        return max((publish.size_bytes for publish in self.waiting), default=0)


def explain(lost: LinkLoss, next_keepalive_s: float) -> LinkLostError:
    """The error for whoever uses a link that is lost; a new one each time, as each has its own traceback."""
    place = f"MQTT broker {lost.settings.address}"
    reason = lost.reason
    if reason == reasons.SESSION_TAKEN_OVER:
        return LinkLostError(
            f"{place}: another client uses the id {lost.client_id!r} and took over (0x8E); "
            "give each its own id, and let only one of a copied installation run",
            LinkEnd.EXPLAINED,
            retry_after=TAKEOVER_PAUSE_S,
        )
    if lost.timed_out:
        return LinkLostError(f"{place}: {_timeout_text(lost, next_keepalive_s)}", LinkEnd.TIMED_OUT)
    if reason == reasons.NOT_AUTHORISED:
        topics = sorted({publish.topic for publish in lost.waiting})
        remedy = access_remedy(lost.settings, "publish", " and ".join(topics) or "and to subscribe")
        return LinkLostError(
            f"{place}: closed the link ({reasons.in_words(reason)}){remedy}", LinkEnd.EXPLAINED
        )
    if reason is not None and reason != reasons.UNSPECIFIED:
        end = LinkEnd.CLOSED if reason in reasons.OF_A_PACKET else LinkEnd.EXPLAINED
        return LinkLostError(f"{place}: connection lost ({reasons.in_words(reason)})", end)
    if lost.error is None:
        return LinkLostError(f"{place}: the link is closed", LinkEnd.EXPLAINED)
    return LinkLostError(f"{place}: {_closed(lost)}", LinkEnd.CLOSED)


def access_remedy(settings: MqttSettings, verb: str, topic: str) -> str:
    """What to do about an access list that forbids something."""
    who = f"user {settings.username!r}" if settings.username else "clients without a user"
    return f"; let {who} {verb} {topic} in the broker's access list (ACL)"


def _timeout_text(lost: LinkLoss, next_keepalive_s: float) -> str:
    text = f"connection lost, nothing came for {lost.keepalive_s:g} s"
    if next_keepalive_s <= lost.keepalive_s:
        return text
    return (
        f"{text} while a message of {lost.waiting_bytes} bytes was on its way; the next link waits for"
        f" {next_keepalive_s:g} s, in case the line is thin (mqtt.keepalive)"
    )


def _closed(lost: LinkLoss) -> str:
    # Not every broker names a take-over: mosquitto 2.0.11 just closes, as it does when it ends.
    why = "" if lost.reason is not None else f": {lost.error}"
    text = (
        f"connection lost{why} (if it comes back only to be lost again and again: "
        f"does another client use the id {lost.client_id!r}?"
    )
    topics = sorted({publish.topic for publish in lost.waiting})
    if not topics:
        return f"{text})"
    who = f"user {lost.settings.username!r}" if lost.settings.username else "clients without a user"
    return f"{text} does the broker's access list let {who} publish {' and '.join(topics)}?)"
