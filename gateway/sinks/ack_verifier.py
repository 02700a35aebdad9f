"""Which acknowledgements are authentic: signed with the key of their store, in the spool's present epoch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from qilu.config.settings_file import read_secret
from qilu.contract.ack_signature import is_signed, verify
from qilu.contract.errors import UnreachableError
from qilu.contract.messages import Ack

_log = logging.getLogger(__name__)

_REREAD_S = 10.0
"""Seconds between two readings of a key file whose key does not fit: it may have been rotated."""


class AckVerifier:
    """Of one edge. `key_files`: store -> the file of its keys, a line each; other stores need no signature.

    `epoch` is the present one of the spool, and `clock` a monotonic one (s).
    """

    def __init__(
        self, key_files: Mapping[str, Path], epoch: Callable[[], int], clock: Callable[[], float]
    ) -> None:
        self.epoch = epoch
        self.unsigned = 0
        """Acknowledgements that were ignored for lack of a valid signature."""
        self._files = key_files
        self._clock = clock
        self._keys: dict[str, list[str]] = {}
        self._read_at = dict.fromkeys(key_files, float("-inf"))

    def read_keys(self) -> None:
        """Read every file; UnreachableError for one that cannot be read."""
        for store in self._files:
            self._read(store)

    def problem(self, message: bytes, ack: Ack, edge: str) -> str | None:
        """Why the acknowledgement for `edge` is to be ignored, with the remedy; None when it counts."""
        if ack.store not in self._files:
            return None
        if not self._is_authentic(message, ack.store, edge):
            self.unsigned += 1
            return self._explain(message, ack)
        if ack.epoch != self.epoch():
            return f"it is of epoch {ack.epoch} of the spool, and the present one is {self.epoch()}"
        return None

    def _is_authentic(self, message: bytes, store: str, edge: str) -> bool:
        if verify(message, self._keys.get(store, ()), edge):
            return True
        if self._clock() - self._read_at[store] < _REREAD_S:
            return False
        try:
            self._read(store)
        except UnreachableError as error:
            _log.warning("delivery: acknowledgements of store %s free no record: %s", store, error)
        return verify(message, self._keys.get(store, ()), edge)

    def _read(self, store: str) -> None:
        self._read_at[store] = self._clock()
        secret = read_secret(self._files[store], None, key="delivery.trusted_stores.key_file")
        self._keys[store] = [] if secret is None else secret.split()

    def _explain(self, message: bytes, ack: Ack) -> str:
        if not is_signed(message):
            return (
                f"ingester {ack.ingester} does not sign for store {ack.store}; set ack_key_file in its"
                " settings, or somebody else acknowledges in its name"
            )
        return (
            f"the signature for store {ack.store} does not fit the keys in {self._files[ack.store]}; write"
            " the key of this edge and this store into the file"
        )
