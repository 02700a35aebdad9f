"""The reason codes of MQTT 5 (section 2.4) that a link acts on, and the words for all of them."""

from __future__ import annotations

FAILURE = 0x80
"""Codes from here on are failures."""
NO_MATCHING_SUBSCRIBERS = 0x10
UNSPECIFIED = 0x80
UNSUPPORTED_PROTOCOL = 0x84
BAD_USER = 0x86
NOT_AUTHORISED = 0x87
BANNED = 0x8A
KEEPALIVE_TIMEOUT = 0x8D
SESSION_TAKEN_OVER = 0x8E
PACKET_TOO_LARGE = 0x95
OF_A_PACKET = frozenset((0x80, 0x81, 0x82, 0x83, PACKET_TOO_LARGE, 0x99))
"""Reasons to end a connection for what was sent; mosquitto sends 0x82 for a message beyond its limit."""


def in_words(reason: int) -> str:
    """The name of a reason code and its number, such as "not authorised, 0x87"."""
    name = _NAMES.get(reason, "failure")
    return f"{name}, 0x{reason:02X}"


def refused_subscription(reason: int) -> str:
    """The name of a reason code of a SUBACK; of MQTT 3.1.1, which has one code for every failure, too."""
    if reason == UNSPECIFIED:
        return "failure, 0x80: MQTT 3.1.1 gives no reason, and most often it is the access list"
    return in_words(reason)


_NAMES = {
    0x00: "closed",
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x84: "unsupported protocol version",
    0x85: "client id not valid",
    0x86: "bad user name or password",
    0x87: "not authorised",
    0x88: "server unavailable",
    0x89: "server busy",
    BANNED: "banned",
    0x8B: "server shutting down",
    0x8D: "keepalive timeout",
    0x8E: "session taken over",
    0x8F: "topic filter invalid",
    0x90: "topic name invalid",
    0x93: "receive maximum exceeded",
    0x95: "packet too large",
    0x96: "message rate too high",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x99: "payload format invalid",
    0x9A: "retain not supported",
    0x9B: "QoS not supported",
    0x9C: "use another server",
    0x9D: "server moved",
    0x9E: "shared subscriptions not supported",
    0x9F: "connection rate exceeded",
    0xA1: "subscription identifiers not supported",
    0xA2: "wildcard subscriptions not supported",
}
