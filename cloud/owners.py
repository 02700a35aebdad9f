"""Which edge may write which devices, where the settings name owners by pattern."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from cloud.queue import Batch
from qilu.contract.ack_codes import AckCode, Refusal

_MAX_KNOWN = 100_000


class Owners:
    """`owners`: pattern of device names -> edge; the first pattern that matches decides.

    A device that no pattern matches may come from every edge. An edge always owns the device of its own name,
    as which it reports its own state.
    """

    def __init__(self, owners: Mapping[str, str]) -> None:
        self._owners = owners
        self._known: dict[str, tuple[str, str] | None] = {}

    def refuse_foreign(self, batch: Batch) -> Batch:
        """`batch` with the records of other edges than the owner among the rejected ones."""
        if not self._owners:
            return batch
        accepted = Batch(rejected=batch.rejected)
        for poll, name in zip(batch.polls, batch.names, strict=True):
            named, offset = name
            refusal = self.refusal(named.edge, poll.origin.device)
            if refusal is None:
                accepted.polls.append(poll)
                accepted.names.append(name)
            else:
                accepted.rejected.setdefault(named, {})[offset] = refusal
        return accepted

    def refusal(self, edge: str, device: str) -> Refusal | None:
        """Why `edge` may not write `device`, naming the owner; None when it may."""
        owner = self._owner(device)
        if owner is None or owner[1] == edge or device == edge:
            return None
        text = f"device {device!r} comes from edge {edge!r}, but `owners` names {owner[1]!r} for {owner[0]!r}"
        return Refusal(AckCode.NOT_OWNER, text)

    def _owner(self, device: str) -> tuple[str, str] | None:
        """Pattern and edge."""
        if device not in self._known:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            matching = (rule for rule in self._owners.items() if fnmatchcase(device, rule[0]))
            self._known[device] = next(matching, None)
        return self._known[device]
