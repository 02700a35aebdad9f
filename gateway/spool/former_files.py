"""Refuses files that were written before the first release: their formats have other marks and are not read.

A gateway opens no directory that has such a file, so that none is taken for a damaged one and replaced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from gateway.spool.filesystem import OsFiles
from qilu.contract.errors import ConfigError

_NAMES = frozenset(("forgotten", "learnt", "quarantine.jsonl", "quarantine.old.jsonl"))
"""Files and folders that have other names now."""
_NOTE = re.compile(rb"[0-9a-f]{8} [\[{]")
_SEGMENT = re.compile(rb"qspool")
_JOURNAL = re.compile(rb'\{"(?!qilu")')
_FORMER: Mapping[str, re.Pattern[bytes]] = {
    ".segment": _SEGMENT,
    ".quarantine": _SEGMENT,
    ".requeued": _SEGMENT,
    "dropped.jsonl": _JOURNAL,
    "dropped.old.jsonl": _JOURNAL,
    "adopted": _NOTE,
    "ages": _NOTE,
    "corrections": _NOTE,
    "clock": re.compile(rb"[0-9a-f]{8} \{|\d{15}[.\n]\d{15}"),
}
"""How a file begins whose name ends so, if it is of a former format."""
_LEDGER, _BLOCK, _CHECK = "accounts", 512, 4


def refuse_former_files(directory: Path) -> None:
    """ConfigError with the file and the remedy, if there is one."""
    files = OsFiles(directory)
    names: list[str] = []
    with suppress(OSError):  # reported by whoever opens the directory
        names = sorted(files.names())
    for name in names:
        if _is_former(files, name):
            raise ConfigError(
                "was written before the first release, in a format that this version does not read",
                file=directory / name,
                remedy="let the version that wrote it deliver all records; then, or to give them up, move"
                f" {directory} away",
            )


def _is_former(files: OsFiles, name: str) -> bool:
    if name in _NAMES:
        return True
    try:
        data = files.read(name, 0, _BLOCK)
    except OSError:  # no file, or one that cannot be read
        return False
    if name == _LEDGER:
        return len(data) == _BLOCK and _is_ledger(data)
    pattern = _FORMER.get(name) or _FORMER.get(Path(name).suffix)
    return pattern is not None and pattern.match(data) is not None


def _is_ledger(block: bytes) -> bool:
    """The first block was a checksum and what it covers; now that begins with a mark."""
    checksum, body = int.from_bytes(block[:_CHECK], "little"), block[_CHECK:]
    return checksum == crc32(body) and not body.startswith(b"qilu")
