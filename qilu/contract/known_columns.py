"""Makes equal columns one object, within bounds: the same few devices come again and again. Pure."""

from __future__ import annotations

from sys import getsizeof

from qilu.contract.accounting import CLOUD_PROFILES
from qilu.contract.ack_codes import AckCode, Refusal, RefusalError
from qilu.contract.limits import name_problem
from qilu.contract.reading import BlockSchema, Origin

MAX_BYTES = 32_000_000
_PER_COLUMNS = 1_000
"""Bytes of one entry beside its names."""
_Key = tuple[str, str, str, str, str, str, str, tuple[str, ...]]


class _Edge:
    """What one edge has named."""

    __slots__ = ("bytes", "columns", "points")

    def __init__(self) -> None:
        self.columns: dict[_Key, BlockSchema] = {}
        self.points: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.bytes = 0


class KnownColumns:
    """The columns that were met, in `max_bytes` at most.

    Where that is exceeded, everything of the edge that has the most is forgotten: an edge that invents names
    costs itself, and no other edge. Others may keep what belongs to columns in weak mappings: it is forgotten
    together with them.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._edges: dict[str, _Edge] = {}
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """An estimate of what is kept."""
        return self._bytes

    def get(self, key: _Key) -> BlockSchema:
        """The columns of (edge, device, profile, enterprise, site, line, group, points).

        RefusalError when one of the names is none.
        """
        edge = self._edges.get(key[0])
        columns = None if edge is None else edge.columns.get(key)
        return self._add(key) if columns is None else columns

    def _add(self, key: _Key) -> BlockSchema:
        *names, group, points = key
        _check(names, group, points)
        edge = self._edges.setdefault(key[0], _Edge())
        shared = edge.points.get(points)
        size = _PER_COLUMNS
        if shared is None:
            shared = edge.points[points] = points
            size += getsizeof(points) + sum(map(getsizeof, points))
        columns = BlockSchema(Origin(*names), group, shared)
        edge.columns[(*key[:-1], shared)] = columns
        edge.bytes += size
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._forget(max(self._edges, key=lambda name: self._edges[name].bytes))
        return columns

    def _forget(self, edge: str) -> None:
        self._bytes -= self._edges.pop(edge).bytes


_NAMED = ("an edge", "a device", "a profile", "an enterprise", "a site", "a line")


def _check(names: list[str], group: str, points: tuple[str, ...]) -> None:
    if names[2] in CLOUD_PROFILES:
        text = f"record: the profile {names[2]} is one of the cloud, and no edge may send it"
        raise RefusalError(Refusal(AckCode.BAD_NAME, text))
    if "" in points:
        raise RefusalError(Refusal(AckCode.BAD_NAME, "record: a point without a name"))
    named = (
        *zip(_NAMED, names, strict=True),
        ("a poll group", group),
        *(("a point", point) for point in points),
    )
    for what, name in named:
        if problem := name_problem(what, name):
            raise RefusalError(Refusal(AckCode.BAD_NAME, f"record: {problem}"))
