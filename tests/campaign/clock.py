"""A wall clock that a test can set for one process: libfaketime, told by a file; time still passes truly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.servers import find_library


class WallClock:
    """Where libfaketime is not on this machine, `works` is False and `environment` empty."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "wall-clock"
        self._library = find_library("faketimeMT")
        self.set(0.0)

    @property
    def works(self) -> bool:
        """Whether it can be set at all."""
        return self._library is not None

    @property
    def environment(self) -> Mapping[str, str]:
        """For the process that is to see this clock."""
        if self._library is None:
            return {}
        return {
            "LD_PRELOAD": self._library,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds until a step is seen
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, offset: float) -> None:
        """Be wrong by so many seconds from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset:+.3f}\n")
        new.replace(self._file)  # never half written
