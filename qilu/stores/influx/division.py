"""One write to a server of line protocol: a batch that it refuses is divided until each record is known."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterable

from qilu.contract.ack_codes import AckCode, Refusal
from qilu.stores.influx.http import Reply
from qilu.stores.influx.line_protocol import LineEncoder
from qilu.stores.influx.type_conflicts import Batch, Conflict, Piece, conflict, halves

_TAKEN = 204  # every server of line protocol answers so; a 200 is the login page of something in between
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
        if reply.status == _TAKEN:
            return
        if reply.status not in _REFUSED:
            if reply.status in _FORBIDDEN:
                _log.error("store %s takes nothing any more: %s", self._store, reply.reason)
            raise reply.unreachable(self._url)
        body = sum(len(piece.lines) for piece in batch)
        too_large = reply.status == _TOO_LARGE and (len(batch) > 1 or body > _LARGE)
        if not reply.from_store and not too_large:
            raise reply.unreachable(f"something in front of {self._url}")
        found = conflict(reply.said)
        if found is not None and found.refuses(batch):
            await self._put_without(found, batch, reply.reason)
        elif len(batch) == 1 or _dropped(reply.said) >= sum(len(piece.poll.readings) for piece in batch):
            self._refuse(batch, Refusal(_code(reply), reply.reason))
        else:
            # InfluxDB may have taken the good ones already: writing them again changes nothing.
            for part in halves(batch, found):
                await self.put(part)

    async def _put_without(self, found: Conflict, batch: Batch, reason: str) -> None:
        """The field in conflict costs that field, not its reading: the others are stored."""
        await self.put([self._without(found, piece) for piece in batch])
        for piece in batch:
            other = self.refused.get(piece.number)
            lost, text = found.count(piece), reason
            if other is not None and other.code is AckCode.FIELD_CONFLICT:
                lost, text = lost + other.values, f"{reason}; {other.text}"
            if other is None or other.code is AckCode.FIELD_CONFLICT:
                self.refused[piece.number] = Refusal(AckCode.FIELD_CONFLICT, text, lost)

    def _without(self, found: Conflict, piece: Piece) -> Piece:
        without = piece.without | {found.field}
        return piece._replace(lines=self._encoder.encode(piece.poll, without), without=without)

    def _refuse(self, batch: Iterable[Piece], refusal: Refusal) -> None:
        self.refused.update((piece.number, refusal) for piece in batch)


def _dropped(said: str) -> int:
    """How many lines InfluxDB dropped of a batch of which it stored the others; 0 where it names none."""
    found = _DROPPED.search(said)
    return 0 if found is None else int(found[2])


def _code(reply: Reply) -> AckCode:
    """Of a refusal that names no field. None of them is a verdict on the record: all of them are deferred."""
    found = _DROPPED.search(reply.said)
    if reply.status == _TOO_LARGE:
        return AckCode.TOO_LARGE
    if found is not None and "beyond retention policy" in found[1]:
        return AckCode.BEFORE_RETENTION
    if "limit exceeded" in reply.said:
        return AckCode.STORE_LIMIT
    return AckCode.STORE_REFUSED
