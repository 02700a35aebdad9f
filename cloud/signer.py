"""Signs acknowledgements of one store, with the key of the edge that each is for."""

from __future__ import annotations

from qilu.contract.ack_signature import derive_key, sign

_MAX_EDGES = 10_000
"""Edges whose keys are kept: strangers may invent names."""


class Signer:
    """`master` is the key of `store`, of which those of the edges are derived."""

    def __init__(self, master: str, store: str) -> None:
        self._master = master
        self._store = store
        self._keys: dict[str, str] = {}

    def __call__(self, message: bytes, edge: str) -> bytes:
        """The acknowledgement for `edge`, signed."""
        if edge not in self._keys:
            if len(self._keys) >= _MAX_EDGES:
                self._keys.clear()
            self._keys[edge] = derive_key(self._master, self._store, edge)
        return sign(message, self._keys[edge], edge)
