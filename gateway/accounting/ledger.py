"""Keeps the open accounts in a file, so that the next start can close those of a killed gateway exactly.

file = head, one block for each device        each of BLOCK bytes with a checksum, written in place
head = "qilu1", boot id of the system, end of collecting (ms, UTC; 0 while it goes on), name of the edge

The numbers are not synced: after a power cut they may be old, so that only those of this boot are believed.
When an edge first collected from a device is believed of every boot. What another edge left is not believed:
after a new name the devices are other ones.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct
from uuid import UUID
from zlib import crc32

from gateway.accounting.account import CELLS, Account
from qilu.runtime.boot import UNKNOWN_BOOT
from qilu.runtime.private_files import open_file, read_file, replace_file

_log = logging.getLogger(__name__)

BLOCK = 512
_CHECK = Struct("<I")
_MARK = b"qilu1"
"""The format and its version."""
_HEAD = Struct("<5s16sq")
_CELLS = Struct(f"<{len(CELLS)}q")
_MAX_NAME = BLOCK - _CHECK.size - _CELLS.size


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """What the gateway before this one left: its open accounts, whether they are exact, when it ended."""

    accounts: Mapping[str, Account] = field(default_factory=dict)
    exact: bool = False
    ended_ms: int = 0


class Ledger:
    """The file, open between `open` and `close`. A disk that refuses costs the exactness of a restart."""

    def __init__(self, file: Path, boot: UUID, edge: str = "") -> None:
        self._file = file
        self._edge = edge.encode()[: BLOCK - _CHECK.size - _HEAD.size]
        self._boot = boot
        self._descriptor: int | None = None
        self._places: dict[str, int] = {}

    def read(self) -> PreviousRun:
        """What is in the file; nothing where there is none."""
        try:
            blocks = _blocks(read_file(self._file))
        except OSError:
            return PreviousRun()
        head = next(blocks, None)
        if head is None:
            return PreviousRun()
        mark, boot, ended_ms = _HEAD.unpack_from(head)
        if mark != _MARK or head[_HEAD.size :].rstrip(b"\0") != self._edge:
            return PreviousRun()
        accounts = {}
        for block in blocks:
            if block is not None:
                name = block[_CELLS.size :].rstrip(b"\0").decode("utf-8", "replace")
                accounts[name] = Account(*_CELLS.unpack_from(block))
        same_boot = UUID(bytes=boot) == self._boot != UNKNOWN_BOOT
        return PreviousRun(accounts, same_boot or ended_ms > 0, ended_ms)

    def open(self, accounts: Mapping[str, Account]) -> None:
        """Begin the file anew with these accounts."""
        self.close()
        named = {name: account for name, account in accounts.items() if len(name.encode()) <= _MAX_NAME}
        text = b"".join((self._head(0), *(_block(_body(name, account)) for name, account in named.items())))
        try:
            replace_file(self._file, text, sync=True)
            _sync_folder(self._file.parent)  # else a power cut could bring the file of an earlier run back
            self._descriptor = open_file(self._file, os.O_WRONLY)
        except OSError as error:
            self._failed(error)
            return
        self._places = {name: BLOCK * (1 + index) for index, name in enumerate(named)}

    def keep(self, device: str, account: Account) -> None:
        if self._descriptor is not None and (place := self._places.get(device)) is not None:
            self._write(_block(_body(device, account)), place)

    def end(self, ended_ms: int, accounts: Mapping[str, Account]) -> None:
        for device, account in accounts.items():
            self.keep(device, account)
        self._write(self._head(ended_ms), 0)
        self.close()

    @property
    def devices(self) -> Collection[str]:
        """Those that have a place in the file."""
        return self._places.keys()

    @property
    def removed(self) -> bool:
        """Whether somebody removed or replaced the file while it was open."""
        return self._descriptor is not None and os.fstat(self._descriptor).st_nlink == 0

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _head(self, ended_ms: int) -> bytes:
        return _block(_HEAD.pack(_MARK, self._boot.bytes, ended_ms) + self._edge)

    def _write(self, block: bytes, place: int) -> None:
        if self._descriptor is not None:
            try:
                os.pwrite(self._descriptor, block, place)
            except OSError as error:
                self._failed(error)

    def _failed(self, error: OSError) -> None:
        text = "%s: cannot be written, so an audit may lack the last account after a kill: %s"
        _log.warning(text, self._file, error)
        self.close()
        try:  # numbers that are no longer written must not be believed
            self._file.unlink(missing_ok=True)
        except OSError as refused:
            _log.debug("%s cannot be removed: %s", self._file, refused)


def _body(name: str, account: Account) -> bytes:
    return _CELLS.pack(*(getattr(account, cell) for cell in CELLS)) + name.encode()


def _block(body: bytes) -> bytes:
    body = body.ljust(BLOCK - _CHECK.size, b"\0")
    return _CHECK.pack(crc32(body)) + body


def _blocks(text: bytes) -> Iterator[bytes | None]:
    """The body of each block, None where its checksum is wrong."""
    for start in range(0, len(text) - BLOCK + 1, BLOCK):
        body = text[start + _CHECK.size : start + BLOCK]
        yield body if _CHECK.unpack_from(text, start)[0] == crc32(body) else None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
