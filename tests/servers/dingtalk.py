"""The robot of a group in 钉钉, as public documentation describes it: what it takes, and how it refuses."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

PATH = "/robot/send"
_NEEDED: Mapping[str, Sequence[str]] = {
    "text": ("content",),
    "markdown": ("title", "text"),
    "link": ("title", "text", "messageUrl"),
    "actionCard": ("title", "text", "singleTitle", "singleURL"),
}
_HOUR_MS = 3_600_000
REFUSED = 310_000
"""`errcode` of a message that the security settings of the robot do not let through."""


@dataclass(frozen=True, slots=True)
class Robot:
    """Its security settings: a keyword that a message has one of, or a secret that signs the request."""

    token: str
    keywords: Sequence[str] = ()
    secret: str = ""

    def reply(self, path: str, body: Any, now_ms: int) -> dict[str, Any]:
        """What it answers to a POST with this path and query; the status of HTTP is 200 always."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        if query.get("access_token") != self.token:
            return {"errcode": 300_005, "errmsg": "token is not exist"}
        kind = body.get("msgtype")
        if kind not in _NEEDED:
            return {"errcode": 400_105, "errmsg": "unsupported msgtype"}
        missing = [name for name in _NEEDED[kind] if not body.get(kind, {}).get(name)]
        if missing:
            return {"errcode": 40_035, "errmsg": f"缺少参数 {missing[0]}"}
        words = "".join(
            str(body[kind][name]) for name in _NEEDED[kind] if name in ("title", "text", "content")
        )
        if self.keywords and not any(word in words for word in self.keywords):
            return {"errcode": REFUSED, "errmsg": "keywords not in content"}
        if self.secret and not self._is_signed(query, now_ms):
            return {"errcode": REFUSED, "errmsg": "sign not match"}
        return {"errcode": 0, "errmsg": "ok"}

    def _is_signed(self, query: Mapping[str, str], now_ms: int) -> bool:
        stamp = query.get("timestamp", "")
        if not stamp.isdecimal() or abs(now_ms - int(stamp)) > _HOUR_MS:
            return False
        return hmac.compare_digest(query.get("sign", ""), _signature(self.secret, stamp))


def signed(url: str, secret: str, now_ms: int) -> str:
    """The address as a program has it that signs its messages."""
    return f"{url}&timestamp={now_ms}&sign={quote_plus(_signature(secret, str(now_ms)))}"


def _signature(secret: str, stamp: str) -> str:
    code = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(code).decode()
