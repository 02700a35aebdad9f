"""The account of the edge: the sums of those of its devices, so that a fleet has one series an edge. Pure."""

from __future__ import annotations

from collections import Counter

from qilu.contract.accounting import COUNTS_POINTS, EDGE_COLLECTION, EDGE_COUNTS_POINTS
from qilu.contract.reading import Origin, Poll

_CELLS = {point: COUNTS_POINTS.index(point) for point in EDGE_COUNTS_POINTS}


class EdgeAccount:
    """Sums accounts until each device has ended one, or one of them ends its second.

    What is summed and not taken is lost with a kill; the accounts of the devices are not.
    """

    def __init__(self) -> None:
        self._sums: Counter[str] = Counter()
        self._devices: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._devices)

    def add(self, account: Poll) -> None:
        """The account of a device that ended."""
        values = account.readings[0].values
        self._sums.update({point: values[cell] for point, cell in _CELLS.items()})
        self._devices.add(account.origin.device)

    def is_over(self, devices: int) -> bool:
        """Whether each of so many devices ended an account."""
        return len(self._devices) >= devices

    def has(self, device: str) -> bool:
        """Whether an account of this device is in it."""
        return device in self._devices

    def take(self) -> tuple[float, ...]:
        """The sums, one for each of EDGE_COUNTS_POINTS; then it begins anew."""
        sums, self._sums = self._sums, Counter()
        self._devices.clear()
        return tuple(float(sums[point]) for point in EDGE_COUNTS_POINTS)


def origin_of(edge: Origin) -> Origin:
    """The edge as the one whose collection is summed."""
    return Origin(edge.edge, edge.device, EDGE_COLLECTION, edge.enterprise, edge.site)
