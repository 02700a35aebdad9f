"""The ledger of an audit: every serve counter that a machine gave away, beside every one in the store."""

import csv
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from qilu.contract.reading import DeviceKey
from qilu.stores.factory import open_reader
from qilu.stores.settings import InfluxSettings, SqliteSettings

COUNTER = "serve_counter"

EPOCH_NOTICED_MS = 3000
"""A gateway may notice so late that its clock was set; what is served then may be of either epoch."""
TURN_MS = 5000
"""A turn that was under way when it noticed takes its times from the epoch before, for so long at most."""


class Served(NamedTuple):
    """One value of a serve counter that left the simulator."""

    time_ms: int
    device: str
    counter: int


class Stored(NamedTuple):
    """One value of a serve counter that the store has, and the time under which it has it."""

    time_ms: int
    device: str
    counter: int


@dataclass(frozen=True)
class Ledger:
    """Both sides of one run; counters begin anew with each simulator, so a run is one simulator's."""

    served: Sequence[Served]
    stored: Sequence[Stored]
    epochs: Sequence[int] = ()
    """When the clock of the edge was set or its gateway ended, rising (true time, ms). Times keep the order
    of serving within an epoch; a wrong clock may put one epoch beside another."""

    @property
    def lost(self) -> list[Served]:
        """Served, and not in the store."""
        have = {(one.device, one.counter) for one in self.stored}
        return [one for one in self.served if (one.device, one.counter) not in have]

    @property
    def twice(self) -> dict[tuple[str, int], list[int]]:
        """Stored under more than one time: device and counter -> the times."""
        times: dict[tuple[str, int], list[int]] = defaultdict(list)
        for one in self.stored:
            times[one.device, one.counter].append(one.time_ms)
        return {name: found for name, found in times.items() if len(found) > 1}

    @property
    def never_served(self) -> list[Stored]:
        """In the store, and no machine ever said it."""
        given = {(one.device, one.counter) for one in self.served}
        return [one for one in self.stored if (one.device, one.counter) not in given]

    @property
    def out_of_order(self) -> list[Stored]:
        """Stored under a time at which a later counter of the device and epoch is already stored."""
        served = {(one.device, one.counter): one.time_ms for one in self.served}
        found, reached = [], dict[tuple[str, int], int]()
        for one in sorted(self.stored):
            epoch = self._epoch(served.get((one.device, one.counter), one.time_ms))
            if epoch is None:
                continue
            if one.counter < reached.get((one.device, epoch), 0):
                found.append(one)
            reached[one.device, epoch] = max(one.counter, reached.get((one.device, epoch), 0))
        return found

    def _epoch(self, time_ms: int) -> int | None:
        """The number of the epoch; None so near to its ends that the reading may be of the neighbour."""
        number = bisect_right(self.epochs, time_ms)
        just_begun = any(time_ms - start < EPOCH_NOTICED_MS + TURN_MS for start in self.epochs[:number][-1:])
        soon_over = any(end - time_ms < EPOCH_NOTICED_MS for end in self.epochs[number:][:1])
        return None if just_begun or soon_over else number

    def until(self, time_ms: int) -> "Ledger":
        """With nothing that was served after this moment among what should be stored."""
        return Ledger([one for one in self.served if one.time_ms <= time_ms], self.stored, self.epochs)


def read_served(truth: Path) -> list[Served]:
    """What the simulator wrote into this folder so far, in the order of serving."""
    path = truth / "requests.csv"
    if not path.exists():
        return []
    text = path.read_text()
    rows = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())  # the last line may be half written
    return [Served(int(row["time_ms"]), row["device"], int(row["counter"])) for row in rows if row["counter"]]


async def read_stored(
    store: SqliteSettings | InfluxSettings, devices: Iterable[str], start_ms: int, edge: str = "edge-1"
) -> list[Stored]:
    """Every good serve counter of these devices since `start_ms`."""
    found: list[Stored] = []
    async with open_reader(store) as reader:
        for device in devices:
            found += [
                Stored(sample.time_ms, device, int(sample.value))
                for sample in await reader.samples(
                    DeviceKey(edge, device), COUNTER, start_ms, start_ms + 86_400_000
                )
                if isinstance(sample.value, int | float)
            ]
    return found
