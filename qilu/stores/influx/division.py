"""One write to a server of line protocol: a batch that it refuses is divided until each record is known."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterable

from qilu.contract.ack_codes import AckCode, Refusal
from qilu.stores.influx.http import Reply
from qilu.stores.influx.line_protocol import LineEncoder
from qilu.stores.influx.type_conflicts import Batch, Conflict, Piece, conflict, halves

_NO_CONTENT = 204  # every server of line protocol answers so; a 200 is the login page of something in between
_TOO_LARGE = 413  # anybody may answer so: smaller pieces help in any case,
_LARGE = 4096  # and a record of more bytes must not stop the others; a limit below that stops all of them
_REFUSED = (400, _TOO_LARGE, 422)
_FORBIDDEN = (401, 403, 404)
_MAX_REQUESTS = 200
"""Requests of one write; what is not decided by then is deferred: a thousand refusals must stop no other."""
_DROPPED = re.compile(r"partial write: (.*) dropped=(\d{1,18})")
_log = logging.getLogger(__name__)


class Division:
    """Sends batches by `post`; afterwards `refused` has number -> why, for each record that is not stored."""

    def __init__(
        self, post: Callable[[bytes], Awaitable[Reply]], encoder: LineEncoder, url: str, store: str
    ) -> None:
        self.refused: dict[int, Refusal] = {}
        self._post = post
        self._encoder = encoder
        self._url = url
        self._store = store
        self._requests = _MAX_REQUESTS

    async def put(self, batch: Batch) -> None:
        """Return once each piece is stored or refused; UnreachableError when all may be tried again."""
        batch = [piece for piece in batch if piece.lines]
        if not batch:
            return
        if not self._requests:
            text = f"the store refuses many records; {_MAX_REQUESTS} requests did not find all of them"
            self._refuse(batch, Refusal(AckCode.STORE_REFUSED, text))
            return
        self._requests -= 1
        reply = await self._post(b"".join(piece.lines for piece in batch))
        if reply.status == _NO_CONTENT:
            return
        if reply.status not in _REFUSED:
            if reply.status in _FORBIDDEN:
                text = "store %s refuses every write: HTTP %d: %s; check its token, database and rights"
                _log.error(text, self._store, reply.status, reply.reason)
            raise reply.unreachable(self._url)
        body = sum(len(piece.lines) for piece in batch)
        too_large = reply.status == _TOO_LARGE and (len(batch) > 1 or body > _LARGE)
        if not reply.from_store and not too_large:
            raise reply.unreachable(f"something in front of {self._url}")
        field_conflict = conflict(reply.error_text)
        if field_conflict is not None and field_conflict.refuses(batch):
            await self._put_without(field_conflict, batch, reply.reason)
        elif len(batch) == 1 or _dropped(reply.error_text) >= sum(
            len(piece.poll.readings) for piece in batch
        ):
            self._refuse(batch, Refusal(_code(reply), reply.reason))
        else:
            # InfluxDB may have taken the good ones already: writing them again changes nothing.
            for part in halves(batch, field_conflict):
                await self.put(part)

    async def _put_without(self, field_conflict: Conflict, batch: Batch, reason: str) -> None:
        """The field in conflict costs that field, not its reading: the others are stored."""
        await self.put([self._without(field_conflict, piece) for piece in batch])
        for piece in batch:
            other = self.refused.get(piece.number)
            lost, text = field_conflict.count(piece), reason
            if other is not None and other.code is AckCode.FIELD_CONFLICT:
                lost, text = lost + other.values, f"{reason}; {other.text}"
            if other is None or other.code is AckCode.FIELD_CONFLICT:
                self.refused[piece.number] = Refusal(AckCode.FIELD_CONFLICT, text, lost)

    def _without(self, field_conflict: Conflict, piece: Piece) -> Piece:
        without = piece.without | {field_conflict.field}
        return piece._replace(lines=self._encoder.encode(piece.poll, without), without=without)

    def _refuse(self, batch: Iterable[Piece], refusal: Refusal) -> None:
        self.refused.update((piece.number, refusal) for piece in batch)


def _dropped(text: str) -> int:
    """How many lines InfluxDB dropped of a batch of which it stored the others; 0 where it names none."""
    match = _DROPPED.search(text)
    return 0 if match is None else int(match[2])


def _code(reply: Reply) -> AckCode:
    """Of a refusal that names no field. None of them is a verdict on the record: all of them are deferred."""
    match = _DROPPED.search(reply.error_text)
    if reply.status == _TOO_LARGE:
        return AckCode.TOO_LARGE
    if match is not None and "beyond retention policy" in match[1]:
        return AckCode.BEFORE_RETENTION
    if "limit exceeded" in reply.error_text:
        return AckCode.STORE_LIMIT
    return AckCode.STORE_REFUSED
