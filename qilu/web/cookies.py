"""The cookie of a session: its name, and the rules under which a browser keeps and sends it."""

from __future__ import annotations

import hashlib

from aiohttp import web

from qilu.web.settings import WebSettings

SESSION_PATH = "/api/v1/session"


class CookieRules:
    """Cookies are shared by all ports of a host, so that the name tells servers apart."""

    def __init__(self, name: str, settings: WebSettings) -> None:
        digest = hashlib.sha256(f"{name}|{settings.listen}|{settings.base}".encode()).hexdigest()
        self.name = f"qilu_{digest[:10]}"

    def give(self, response: web.Response, value: str, max_age_s: int, *, secure: bool) -> None:
        """Hand the cookie to the browser; no script reads it, and no other site makes the browser send it."""
        response.set_cookie(
            self.name, value, max_age=max_age_s, path="/", httponly=True, secure=secure, samesite="Strict"
        )

    def remove(self, response: web.Response) -> None:
        """Make the browser forget it."""
        response.del_cookie(self.name, path="/", httponly=True, samesite="Strict")
