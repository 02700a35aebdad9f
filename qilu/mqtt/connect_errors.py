"""Why a broker could not be entered, in words, with what can be done about it."""

from __future__ import annotations

import socket

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode

from qilu.contract.errors import AccessRefusedError, UnreachableError
from qilu.mqtt import reason_codes as reasons
from qilu.mqtt.settings import MqttSettings
from qilu.mqtt.transport import ProxyRefusedError
from qilu.runtime.network_errors import describe_network_error


def explain_connect_error(
    settings: MqttSettings, error: aiomqtt.MqttError, waited: float
) -> UnreachableError:
    """What `error` means for whoever wrote `settings`. `waited`: seconds that the broker had to answer."""
    place = f"MQTT broker {settings.address}"
    reason = getattr(error, "rc", None)
    if isinstance(reason, ReasonCode):
        refused = reason.value in (reasons.BAD_USER, reasons.NOT_AUTHORISED, reasons.BANNED)
        family = AccessRefusedError if refused else UnreachableError
        return family(f"{place} {_refusal_text(settings, reason.value)}")
    if isinstance(error.__context__, OSError):  # aiomqtt hides it behind its own error, which has no type
        return UnreachableError(f"{place}: {_unreached(settings, error.__context__, waited)}")
    if "timed out" in str(error):
        return UnreachableError(f"{place}: no reply within {waited:g} s; is the listener a broker?")
    wants = "does it want a client certificate?" if settings.tls else "does it want TLS?"
    return UnreachableError(f"{place}: {error}; does it speak MQTT {settings.protocol}, {wants}")


def _refusal_text(settings: MqttSettings, reason: int) -> str:
    words = reasons.in_words(reason)
    if reason in (reasons.BAD_USER, reasons.NOT_AUTHORISED):
        who = f"user {settings.username!r}" if settings.username else "a client without a user"
        remedy = (
            "see mqtt.username, the password and the broker's list of users, which may bind a user to one"
            " client id (qilu-EDGE, qilu-INGESTER)"
        )
        return f"does not let in {who} ({words}); {remedy}"
    if reason == reasons.UNSUPPORTED_PROTOCOL:
        other = "3.1.1" if settings.protocol == "5" else "5"
        return f"does not speak MQTT {settings.protocol}; set mqtt.protocol to {other}"
    return f"refuses the connection ({words})"


def _unreached(settings: MqttSettings, error: OSError, waited: float) -> str:
    if isinstance(error, ProxyRefusedError):
        return f"{error}; see mqtt.proxy, and which connections the proxy allows"
    if isinstance(error, paho.WebsocketConnectionError):
        return f"{error}; does it take WebSocket at {settings.websocket} (mqtt.websocket)?"
    if settings.proxy is not None and isinstance(error, ConnectionRefusedError | socket.gaierror):
        return f"the proxy: {describe_network_error(error)}; correct mqtt.proxy"
    if isinstance(error, ConnectionRefusedError):
        return f"{describe_network_error(error)}; start the broker, or correct mqtt.host and mqtt.port"
    if isinstance(error, socket.gaierror):
        return f"{describe_network_error(error)}; correct mqtt.host, or write the address itself"
    if isinstance(error, TimeoutError):
        return f"no reply within {waited:g} s; start the machine, or correct mqtt.host and mqtt.port"
    return f"{describe_network_error(error)}; see mqtt.host and mqtt.port, and the network between"
