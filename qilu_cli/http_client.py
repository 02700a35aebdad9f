"""Requests to a server of ours, with the client of the standard library: a command needs no more."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from qilu.contract.errors import ConfigError, QiluError, UnreachableError

_TOKEN_VARIABLE = "QILU_TOKEN"
"""The environment variable with a token, where the server demands one."""
_MAX_REPLY = 4_000_000


class Server(NamedTuple):
    """Which server is meant, as the messages name it."""

    wrong: str
    """What another server is, such as `no plant`."""
    key: str
    """A key that every reply has."""
    role: str
    """Of the token that it may demand."""
    timeout_s: float

    def ask(self, url: str, method: str = "GET", body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """The object that it replies; blocks.

        ConfigError: the server refuses the request. UnreachableError: another server, or none (OSError is
        its cause).
        """
        request = Request(url, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if token := os.environ.get(_TOKEN_VARIABLE):
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=self.timeout_s) as response:
                reply = _decoded(response.read(_MAX_REPLY))
        except HTTPError as error:
            raise self._refusal(url, error) from None
        except (OSError, ValueError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise UnreachableError(f"nothing replies at {url} ({reason}): is the process running?") from error
        if not isinstance(reply, dict) or self.key not in reply:
            raise UnreachableError(f"the server at {url} is {self.wrong}")
        return reply

    def _refusal(self, url: str, error: HTTPError) -> QiluError:
        content = _decoded(error.read(_MAX_REPLY))
        detail = content.get("error") if isinstance(content, dict) else None
        if not isinstance(detail, dict):
            return UnreachableError(f"the server at {url} is {self.wrong}")
        text, remedy = str(detail.get("text")), str(detail.get("remedy") or "")
        if detail.get("code") == "token":
            remedy = f"put one into {_TOKEN_VARIABLE}; `qilu console token {self.role} FILE` makes one"
        if error.code == 503:
            return UnreachableError(f"{url}: {text}; {remedy}")
        return ConfigError(text, remedy=remedy or None)


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
