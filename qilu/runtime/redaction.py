"""Takes secrets out of texts that people or other machines will read: logs, errors, reasons of rejections."""

from __future__ import annotations

import re

HIDDEN = "***"
_MIN_LENGTH = 8
"""A shorter secret is a word that texts have anyway."""
_MAX_SECRETS = 1000
_USER = re.compile(r"[^\s'\"/@:]{0,256}:[^\s'\"/@]{0,256}@|(?<=://)[^\s'\"/@]{1,256}@")
"""`user:password@` of an address, or a token in the place of both."""
_PARAMETER = re.compile(
    r"([?&][\w-]{0,64}(?:token|pass|secret|key|auth)[\w-]{0,64}=)[^\s&'\"]+", re.IGNORECASE
)

_known: dict[str, None] = {}


def remember(secret: str) -> None:
    """From now on no text has this secret, nor a line of it."""
    for line in secret.splitlines():
        if len(line) >= _MIN_LENGTH and line not in _known:
            if len(_known) >= _MAX_SECRETS:
                del _known[next(iter(_known))]
            _known[line] = None


def redacted(text: str) -> str:
    """`text` without the secrets that were read, and without what looks like one in an address."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    if "@" in text:
        text = _USER.sub(f"{HIDDEN}@", text)
    return _PARAMETER.sub(rf"\1{HIDDEN}", text) if "=" in text else text
