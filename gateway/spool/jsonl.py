"""A file of JSON lines that people read later and that never outgrows its bound."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping

from gateway.spool.filesystem import Files

_log = logging.getLogger(__name__)


VERSION = 1
"""The first value of each line: the version of its format."""


class Journal:
    """Lines in `NAME.jsonl`; when that holds half of `bound` bytes it replaces `NAME.old.jsonl`."""

    def __init__(self, files: Files, name: str, bound: int) -> None:
        self._files = files
        self._name = f"{name}.jsonl"
        self._old = f"{name}.old.jsonl"
        self._bound = bound
        self._size: int | None = None

    def write(self, entries: Iterable[Mapping[str, object]]) -> bool:
        """Add a line for each entry. A disk that refuses costs the lines, with a warning and False."""
        try:
            for entry in entries:
                text = json.dumps({"qilu": VERSION} | dict(entry), ensure_ascii=False)
                line = text.encode("utf-8", "backslashreplace") + b"\n"
                self._rotate(len(line))
                self._files.append(self._name, line)
                self._size = (self._size or 0) + len(line)
        except OSError as error:
            _log.warning("spool: %s cannot be written, later starts miss this entry: %s", self._name, error)
            return False
        return True

    def lines(self) -> list[bytes]:
        """All lines that are still there, oldest first; OSError when the disk cannot be read."""
        lines = []
        for name in (self._old, self._name):
            try:
                lines += self._files.read(name, 0, self._files.stat(name).size).splitlines()
            except FileNotFoundError:
                continue
        return lines

    def _rotate(self, more: int) -> None:
        if self._size is None:
            try:
                self._size = self._files.stat(self._name).size
            except FileNotFoundError:
                self._size = 0
        if self._size and self._size + more > self._bound // 2:
            self._files.rename(self._name, self._old)
            self._size = 0
