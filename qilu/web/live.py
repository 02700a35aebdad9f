"""Live topics over WebSockets: each topic is computed and encoded once a tick for all its readers.

A topic that nobody subscribes to is never computed. A reader has at most one pending message for each topic:
where it has not taken the last one, it gets a snapshot in place of the chain of changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec

from qilu.runtime.log_throttle import LogThrottle
from qilu.web.merge_patch import merge_patch

TICK_S = 0.5
MAX_TOPICS = 3
"""Topics of one reader."""
MAX_READERS = 32
MAX_PENDING_MESSAGES = 12
MAX_NAME = 200
REST = 4.0
"""A tick that takes long is followed by so many times its length without one: it has a fifth of the CPU."""
BETWEEN_SNAPSHOTS_S = 0.1
"""Seconds between two looks for readers that wait for a first snapshot."""
FRESH: Literal["fresh"] = "fresh"
"""In place of changes: send a snapshot."""
_CLOCK = ""
"""The key of a pending message with the time alone."""

Changes: TypeAlias = Mapping[str, Any] | Literal["fresh"] | None
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Topic:
    """Something that pages follow.

    `snapshot` gives a JSON object that is never changed afterwards; it is called on the event loop, about
    twice a second, and only while somebody is subscribed. `changes(previous, current)` gives what a reader
    of `previous` needs, None for nothing, or FRESH for a new snapshot.
    """

    name: str
    snapshot: Callable[[], Mapping[str, Any]]
    changes: Callable[[Mapping[str, Any], Mapping[str, Any]], Changes] = merge_patch


TopicFinder: TypeAlias = Callable[[str], Topic | None]
"""Name -> topic; None where there is no such topic."""


class Reader:
    """At most MAX_PENDING_MESSAGES of one connection; the latest one of a topic wins."""

    def __init__(self, allowed: Callable[[str], bool] = lambda _: True) -> None:
        self.allowed = allowed
        self.topics: tuple[str, ...] = ()
        self._pending: dict[str, bytes] = {}
        self._ready = asyncio.Event()

    def put(self, key: str, message: bytes) -> None:
        """Replace the pending message of this key."""
        self._pending.pop(key, None)
        self._pending[key] = message
        while len(self._pending) > MAX_PENDING_MESSAGES:
            del self._pending[next(iter(self._pending))]  # a gap in a topic's numbers: the page resyncs
        self._ready.set()

    def has_pending(self, key: str) -> bool:
        """Whether a message of this key was not taken yet."""
        return key in self._pending

    def drop(self, key: str) -> None:
        self._pending.pop(key, None)

    @property
    def pending_bytes(self) -> int:
        """Bytes of all pending messages; most are shared with other readers."""
        return sum(map(len, self._pending.values()))

    async def take(self) -> bytes:
        """Wait for the oldest pending message and remove it."""
        while not self._pending:
            self._ready.clear()
            await self._ready.wait()
        return self._pending.pop(next(iter(self._pending)))


class _Channel:
    """One topic that somebody follows: its last state and who needs a snapshot of it."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.readers: set[Reader] = set()
        self.waiting: set[Reader] = set()
        self.state: Mapping[str, Any] | None = None
        self.seq = 0
        self._encoded: bytes | None = None  # the snapshot of `state`

    def advance(self) -> bytes | None:
        """Take a new state; returns the encoded changes, None where a snapshot or nothing is needed."""
        previous, current = self.state, self.topic.snapshot()
        changes = FRESH if previous is None else self.topic.changes(previous, current)
        if changes is None:
            return None
        self.state, self._encoded = current, None
        self.seq += 1
        if isinstance(changes, str):
            self.waiting |= self.readers
            return None
        return self._encode("changes", changes)

    def snapshot(self) -> bytes:
        """The encoded state, the same bytes for all readers."""
        if self._encoded is None:
            self._encoded = self._encode("snapshot", self.state)
        return self._encoded

    def _encode(self, kind: str, content: object) -> bytes:
        return msgspec.json.encode({"topic": self.topic.name, "seq": self.seq, kind: content})


class LiveHub:
    """Serves topics to readers; `run` is the one task that computes and encodes."""

    def __init__(self, find: TopicFinder, *, now_ms: Callable[[], int], tick_s: float = TICK_S) -> None:
        self._find = find
        self._now_ms = now_ms
        self._tick_s = tick_s
        self._channels: dict[str, _Channel] = {}
        self._readers: set[Reader] = set()
        self._wanted = asyncio.Event()
        self._asked = asyncio.Event()
        self._throttle = LogThrottle(_log)

    @property
    def readers(self) -> int:
        return len(self._readers)

    def join(self, reader: Reader) -> None:
        """A connection begins; it has no topic yet."""
        self._readers.add(reader)
        self._wanted.set()

    def leave(self, reader: Reader) -> None:
        self.subscribe(reader, ())
        self._readers.discard(reader)

    def subscribe(self, reader: Reader, names: Sequence[str]) -> None:
        """Replace the topics of a reader; the snapshot of a new one follows with the next tick."""
        for name in reader.topics:
            if name not in names:
                self._unsubscribe(reader, name)
        reader.topics = tuple(
            name for name in dict.fromkeys(names) if name in reader.topics or self._add(reader, name)
        )
        self._asked.set()

    def resync(self, reader: Reader, name: str) -> None:
        """A reader has missed something of a topic: it gets a snapshot."""
        if (channel := self._channels.get(name)) is not None and reader in channel.readers:
            channel.waiting.add(reader)
            self._asked.set()

    def _add(self, reader: Reader, name: str) -> bool:
        channel = self._channels.get(name)
        if channel is None or not reader.allowed(name):
            topic = self._find(name) if len(name) <= MAX_NAME and reader.allowed(name) else None
            if topic is None:
                shown = name[:MAX_NAME]
                reader.put(f"error {shown}", error_message(shown, "no_topic", f"no topic {shown!r}"))
                return False
            channel = self._channels[name] = _Channel(topic)
        channel.readers.add(reader)
        channel.waiting.add(reader)
        return True

    def _unsubscribe(self, reader: Reader, name: str) -> None:
        reader.drop(name)
        if (channel := self._channels.get(name)) is None:
            return
        channel.readers.discard(reader)
        channel.waiting.discard(reader)
        if not channel.readers:
            del self._channels[name]

    async def run(self) -> None:
        """Tick until cancelled, and only while somebody is connected."""
        loop = asyncio.get_running_loop()
        clock_due = 0.0
        while True:
            if not self._readers:
                self._wanted.clear()
                await self._wanted.wait()
            started = loop.time()
            spent = 0.0
            for channel in list(self._channels.values()):
                at = loop.time()
                self._serve(channel)
                spent += loop.time() - at
                await asyncio.sleep(0)  # others of this loop have their turn between two topics
            if started >= clock_due:
                clock_due = started + 1.0 - self._tick_s / 2
                message = msgspec.json.encode({"now_ms": self._now_ms()})
                for reader in self._readers:
                    reader.put(_CLOCK, message)
            await self._rest(max(started + self._tick_s, loop.time() + REST * spent))

    async def _rest(self, until: float) -> None:
        """Until the next tick; readers that wait for a first snapshot get it before."""
        loop = asyncio.get_running_loop()
        while (left := until - loop.time()) > 0:
            self._asked.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._asked.wait()
                    for channel in [known for known in self._channels.values() if known.waiting]:
                        self._serve(channel, compute=channel.state is None)
                    await asyncio.sleep(BETWEEN_SNAPSHOTS_S)

    def _serve(self, channel: _Channel, *, compute: bool = True) -> None:
        """Give each reader of a topic what it needs; `compute`: of a new state."""
        name = channel.topic.name
        try:
            changes = channel.advance() if compute else None
            if changes is not None:
                channel.waiting |= {reader for reader in channel.readers if reader.has_pending(name)}
            snapshot = channel.snapshot() if channel.waiting else b""
        except Exception as error:  # noqa: BLE001  # one view with a bug must not end what it shows
            self._throttle.warn(name, f"topic {name} failed: {error!r}", asyncio.get_running_loop().time())
            _log.debug("topic %s failed", name, exc_info=True)
            failed = error_message(name, "failed", "this view has failed; the log names the cause")
            for reader in channel.readers:
                reader.put(name, failed)
            channel.state = None
            channel.waiting.clear()
            return
        for reader in channel.readers:
            if reader in channel.waiting:
                reader.put(name, snapshot)
            elif changes is not None:
                reader.put(name, changes)
        channel.waiting.clear()


def error_message(topic: str, code: str, text: str) -> bytes:
    """What a reader gets in place of a topic."""
    return msgspec.json.encode({"topic": topic, "error": {"code": code, "text": text}})
