"""A file system in memory that loses at a power cut whatever was not synced, as badly as a real one may."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from random import Random

from gateway.spool.filesystem import AppendFile, Stat

BLOCK = 512


class PowerCutError(BaseException):
    """The machine is off: not an error that any program could handle."""


class Inode:
    """A file's bytes as programs see them, and how many of them the disk is sure of."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.safe = 0
        self.tail = b""
        """What once stood behind the end, before it was truncated."""
        self.lying = False
        """An fsync failed: what was not safe then will never be, but the next fsync says it is."""

    def after_power_cut(self, random: Random) -> Inode:
        """The safe bytes, then any part of the others, in blocks of which some were never written."""
        unsafe = bytes(self.data[self.safe :]) + self.tail
        unsafe = unsafe[: random.choice([0, len(unsafe), random.randint(0, len(unsafe))])]
        survived = bytearray(self.data[: self.safe])
        for begin in range(0, len(unsafe), BLOCK):
            block = unsafe[begin : begin + BLOCK]
            survived += random.choice([block, block, bytes(len(block)), random.randbytes(len(block))])
        found = Inode(bytes(survived))
        found.safe = len(survived)
        return found


class ModelDisk:
    """Implements Files. `power` counts down the operations until the power is cut; None: never."""

    def __init__(self, capacity: int = 10**9) -> None:
        self.capacity = capacity
        self.power: int | None = None
        self.fail_syncs = 0
        self.held = False
        self.files: dict[str, Inode] = {}
        self._safe_names: dict[str, Inode] = {}
        self._changes: list[tuple[str, Inode | None, str]] = []
        """Each name that was made or removed, and the one that a renaming removed with it."""

    def cut_power(self, random: Random) -> None:
        """Any part of the changes of names since they were synced happened, in their order for each name."""
        self.power = None
        self.held = False
        names = dict(self._safe_names)
        ended: set[str] = set()
        for name, inode, old in self._changes:
            if {name, old} & ended or random.random() < 0.4:
                ended |= {name, old or name}
                continue
            names.pop(old, None)
            if inode is None:
                names.pop(name, None)
            else:
                names[name] = inode
        self.files = {name: inode.after_power_cut(random) for name, inode in names.items()}
        self._safe_names = dict(self.files)
        self._changes = []

    def kill_process(self) -> None:
        """The process is gone, the machine is not: nothing is lost."""
        self.power = None
        self.held = False

    def used(self) -> int:
        return sum(len(inode.data) for inode in self.files.values())

    def step(self) -> None:
        """One operation; the last one before the power is cut does not happen."""
        if self.power is not None:
            self.power -= 1
            if self.power <= 0:
                raise PowerCutError

    def open(self) -> None:
        assert not self.held
        self.held = True

    def present(self) -> bool:
        return True

    def open_again(self) -> None:
        raise AssertionError("it is always present")

    def close(self) -> None:
        self.held = False

    def names(self) -> Sequence[str]:
        self.step()
        return list(self.files)

    def stat(self, name: str) -> Stat:
        return Stat(len(self._inode(name).data), 1_700_000_000_000)

    def create(self, name: str) -> AppendFile:
        self.step()
        if name in self.files:
            raise FileExistsError(errno.EEXIST, "exists", name)
        inode = Inode()
        self._name(name, inode)
        return ModelFile(self, inode)

    def append(self, name: str, data: bytes) -> None:
        file = ModelFile(self, self.files[name]) if name in self.files else self.create(name)
        if file.append(data) < len(data):
            raise OSError(errno.ENOSPC, "full")

    def read(self, name: str, position: int, length: int) -> bytes:
        return bytes(self._inode(name).data[position : position + length])

    def replace(self, name: str, data: bytes) -> None:
        self.step()
        if self.used() + len(data) > self.capacity:
            raise OSError(errno.ENOSPC, "full")
        self._name(name, Inode(data))

    def rename(self, name: str, to: str) -> None:
        self.step()
        self.files[to] = inode = self._inode(name)
        del self.files[name]
        self._changes.append((to, inode, name))

    def unlink(self, name: str) -> None:
        self.step()
        self._inode(name)
        self._name(name, None)

    def sync(self, name: str) -> None:
        ModelFile(self, self._inode(name)).sync()

    def sync_names(self) -> None:
        self.step()
        self._safe_names = dict(self.files)
        self._changes = []

    def free(self) -> int:
        return max(self.capacity - self.used(), 0)

    def _inode(self, name: str) -> Inode:
        if name not in self.files:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        return self.files[name]

    def _name(self, name: str, inode: Inode | None) -> None:
        if inode is None:
            del self.files[name]
        else:
            self.files[name] = inode
        self._changes.append((name, inode, ""))


class ModelFile:
    """One open file of a ModelDisk."""

    def __init__(self, disk: ModelDisk, inode: Inode) -> None:
        self._disk = disk
        self._inode = inode

    def append(self, data: bytes) -> int:
        room = self._disk.capacity - self._disk.used()
        if room <= 0:
            raise OSError(errno.ENOSPC, "full")
        taken = data[:room]
        try:
            self._disk.step()
        except PowerCutError:
            self._inode.data += taken
            raise
        self._inode.data += taken
        return len(taken)

    def truncate(self, size: int) -> None:
        self._disk.step()
        self._inode.tail = bytes(self._inode.data[size:])
        del self._inode.data[size:]

    def sync(self) -> None:
        self._disk.step()
        inode = self._inode
        if self._disk.fail_syncs > 0:
            self._disk.fail_syncs -= 1
            inode.lying = True
            raise OSError(errno.EIO, "the disk is dying")
        if not inode.lying:
            inode.safe, inode.tail = len(inode.data), b""

    def close(self) -> None:
        pass
