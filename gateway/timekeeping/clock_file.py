"""What is known of the time from former runs: one small file, written in place and not synced.

A power cut may cost the last half minute of it. Only a wall clock that went back by then could repeat a time.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from gateway.spool.notes import decode_note, encode_note
from qilu.runtime.boot import UNKNOWN_BOOT
from qilu.runtime.private_files import read_file

_SIZE = 512
"""Bytes of the file, always: a full disk must not keep it from being written."""


class HeldEpoch(NamedTuple):
    """A held epoch that goes on: `number` and `offset_ms` of its tag, and its latest provisional time."""

    number: int
    offset_ms: int
    high_ms: int


@dataclass(frozen=True, slots=True)
class SavedTime:
    """`alive_ms` (UTC) and `alive_s` (monotonic, of `boot`): when a process last ran here. `ended`: in
    good order. `offset_ms`: UTC minus monotonic time while the clock was last known in `boot`, or None.
    `blocked_ms`: since when the spool takes no record, 0 while it does. `high_ms`: see Grids.
    `held`: the present epoch where the clock is in doubt, else None. `synchronised`: see
    `TimeService`, as of before the step with which the doubt began. `stood_s`: how long the clock had
    `offset_ms`."""

    alive_ms: int
    alive_s: float
    boot: str
    offset_ms: int | None
    high_ms: tuple[int, ...]
    blocked_ms: int = 0
    ended: bool = False
    held: HeldEpoch | None = None
    synchronised: int | None = None
    stood_s: float = 0.0

    def same_boot(self, boot: UUID) -> bool:
        """Whether that process ran in this boot; False where it is not known."""
        return boot != UNKNOWN_BOOT and self.boot == boot.hex


def encode_saved(saved: SavedTime) -> bytes:
    return encode_note(asdict(saved)).rstrip().ljust(_SIZE - 1) + b"\n"


def read_saved(file: Path) -> SavedTime | None:
    """What the file has; None where there is none, or a damaged one."""
    try:
        entry = decode_note(read_file(file))
        if entry is None:
            return None
        held = entry["held"] and HeldEpoch(*entry["held"])
        return SavedTime(**{**entry, "high_ms": tuple(entry["high_ms"]), "held": held})
    except (OSError, ValueError, KeyError, TypeError):
        return None
