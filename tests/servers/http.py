"""The few HTTP requests that tests put to real stores, with nothing but the standard library."""

import http.client
import urllib.parse
from collections.abc import Mapping
from typing import NamedTuple

from tests.servers.process import HOST


class Reply(NamedTuple):
    """What a server answered; status 0 stands for no answer at all."""

    status: int
    body: bytes


def ask(
    port: int,
    method: str,
    path: str,
    parameters: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 10,
) -> Reply:
    """One request to a server on this machine; never raises for what the server does."""
    target = path + ("?" + urllib.parse.urlencode(parameters) if parameters else "")
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request(method, target, body)
        response = connection.getresponse()
        return Reply(response.status, response.read())
    except (OSError, http.client.HTTPException) as error:
        return Reply(0, str(error).encode())
    finally:
        connection.close()
