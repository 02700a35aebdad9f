"""The file of corrections in the spool's directory: synced before a corrected record is first sent.

    {"stream": "9f3c...", "epoch": 1000, "shift_ms": 63, "uncertain": false}

Each line is a note, see gateway/spool/notes.py.

The first line of an epoch of a stream counts and never changes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from contextlib import suppress

from gateway.spool.filesystem import Files
from gateway.spool.notes import decode_note, encode_note
from gateway.timekeeping.provisional import Correction

_log = logging.getLogger(__name__)

CORRECTIONS = "corrections"
_NEW = "corrections.new"


class Corrections:
    """(stream, epoch) -> correction. `streams`: those that the spool still has; others are left out."""

    def __init__(self, files: Files, streams: Collection[int]) -> None:
        self._files = files
        self._known: dict[tuple[int, int], Correction] = {}
        self._tried: dict[tuple[int, int], Correction] = {}
        self._torn = False
        lines = self._lines()
        for line in lines:
            self._take(line)
        kept = {key: correction for key, correction in self._known.items() if key[0] in streams}
        if len(kept) < len(lines):
            self._known = kept
            self._write_anew()

    def get(self, stream: int, epoch: int) -> Correction | None:
        """The correction of an epoch of a stream, where it was decided."""
        return self._known.get((stream, epoch))

    def of_epoch(self, epoch: int, among: Callable[[int], bool]) -> Correction | None:
        """The correction of an epoch in any of these streams: an account may be in the next one."""
        matches = (
            correction
            for (stream, number), correction in self._known.items()
            if number == epoch and among(stream)
        )
        return next(matches, None)

    def add(self, stream: int, epoch: int, correction: Correction) -> Correction:
        """Decide: returns once the correction survives a power cut.

        OSError when the disk refuses: it is not decided then. What was tried first may be in the file all the
        same, so the next try is made with that one, and it is returned.
        """
        key = stream, epoch
        correction = self._tried.setdefault(key, correction)
        line = _line(stream, epoch, correction)
        self._torn, torn = True, self._torn
        self._files.append(CORRECTIONS, b"\n" + line if torn else line)
        self._files.sync(CORRECTIONS)
        self._files.sync_names()
        self._torn = False
        self._known[key] = self._tried.pop(key)
        return correction

    def _lines(self) -> list[bytes]:
        try:
            data = self._files.read(CORRECTIONS, 0, self._files.stat(CORRECTIONS).size)
        except FileNotFoundError:
            return []
        except OSError as error:
            _log.error("%s: cannot be read, so records in doubt may get another time: %s", CORRECTIONS, error)
            return []
        self._torn = bool(data) and not data.endswith(b"\n")
        return data.splitlines()

    def _take(self, line: bytes) -> None:
        entry = decode_note(line)
        if entry is None:
            return
        try:
            key = int(entry["stream"], 16), int(entry["epoch"])
            self._known.setdefault(key, Correction(int(entry["shift_ms"]), bool(entry["uncertain"])))
        except (ValueError, KeyError, TypeError):
            _log.warning(
                "%s: a line that is not valid is removed; its epoch may get another correction", CORRECTIONS
            )

    def _write_anew(self) -> None:
        data = b"".join(_line(*key, correction) for key, correction in self._known.items())
        try:
            with suppress(FileNotFoundError):
                self._files.unlink(_NEW)
            self._files.append(_NEW, data)
            self._files.sync(_NEW)
            self._files.rename(_NEW, CORRECTIONS)
            self._files.sync_names()
            self._torn = False
        except OSError as error:
            _log.debug("%s: cannot be made shorter: %s", CORRECTIONS, error)


def _line(stream: int, epoch: int, correction: Correction) -> bytes:
    entry = {"stream": f"{stream:016x}", "epoch": epoch, "shift_ms": correction.shift_ms}
    return encode_note(entry | {"uncertain": correction.uncertain})
