"""Finds the route of a request by its method and path; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qilu.web.exchange import RefusalError, Route

_NAMED = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class _Pattern:
    expression: re.Pattern[str]
    route: Route


class Router:
    """The routes of a server; of two that fit, the first one counts."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._patterns = [_Pattern(_expression(route.path), route) for route in routes]

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
        """The route with the named parts of the path; None: no route has this path.

        `path` is decoded already; a part in braces never contains a slash. RefusalError: another method.
        """
        wanted = "GET" if method == "HEAD" else method
        other_methods = []
        for pattern in self._patterns:
            if (match := pattern.expression.fullmatch(path)) is None:
                continue
            if pattern.route.method == wanted:
                return pattern.route, match.groupdict()
            other_methods.append(pattern.route.method)
        if other_methods:
            allowed = ", ".join(sorted(set(other_methods)))
            headers = {"Allow": allowed}
            raise RefusalError(405, "method", f"{path} does not allow this method", allowed, headers=headers)
        return None


def _expression(path: str) -> re.Pattern[str]:
    parts = _NAMED.split(path)
    texts = [re.escape(text) if i % 2 == 0 else f"(?P<{text}>[^/]+)" for i, text in enumerate(parts)]
    return re.compile("".join(texts))
