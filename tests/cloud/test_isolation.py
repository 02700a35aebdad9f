"""A poll that a store fails at is refused by name; the others are written."""

from collections.abc import Mapping, Sequence

import pytest

from cloud.isolation import write_isolated
from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.errors import UnreachableError
from qilu.contract.reading import Poll
from qilu.contract.record_codec import decode_record
from tests.cloud.memory import MemoryStore, record


class Buggy(MemoryStore):
    """Fails at polls of the devices named `bug-...`, and cannot be reached for those named `away`."""

    async def write(self, polls: Sequence[Poll]) -> Mapping[int, Refusal]:
        if any(poll.origin.device == "away" for poll in polls):
            raise UnreachableError("away")
        if any(poll.origin.device.startswith("bug") for poll in polls):
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        return await super().write(polls)


def polls(*devices: str) -> list[Poll]:
    return [decode_record(record("edge-1", device, 1000 + number)) for number, device in enumerate(devices)]


async def test_only_the_polls_at_fault_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    store = Buggy(refuses=frozenset({"odd"}))
    found = await write_isolated(store, polls("a", "bug-1", "b", "odd", "c", "bug-2", "d"))
    assert sorted(found) == [1, 3, 5]
    assert found[1].code is found[5].code is AckCode.STORE_REFUSED
    assert "OverflowError: Python int" in found[1].text
    assert "edge-1/bug-2" in caplog.text
    assert {device for device, _, _ in store.kept} == {"a", "b", "c", "d"}


async def test_a_store_that_is_away_is_no_fault_of_a_poll() -> None:
    with pytest.raises(UnreachableError):
        await write_isolated(Buggy(), polls("a", "away"))
