"""No bytes of one edge stop the ingester, a store, a roll-up or a query, or cost a record of another edge."""

import re
from pathlib import Path
from random import Random

import pytest

from cloud.queue import IngestQueue
from qilu.contract.ack_codes import AckCode, Refusal
from qilu.contract.errors import DataError
from qilu.contract.messages import (
    Ack,
    Announcement,
    Status,
    decode_ack,
    decode_announcement,
    decode_status,
    encode_ack,
    encode_notice,
)
from qilu.contract.ranges import IntervalSet
from qilu.contract.topics import Lane
from tests.fuzz.mutations import NUMBERS, TEXTS, message, mutated
from tests.fuzz.stores import KINDS, fuzzing

ROUNDS = {"sqlite": 40, "victoriametrics": 10, "influxdb1": 10}


@pytest.mark.parametrize("kind", KINDS)
async def test_mutants_cost_only_themselves(kind: str, tmp_path: Path) -> None:
    async with fuzzing(kind, tmp_path, seed=20261130) as stage:
        for number in range(ROUNDS[kind]):
            await stage.fuzz.send(50)
            if number % 10 == 9:
                await stage.ask()
        assert stage.fuzz.refused > stage.fuzz.mutants // 4


async def test_every_extreme_number_and_text_alone_in_every_place(tmp_path: Path) -> None:
    """What the mutants meet by chance, met once for sure."""
    sound = message("flood", 7, 0, 1, 1_764_000_000_000)
    places = list(re.finditer(rb'"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?|null|true', sound))
    texts = [text.encode() for text in NUMBERS] + [f'"{text}"'.encode() for text in TEXTS]
    async with fuzzing("sqlite", tmp_path, seed=1) as stage:
        queue = IngestQueue(records=10**6, batch_bytes=10**9, backlog_bytes=10**9, room=10**9)
        for place in places:
            for text in texts:
                payload = sound[: place.start()] + text + sound[place.end() :]
                try:
                    queue.add(Lane.LIVE, "flood", payload)
                except DataError:
                    continue
        while queue.pending:
            batch = queue.take()
            refused = await stage.store.write(batch.polls)
            assert len(refused) < len(batch.polls)
        await stage.fuzz.send(1)
        await stage.ask()


@pytest.mark.parametrize("seed", range(2))
def test_a_gateway_takes_no_notice_of_what_is_no_notice(seed: int) -> None:
    chance = Random(seed)
    refused = {3: Refusal(AckCode.BAD_VALUE, "point 'x'")}
    deferred = {AckCode.IN_FUTURE: IntervalSet([(5, 9)])}
    answer = Ack("store", "i", 7, IntervalSet([(0, 2)]), IntervalSet([(0, 1)]), refused, deferred)
    notices = (
        (encode_ack(answer), decode_ack, Ack),
        (encode_notice(Announcement("i", "store", 30.0)), decode_announcement, Announcement),
        (encode_notice(Status("edge-1", "online", "0f", 1)), decode_status, Status),
    )
    for _ in range(500):
        for sound, decode, kind in notices:
            try:
                found = decode(mutated(sound, chance))
            except DataError:
                continue
            assert isinstance(found, kind)
