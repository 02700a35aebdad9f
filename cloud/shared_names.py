"""Device names that more than one edge sends: two machines, which people rarely mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qilu.contract.reading import DeviceKey

MAX_NAMES = 100_000
"""Names that are remembered; of more of them nothing is noticed, which `qilu query --devices` still does."""
_MAX_LISTED_NAMES = 5


class SharedNames:
    """Remembers the edge from which each device name came first since the start. Pure."""

    def __init__(self, max_names: int = MAX_NAMES) -> None:
        self._max_names = max_names
        self._first: dict[str, str] = {}
        self._reported: set[DeviceKey] = set()

    def observe(self, devices: Iterable[DeviceKey]) -> list[str]:
        """A warning for each two edges that have devices of the same name, which names those that are new."""
        new: dict[tuple[str, str], list[str]] = {}
        for key in devices:
            if len(self._first) < self._max_names:
                first = self._first.setdefault(key.device, key.edge)
            else:
                first = self._first.get(key.device, key.edge)
            if first != key.edge and key not in self._reported and len(self._reported) < self._max_names:
                self._reported.add(key)
                new.setdefault((first, key.edge), []).append(key.device)
        return [_warning(*edges, names) for edges, names in new.items()]


def _warning(first: str, second: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_LISTED_NAMES} more" if len(names) > _MAX_LISTED_NAMES else ""
    return (
        f"the edges {first} and {second} both have devices of these names: "
        f"{', '.join(names[:_MAX_LISTED_NAMES])}{more}; each is stored as two machines. Where one machine is "
        "meant, give it to one edge alone; else rename it at one of them"
    )
