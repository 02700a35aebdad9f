"""Proves at the store what became of everything that was polled in one run."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from cloud.audit.repeated_serve_counts import find_duplicates
from qilu.contract.accounting import CLOUD_PROFILES
from qilu.contract.errors import QiluError, writing
from qilu.contract.profile import SERVE_COUNTER
from qilu.contract.reading import DeviceKey
from qilu.runtime.private_files import make_folder, write_named
from qilu.stores.sqlite.reader import SqliteReader

_FOREVER_MS = 2**60


class LossError(QiluError):
    """Not all that was polled is in the store exactly once."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One run, counted at its two ends: what the gateway polled, what the store has of it.

    `missing_points`: polled, not left out on purpose, and not in the store. `duplicate_points`: serve
    counters that are stored under two times. `lost_counters`: served by a machine and not in the store, as
    DEVICE:SERVE_COUNTER; the last request before the end of the run may be among them, being cut off.
    """

    seconds: float
    devices: int
    polls: int
    polled_points: int
    bad_points: int
    suppressed_points: int
    durable_points: int
    missing_points: int
    duplicate_points: int
    lost_counters: Sequence[str]
    p50_ms: float | None
    p99_ms: float | None

    def raise_if_lossy(self, store: Path) -> None:
        """LossError when a point is missing in the store, or stored twice."""
        if self.missing_points or self.duplicate_points:
            raise LossError(
                f"{self.missing_points} points are missing in {store} and {self.duplicate_points} are stored "
                f"twice; ask why with `qilu audit --store {store}`"
            )

    def write(self, file: Path) -> None:
        with _named(file):
            write_named(file, json.dumps(asdict(self), indent=1) + "\n")


def prepare(file: Path) -> None:
    """Make the folder of a summary; ConfigError where it could not be written at the end."""
    with _named(file):
        make_folder(file.parent)
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a directory")
        if not os.access(file if file.exists() else file.parent, os.W_OK):
            raise PermissionError(errno.EACCES, "permission denied")


def _named(file: Path) -> AbstractContextManager[None]:
    return writing(file, "name a file that this user may write", "--summary")


async def stored_points(store: Path, start_ms: int) -> int:
    """How many values of the edge, good or not, the store has from `start_ms` (UTC) on.

    What the ingester reports of itself comes from no edge.
    """
    async with SqliteReader(store) as reader:
        every = await reader.count_all(start_ms)
        cloud = [entry for entry in await reader.devices() if entry.profile in CLOUD_PROFILES]
        counts = [await reader.count(entry.key, entry.profile, start_ms, _FOREVER_MS) for entry in cloud]
        return every - sum(sum(count.values()) for count in counts)


async def compare_counters(
    store: Path, start_ms: int, end_ms: int, served: Mapping[DeviceKey, int]
) -> tuple[int, list[str]]:
    """Counters stored twice, and counters served but not stored. `served`: device -> its last counter."""
    twice, lost = 0, []
    async with SqliteReader(store) as reader:
        for device, last in served.items():
            samples = await reader.samples(device, SERVE_COUNTER, start_ms, end_ms)
            twice += len(find_duplicates(samples))
            stored = {sample.value for sample in samples}
            lost += [f"{device.device}:{counter}" for counter in range(1, last + 1) if counter not in stored]
    return twice, lost
