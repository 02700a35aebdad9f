"""Requests, responses and routes as applications write them, without the HTTP library."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal, TypeAlias

from qilu.contract.errors import QiluError

Access: TypeAlias = Literal["open", "wall", "viewer", "operator"]
"""Who may use a route: anybody, also a screen on the wall, who may read, who may also change."""


class Role(IntEnum):
    """What a caller may do; a higher role may do all that a lower one may."""

    NOBODY = 0
    WALL = 1
    """A screen on the wall: the routes and topics of one view."""
    VIEWER = 2
    """Sees and exports."""
    OPERATOR = 3
    """Also changes: sends again, reloads, injects."""

    def may(self, access: Access) -> bool:
        """Whether this role may use a route with this access."""
        return self >= _NEEDED[access]


_NEEDED: Mapping[str, Role] = {
    "open": Role.NOBODY,
    "wall": Role.WALL,
    "viewer": Role.VIEWER,
    "operator": Role.OPERATOR,
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request. `name`: of the token, or `local` where none is needed."""

    role: Role
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request whose caller has the access that its route asks for."""

    method: str
    path: Mapping[str, str]
    """The parts of the path that the route names in braces, decoded."""
    query: Mapping[str, str]
    """Of a key that is there several times, the last one."""
    caller: Caller
    body: Any = None
    """The parsed JSON document; None where the request has none."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """With names in lower case; without cookies and tokens."""
    connected: Callable[[], bool] = lambda: True
    """Whether the client still waits: long work may end where it does not."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response. `body`: a value for JSON, bytes, or chunks of bytes for a download of any length."""

    body: Any = None
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def chunks(self) -> AsyncIterator[bytes] | None:
        """The chunks of a download; None where the body is whole."""
        return self.body if isinstance(self.body, AsyncIterator) else None


class RefusalError(QiluError):
    """A request that cannot be served: becomes `{"error": {"code", "text", "remedy"}}` with `status`."""

    def __init__(
        self, status: int, code: str, text: str, remedy: str = "", *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.remedy = status, code, text, remedy
        self.headers = headers or {}

    def response(self) -> Response:
        error = {"code": self.code, "text": self.text, "remedy": self.remedy}
        return Response({"error": error}, self.status, headers=self.headers)


Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """What is done for one method and path. `path` may have parts in braces: `/api/v1/devices/{device}`."""

    method: str
    path: str
    handler: Handler
    access: Access = "viewer"
    timeout_s: float = 30.0
    """Upper bound of the time for the handler."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something was changed over HTTP: who, when, what. `body`: the JSON document of the request."""

    time_ms: int
    caller: Caller
    method: str
    path: str
    body: Any
    status: int


def integer(query: Mapping[str, str], key: str, default: int, low: int, high: int) -> int:
    """The number of a key of the query, from `low` to `high`; RefusalError where it is none."""
    text = query.get(key)
    if text is None:
        return default
    try:
        number = int(text)
    except ValueError:
        number = low - 1
    if not (text.isascii() and text.isdecimal() and low <= number <= high):
        raise RefusalError(400, "query", f"{key} is not a number from {low} to {high}", f"correct {key}")
    return number
