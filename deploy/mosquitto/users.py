"""The users of the broker: the list that people write, and the rights that follow from it. Pure.

    {
      "edges": {"edge-1": {}, "edge-2": {"devices": ["press-1"]}, "edge-3": {"adopts": ["edge-0"]}},
      "stores": {"plant-store": ["ingester-1", "ingester-2"]},
      "viewers": ["viewer"]
    }

`devices`: for a gateway with `batch_by: device`, all of its devices. `adopts`: edges whose records it sends,
see `qilu spool adopt`. `stores`: the ingesters of each store, by the store's name.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict
from urllib.parse import quote

CONTROL = "control"
"""The user of make-secrets itself: it changes the users of a broker that runs."""
CONTROL_TOPIC = "$CONTROL/dynamic-security/v1"
CONTROL_RESPONSE = f"{CONTROL_TOPIC}/response"
PREFIX = "qilu"
MAX_PACKET = 131_072
"""Bytes of a packet, as in mosquitto.conf."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_KEYS = {"edges", "stores", "viewers"}
_EDGE_KEYS = {"devices", "adopts"}


class Acl(TypedDict):
    """One right, as the plugin stores it."""

    acltype: str
    topic: str
    priority: int
    allow: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """One gateway. No devices: its topics are not per device."""

    name: str
    devices: tuple[str, ...] = ()
    adopts: tuple[str, ...] = ()

    def record_topics(self) -> list[str]:
        """Where it publishes records; those about itself count as one more device."""
        below = [f"/{device}" for device in (*self.devices, self.name)] if self.devices else [""]
        edges = (self.name, *self.adopts)
        return [
            f"{PREFIX}/{lane}/{edge}{rest}"
            for edge in edges
            for lane in ("live", "backlog")
            for rest in below
        ]

    @property
    def status(self) -> str:
        """Where it publishes its status."""
        return f"{PREFIX}/status/{self.name}"

    @property
    def max_retained_bytes(self) -> int:
        """What it can make the broker retain."""
        return (len(self.record_topics()) + 1) * MAX_PACKET


@dataclass(frozen=True, slots=True)
class Users:
    """The list. ValueError: what is wrong with it."""

    edges: Mapping[str, Edge] = field(default_factory=lambda: {"edge-1": Edge("edge-1")})
    stores: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"influx-store": ("ingester",), "victoria-store": ("ingester-victoria",)}
    )
    viewers: tuple[str, ...] = ("viewer",)

    def __post_init__(self) -> None:
        _check_names(self.stores)
        if reserved := {"ca", "server"} & set(self.stores):
            raise ValueError(
                f"{min(reserved)!r} cannot be a store: its key would have the name of another file"
            )
        for edge in self.edges.values():
            _check_names((*edge.devices, *edge.adopts))
        names = Counter(self)
        _check_names(names)
        if twice := [name for name, count in names.items() if count > 1]:
            raise ValueError(f"{twice[0]!r} is the name of two users")

    def __iter__(self) -> Iterator[str]:
        """The names of all users."""
        yield CONTROL
        yield from self.edges
        for ingesters in self.stores.values():
            yield from ingesters
        yield from self.viewers

    def with_edges(self, names: Iterable[str]) -> Users:
        """The list with these edges, too."""
        return replace(
            self, edges={**self.edges, **{name: Edge(name) for name in names if name not in self.edges}}
        )

    def without(self, names: Collection[str]) -> Users:
        """The list without these users."""
        return Users(
            {name: edge for name, edge in self.edges.items() if name not in names},
            {
                store: tuple(name for name in ingesters if name not in names)
                for store, ingesters in self.stores.items()
            },
            tuple(name for name in self.viewers if name not in names),
        )

    def rights(self) -> dict[str, list[Acl]]:
        """The rights of each user; what is not here is denied."""
        rights = {CONTROL: _control_rights()}
        rights |= {name: _edge_rights(edge) for name, edge in self.edges.items()}
        for store, ingesters in self.stores.items():
            rights |= {name: _ingester_rights(name, store) for name in ingesters}
        return rights | {name: _viewer_rights() for name in self.viewers}


def client_id(user: str) -> str:
    """The only client id with which a user gets in: so it has one session, and takes that of no other."""
    return f"qilu-{user}"


def decode(text: str) -> Users:
    """The list of a file; ValueError with the reason when it is none."""
    wanted = json.loads(text)
    if not isinstance(wanted, dict) or wanted.keys() - _KEYS:
        raise ValueError(f"expected an object with the keys {', '.join(sorted(_KEYS))}")
    edges = {}
    for name, options in _section(wanted, "edges").items():
        if not isinstance(options, dict) or options.keys() - _EDGE_KEYS:
            raise ValueError(f"edge {name!r}: expected {{}}, or the keys {', '.join(sorted(_EDGE_KEYS))}")
        edges[name] = Edge(name, _names(options.get("devices", [])), _names(options.get("adopts", [])))
    stores = {store: _names(ingesters) for store, ingesters in _section(wanted, "stores").items()}
    return Users(edges, stores, _names(wanted.get("viewers", [])))


def encode(users: Users) -> str:
    """The text of the file, one line for each edge and store."""
    edges = {
        name: {key: names for key, names in (("devices", edge.devices), ("adopts", edge.adopts)) if names}
        for name, edge in users.edges.items()
    }
    return "{{\n{}\n}}\n".format(
        ",\n".join(
            [
                f'  "edges": {_lines(edges)}',
                f'  "stores": {_lines(users.stores)}',
                f'  "viewers": {json.dumps(users.viewers)}',
            ]
        )
    )


def _lines(values: Mapping[str, Any]) -> str:
    if not values:
        return "{}"
    lines = (f"    {json.dumps(name)}: {json.dumps(value)}" for name, value in values.items())
    return "{{\n{}\n  }}".format(",\n".join(lines))


def _section(wanted: dict[str, Any], key: str) -> dict[str, Any]:
    section = wanted.get(key, {})
    if not isinstance(section, dict):
        raise ValueError(f"{key}: expected an object, with a key for each name")
    return section


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"{value!r} is no list of names")
    return tuple(value)


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name: use letters, digits, - and _ (at most 64)")


def _edge_rights(edge: Edge) -> list[Acl]:
    acks = [f"{PREFIX}/ack/{name}" for name in (edge.name, *edge.adopts)]
    return [
        *_allow("publishClientSend", *edge.record_topics(), edge.status),
        *_read(*acks, edge.status, f"{PREFIX}/ingester/+"),
    ]


def _ingester_rights(name: str, store: str) -> list[Acl]:
    records = [f"{PREFIX}/live/#", f"{PREFIX}/backlog/#"]
    group = quote(store, safe="")
    return [
        *_allow("publishClientSend", f"{PREFIX}/ack/+", f"{PREFIX}/ingester/{name}"),
        *_read(*records),
        *_allow("subscribeLiteral", *(f"$share/{group}/{topic}" for topic in records)),
    ]


def _viewer_rights() -> list[Acl]:
    """Reads everything; as a member of a share group it would take records from the ingesters."""
    everything = [f"{PREFIX}/#", "$SYS/#"]
    return [
        Acl(acltype="subscribePattern", topic="$share/#", priority=1, allow=False),
        *_allow("publishClientReceive", *everything),
        *_allow("subscribePattern", *everything),
    ]


def _control_rights() -> list[Acl]:
    return [
        *_allow("publishClientSend", CONTROL_TOPIC, f"{PREFIX}/status/+"),
        *_read(CONTROL_RESPONSE),
    ]


def _read(*topics: str) -> list[Acl]:
    return [*_allow("publishClientReceive", *topics), *_allow("subscribeLiteral", *topics)]


def _allow(acltype: str, *topics: str) -> list[Acl]:
    return [Acl(acltype=acltype, topic=topic, priority=0, allow=True) for topic in topics]
