"""With a key for a store, only acknowledgements signed by its ingesters in the present epoch free records."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from cloud.app import ingest
from cloud.settings import IngesterSettings
from gateway.delivery.delivery import Delivery
from gateway.delivery.limits import Limits
from gateway.delivery.outbox import Outbox
from gateway.sinks.ack_verifier import AckVerifier
from gateway.sinks.mqtt import MqttSink
from qilu.contract.ack_signature import derive_key, sign
from qilu.contract.messages import Ack, encode_ack
from qilu.contract.ranges import IntervalSet
from qilu.contract.topics import Topics
from qilu.mqtt.broker import EmbeddedBroker
from qilu.mqtt.client import BrokerConnection
from qilu.mqtt.settings import MqttSettings
from qilu.runtime.backoff import Backoff
from qilu.stores.settings import SqliteSettings
from tests.cloud.memory import MemoryStore, record
from tests.support.memory_spool import MemorySpool

STORE, EDGE, MASTER = "memory", "edge-1", "the master key"
KEY = derive_key(MASTER, STORE, EDGE)
ACK_TOPIC = Topics().ack(EDGE)


def key_file(folder: Path, *keys: str) -> Path:
    file = folder / f"{EDGE}.key"
    file.write_text("".join(f"{key}\n" for key in keys))
    return file


def durable(last: int, epoch: int = 0, store: str = STORE) -> bytes:
    return encode_ack(Ack(store, "forger", 1, durable=IntervalSet([(0, last)]), epoch=epoch))


async def heard(sink: MqttSink, messages: list[bytes], settings: MqttSettings) -> list[int]:
    """The last offsets of the acknowledgements that count; the last message must be one of them."""
    found = []
    async with BrokerConnection(settings, "forger") as forger, sink, aclosing(sink.acks()) as acks:
        for message in messages:
            await forger.publish(ACK_TOPIC, message)
        async for ack in acks:
            assert isinstance(ack, Ack)
            found.append(ack.durable.last())
            if found[-1] == 99:
                break
    return found


async def test_unsigned_and_wrongly_signed_acknowledgements_are_ignored_counted_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with EmbeddedBroker() as broker:
        verifier = AckVerifier({STORE: key_file(tmp_path, KEY)}, lambda: 0, time.monotonic)
        sink = MqttSink(broker.settings, EDGE, "boot", lambda: 0, verifier=verifier)
        forged = [
            durable(1),
            sign(durable(2), derive_key(MASTER, STORE, "edge-2"), EDGE),
            sign(durable(3), KEY, "edge-2"),
            sign(durable(4), KEY, EDGE).replace(b"0-4", b"0-8"),
        ]
        caplog.clear()
        counted = [durable(6, store="another store"), sign(durable(99), KEY, EDGE)]
        assert await heard(sink, [*forged, *counted], broker.settings) == [6, 99]
        assert sink.unsigned_acks == len(forged)
    (line,) = [text for text in caplog.messages if "acknowledgements are ignored" in text]
    assert line == (
        f"{ACK_TOPIC}: acknowledgements are ignored: ingester forger does not sign for store {STORE}; set"
        " ack_key_file in its settings, or somebody else acknowledges in its name"
    )


async def test_an_old_acknowledgement_that_is_sent_again_frees_nothing_after_a_replay(tmp_path: Path) -> None:
    async with EmbeddedBroker() as broker:
        verifier = AckVerifier({STORE: key_file(tmp_path, KEY)}, lambda: 5, time.monotonic)
        sink = MqttSink(broker.settings, EDGE, "boot", lambda: 0, verifier=verifier)
        old = [sign(durable(number, epoch), KEY, EDGE) for number, epoch in ((1, 0), (2, 4))]
        new = sign(durable(99, 5), KEY, EDGE)
        assert await heard(sink, [*old, new], broker.settings) == [99]
        assert sink.unsigned_acks == 0


async def test_a_rotated_key_is_read_without_a_restart(tmp_path: Path) -> None:
    now = 0.0
    file = key_file(tmp_path, "old")
    verifier = AckVerifier({STORE: file}, lambda: 0, lambda: now)
    verifier.read_keys()
    old, new = (sign(durable(9), key, EDGE) for key in ("old", "new"))
    ack = Ack(STORE, "i", 1)
    assert verifier.problem(old, ack, EDGE) is None
    key_file(tmp_path, "new", "old")
    assert "does not fit" in str(verifier.problem(new, ack, EDGE))
    now = 10.0  # it is read again at most every ten seconds
    assert verifier.problem(new, ack, EDGE) is None
    assert verifier.problem(old, ack, EDGE) is None
    file.unlink()
    now = 20.0
    assert "does not fit" in str(verifier.problem(sign(durable(9), "third", EDGE), ack, EDGE))
    assert verifier.problem(new, ack, EDGE) is None


class Box:
    """One gateway's delivery; `key`: whether it wants signatures."""

    def __init__(self, settings: MqttSettings, spool: MemorySpool, key: Path | None) -> None:
        verifier = None if key is None else AckVerifier({STORE: key}, lambda: 7, time.monotonic)
        self.sink = MqttSink(settings, EDGE, "boot", lambda: 0, verifier=verifier)
        quick = Backoff(Random(0), first=0.01, max_s=0.01)
        outbox = Outbox([STORE], Random(0), Limits(ack_timeout=0.5, reorder_timeout=0.5))
        self.delivery = Delivery(spool, self.sink, outbox, linger=0.001, backoff=quick, clock=time.monotonic)


@asynccontextmanager
async def running_ingester(
    settings: MqttSettings, store: MemoryStore, folder: Path, *, signs: bool
) -> AsyncIterator[None]:
    master = folder / "master.key"
    master.write_text(f"{MASTER}\n")
    wanted = IngesterSettings(
        ingester="i",
        mqtt=settings,
        store=SqliteSettings(type="sqlite", file=folder / "unused.db"),
        ack_key_file=master if signs else None,
    )
    task = asyncio.create_task(ingest(wanted, store=store))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("wants", [False, True])
async def test_gateways_with_and_without_a_key_deliver_to_an_ingester_that_signs(
    tmp_path: Path, wants: bool
) -> None:
    """Ingesters are changed first, gateways in any order."""
    store = MemoryStore()
    async with EmbeddedBroker() as broker, MemorySpool() as spool, asyncio.timeout(30):
        box = Box(broker.settings, spool, key_file(tmp_path, KEY) if wants else None)
        for number in range(20):
            assert spool.append(record(EDGE, "press-1", number)) is not None
        async with running_ingester(broker.settings, store, tmp_path, signs=True):
            running = asyncio.create_task(box.delivery.run())
            await box.delivery.wait_drained()
            running.cancel()
    assert store.times("press-1") == list(range(20))
    assert box.sink.unsigned_acks == 0


async def test_what_an_ingester_without_a_key_acknowledges_waits_for_one_that_signs(tmp_path: Path) -> None:
    """F3 of the review: whoever could publish as an ingester emptied the spool of every gateway."""
    store = MemoryStore()
    async with EmbeddedBroker() as broker, MemorySpool() as spool, asyncio.timeout(30):
        box = Box(broker.settings, spool, key_file(tmp_path, KEY))
        for number in range(20):
            assert spool.append(record(EDGE, "press-1", number)) is not None
        running = asyncio.create_task(box.delivery.run())
        async with running_ingester(broker.settings, store, tmp_path, signs=False):
            while not box.sink.unsigned_acks:
                await asyncio.sleep(0.01)
            assert len(spool.pending()[spool.stream]) == 20
        async with running_ingester(broker.settings, store, tmp_path, signs=True):
            await box.delivery.wait_drained()
        running.cancel()
    assert store.times("press-1") == list(range(20))
