"""Records that a store rejected are shown at the console, and sent again on request."""

from __future__ import annotations

import errno
from typing import Any
from unittest import mock

from tests.gateway.console.conftest import Client

REASON = "bad_value: pressure is beyond what a store can hold"


async def post(client: Client, body: Any, status: int = 200) -> Any:
    url = client.console.server.url.rstrip("/") + "/api/v1/commands/requeue"
    async with client.session.post(url, json=body) as response:
        assert response.status == status, await response.text()
        return await response.json()


def set_aside(client: Client) -> None:
    """The store rejects the two oldest records."""
    spool = client.console.gateway.spool
    offsets = list(spool.pending()[spool.stream])[:2]
    spool.quarantine(spool.stream, dict.fromkeys(offsets, REASON))


async def test_what_is_set_aside_is_shown_and_sent_again_with_an_event(client: Client) -> None:
    set_aside(client)
    records = (await client.get("/api/v1/quarantine"))["records"]
    assert [record["reason"] for record in records] == [REASON] * 2
    [route] = [one for one in client.console.routes if one.path == "/api/v1/commands/requeue"]
    assert route.access == "operator"
    assert await post(client, {"all": True}) == {"records": 2}
    assert await client.get("/api/v1/quarantine") == {"records": []}
    assert await post(client, {"all": True}) == {"records": 0}
    kinds = [event["kind"] for event in (await client.get("/api/v1/events"))["events"]]
    assert kinds.count("requeue") == 1
    event = next(e for e in (await client.get("/api/v1/events"))["events"] if e["kind"] == "requeue")
    assert event["text"]["en"] == "local (127.0.0.1) let 2 quarantined records be sent again"


async def test_only_a_request_for_all_of_them_is_taken(client: Client) -> None:
    set_aside(client)
    wrong: list[Any] = [{}, {"all": False}, {"all": 1}, {"all": True, "more": 1}, [], 1]
    for body in wrong:
        assert (await post(client, body, 400))["error"]["code"] == "body"
    assert len((await client.get("/api/v1/quarantine"))["records"]) == 2


async def test_a_disk_that_refuses_is_reported_and_the_records_stay(client: Client) -> None:
    set_aside(client)
    spool = client.console.gateway.spool
    with mock.patch.object(spool._files, "rename", side_effect=OSError(errno.EROFS, "read-only")):
        error = (await post(client, {"all": True}, 503))["error"]
    assert error["code"] == "disk"
    assert "read-only" in error["text"]
    assert await post(client, {"all": True}) == {"records": 2}
