"""Records that a store rejected, at the console: what they are, and sending them again."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.spool.requeue import QuarantinedRecord, quarantined
from qilu.contract.errors import UnreachableError
from qilu.web.exchange import RefusalError, Request, Response, Route, integer

_DEFAULT = 100
_MAX_RECORDS = 1000
_MAX_BODY = 4000
_TIMEOUT_S = 60.0


class QuarantineRoutes:
    """The routes. `requeue` returns how many records it made pending; `requeued` is called with who asked."""

    def __init__(
        self,
        spool: Path,
        requeue: Callable[[], Awaitable[int]],
        requeued: Callable[[str, int], None],
    ) -> None:
        self._spool = spool
        self._requeue = requeue
        self._requeued = requeued

    def routes(self) -> list[Route]:
        """A viewer sees what is set aside, an operator sends it again."""
        return [
            Route("GET", "/api/v1/quarantine", self.records),
            Route("POST", "/api/v1/commands/requeue", self.requeue, "operator", timeout_s=_TIMEOUT_S),
        ]

    async def records(self, request: Request) -> Response:
        """What is set aside, the oldest first."""
        limit = integer(request.query, "limit", _DEFAULT, 1, _MAX_RECORDS)

        def read() -> list[Mapping[str, Any]]:
            return [_record_value(record) for record in itertools.islice(quarantined(self._spool), limit)]

        return Response({"records": await asyncio.to_thread(read)})

    async def requeue(self, request: Request) -> Response:
        """Send all of it again."""
        if request.body != {"all": True} or request.body["all"] is not True:
            raise RefusalError(400, "body", 'the document is not {"all": true}', "send this")
        try:
            records = await self._requeue()
        except UnreachableError as error:
            text = f"the records stay in quarantine: {error}"
            raise RefusalError(503, "disk", text, "free or repair the disk, and try again") from error
        if records:
            self._requeued(f"{request.caller.name} ({request.caller.address})", records)
        return Response({"records": records})


def requeue_texts(who: str, records: int) -> tuple[str, str]:
    """The event, in Chinese and English."""
    noun = "record" if records == 1 else "records"
    return (
        f"{who} 把隔离区的 {records} 条记录重新上送",
        f"{who} let {records} quarantined {noun} be sent again",
    )


def _record_value(record: QuarantinedRecord) -> Mapping[str, Any]:
    try:
        body = json.loads(record.body)
    except (ValueError, RecursionError):
        body = {}
    named = body if isinstance(body, dict) else {}
    return {
        "stream": f"{record.stream:016x}",
        "offset": record.offset,
        "time_ms": record.time_ms,
        "reason": record.reason,
        "device": str(named.get("device", "")),
        "group": str(named.get("group", "")),
        "body": record.body.decode("utf-8", "replace")[:_MAX_BODY],
    }
