"""An HTTP server that takes whatever is sent to it and keeps it: the far end of webhooks."""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.servers.process import HOST


@dataclass(frozen=True, slots=True)
class Taken:
    """One request."""

    path: str
    body: Any
    """Of JSON; None where there is none."""


class Receiver:
    """Keeps each request in `taken`; replies with the JSON of `replies` by the path before `?`, else `{}`.

    A reply may be a function of the request.
    """

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.replies: dict[str, Any] = {}
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where clients find it, without a slash at the end."""
        assert self._server is not None
        return f"http://{HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def _take(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                taken = Taken(self.path, json.loads(content) if content else None)
                owner.taken.append(taken)
                found = owner.replies.get(self.path.partition("?")[0], {})
                reply = json.dumps(found(taken) if callable(found) else found).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            do_GET = do_POST = _take  # noqa: N815 - the names are of http.server

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
