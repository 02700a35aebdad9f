"""The file in which events of the console survive a restart: one JSON object a line, bounded.

Lines are appended; the file is written anew once it has twice as many as are kept. A line that cannot be
read, such as the last one of a power cut, is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from qilu.runtime.private_files import make_folder, open_file, replace_file

FILE_NAME = "console-events.jsonl"
MAX_BYTES = 4_000_000
"""A larger file is none of this program: only its end is read."""


class _SavedEvent(msgspec.Struct, frozen=True):
    id: int
    time_ms: int
    device: str
    kind: str
    level: str
    text: dict[str, str]


class EventFile:
    """One file; `kept`: how many events it is for. OSError where the disk refuses."""

    def __init__(self, path: Path, kept: int) -> None:
        self._path = path
        self._kept = kept
        self._lines = 0
        self._separator = b""

    def read(self) -> Sequence[Mapping[str, Any]]:
        """The newest events, the oldest of them first; none without a file."""
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - MAX_BYTES))
                content = file.read()
        except FileNotFoundError:
            return ()
        lines = content.splitlines()
        if content and not content.endswith(b"\n"):
            self._separator = b"\n"  # a line that a power cut has left without its end joins no other
        self._lines = len(lines)
        return list(_events(lines))[-self._kept :]

    def append(self, events: Sequence[Mapping[str, Any]], all_events: Iterable[Mapping[str, Any]]) -> None:
        """Add these events; `all_events`: what is kept, for a file that has become long."""
        make_folder(self._path.parent)
        if self._lines + len(events) > 2 * self._kept:
            self._rewrite(list(all_events)[-self._kept :])
            return
        with open(self._path, "ab", opener=open_file) as file:
            file.write(self._separator + _lines(events))
        self._separator = b""
        self._lines += len(events)

    def _rewrite(self, events: Sequence[Mapping[str, Any]]) -> None:
        replace_file(self._path, _lines(events))
        self._lines = len(events)


def _lines(events: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(msgspec.json.encode(event) + b"\n" for event in events)


def _events(lines: Iterable[bytes]) -> Iterable[Mapping[str, Any]]:
    for line in lines:
        try:
            event = msgspec.json.decode(line, type=_SavedEvent)
        except msgspec.MsgspecError:
            continue
        yield msgspec.structs.asdict(event)
