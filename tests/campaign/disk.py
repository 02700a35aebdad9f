"""A disk so small that a test can fill it: a tmpfs where we may mount one, else just a folder."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self


class SmallDisk:
    """`folder` on a file system of `size` bytes of its own; where that is not allowed, `mounted` is False."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = size
        self.mounted = False

    def __enter__(self) -> Self:
        self.folder.mkdir()
        if os.geteuid() == 0:
            command = ["mount", "-t", "tmpfs", "-o", f"size={self.size}", "tmpfs", str(self.folder)]
            self.mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True, capture_output=True)

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def fill(self) -> None:
        """Take what is free, to the last byte; again and again, where others make room."""
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                for size in (65_536, 4096, 512, 1):
                    with contextlib.suppress(OSError):
                        while file.write(bytes(size)) == size:
                            pass
                file.write(b"\0")  # raises where no byte is left

    def release(self) -> None:
        """Give back what was taken."""
        self._filler.unlink(missing_ok=True)
