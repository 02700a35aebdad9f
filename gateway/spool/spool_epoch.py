"""The epoch of a spool: a number that rises when records that were durable are sent again.

An acknowledgement names the epoch of its records, so one of an earlier epoch, kept by somebody and sent once
more, frees nothing.
"""

from __future__ import annotations

import time

from gateway.spool.errors import content
from gateway.spool.filesystem import Files
from gateway.spool.notes import decode_note, encode_note

EPOCH = "epoch"
"""Its file."""


def read_epoch(files: Files) -> int:
    """The present one; 0 where it was never raised."""
    epoch = decode_note(content(files, EPOCH))
    return epoch if isinstance(epoch, int) and epoch >= 0 else 0


def raise_epoch(files: Files) -> None:
    """Begin the next one, which survives a power cut before any record is sent in it."""
    # The time as a lower bound: also above those of a file that was lost.
    files.replace(EPOCH, encode_note(max(read_epoch(files) + 1, int(time.time()))))
    files.sync(EPOCH)
    files.sync_names()
