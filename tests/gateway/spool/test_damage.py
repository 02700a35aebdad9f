"""Incidents of a disk: each opens, goes on, and names what was lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from gateway.interfaces import StreamOrigin
from gateway.spool.inspect import inspect
from gateway.spool.replay import replay
from gateway.spool.segment import HEAD_SIZE, HEADER_SIZE, Header, encode_header
from qilu.contract.errors import ConfigError
from qilu.contract.ranges import IntervalSet
from tests.gateway.spool.disk_model import Inode, ModelDisk
from tests.gateway.spool.opened import body, disk_spool, everything, fill, lost, numbers, segments

RECORD = HEAD_SIZE + 400


@pytest.fixture
async def left(tmp_path: Path) -> Path:
    """What a gateway left: 30 records in 4 segments (9, 9, 9 and 3)."""
    directory = tmp_path / "spool"
    async with disk_spool(directory) as spool:
        fill(spool, range(30))
    assert len(segments(directory)) == 4
    return directory


async def test_what_was_left_is_there_again_before_what_is_new(left: Path) -> None:
    async with disk_spool(left) as spool:
        fill(spool, range(30, 40))
        assert numbers(spool) == list(range(40))
        assert list(spool.pending())[-1] == spool.stream
        assert lost(spool) == {}


async def test_a_tail_torn_at_any_byte_costs_only_the_record_it_tears(left: Path) -> None:
    files = {path.name: path.read_bytes() for path in segments(left)}
    last = segments(left)[-1].name
    assert len(files[last]) == HEADER_SIZE + 3 * RECORD
    for length in range(len(files[last])):
        disk = ModelDisk()
        disk.files = {name: Inode(data) for name, data in files.items()}
        del disk.files[last].data[length:]
        async with disk_spool(left, files=disk) as spool:
            whole = max(length - HEADER_SIZE, 0) // RECORD
            assert numbers(spool) == list(range(27 + whole))
            fill(spool, range(100, 102))
            assert numbers(spool)[-2:] == [100, 101]


@pytest.mark.parametrize("seed", range(25))
async def test_flipped_bits_cost_the_records_they_hit_and_nothing_else(left: Path, seed: int) -> None:
    random = Random(seed)
    hit: set[int] = set()
    number = 0
    for path in segments(left):
        data = bytearray(path.read_bytes())
        count = (len(data) - HEADER_SIZE) // RECORD
        for _ in range(random.randint(0, 3)):
            place = random.randrange(HEADER_SIZE, len(data))
            data[place] ^= 1 << random.randrange(8)
            hit.add(number + (place - HEADER_SIZE) // RECORD)
        path.write_bytes(data)
        number += count
    async with disk_spool(left) as spool:
        [stream] = spool.pending()
        assert numbers(spool) == [number for number in range(30) if number not in hit]
        known_end = spool.pending()[stream].last()
        assert lost(spool).get("damaged", IntervalSet()) == IntervalSet.of(n for n in hit if n < known_end)
        assert not hit & set(spool.pending()[stream])


async def test_a_damaged_header_does_not_matter(left: Path) -> None:
    for path in segments(left):
        path.write_bytes(bytes(HEADER_SIZE) + path.read_bytes()[HEADER_SIZE:])
    async with disk_spool(left) as spool:
        assert numbers(spool) == list(range(30))


async def test_a_segment_overwritten_with_noise_costs_its_records(left: Path) -> None:
    victim = segments(left)[1]
    victim.write_bytes(Random(1).randbytes(victim.stat().st_size))
    async with disk_spool(left) as spool:
        assert numbers(spool) == [*range(9), *range(18, 30)]
        assert lost(spool) == {"damaged": IntervalSet([(9, 17)])}
        assert not victim.exists()


@pytest.mark.parametrize("wipe", [bytes, Random(1).randbytes], ids=["zeros", "noise"])
@pytest.mark.parametrize("first", [0, 1, 3])
async def test_what_the_last_segments_held_is_named_as_far_as_file_names_tell(
    left: Path, first: int, wipe: Callable[[int], bytes]
) -> None:
    for victim in segments(left)[first:]:
        victim.write_bytes(wipe(victim.stat().st_size))
    known = IntervalSet([(first * 9, 26)]) if first < 3 else IntervalSet()
    async with disk_spool(left) as spool:
        assert numbers(spool) == list(range(first * 9))
        assert lost(spool).get("damaged", IntervalSet()) == known
    async with disk_spool(left) as spool:
        assert lost(spool) == {}, "told twice"


async def test_a_tail_that_is_missing_before_a_segment_without_records_is_named(left: Path) -> None:
    third, last = segments(left)[2:]
    third.write_bytes(third.read_bytes()[: HEADER_SIZE + 4 * RECORD])
    last.write_bytes(last.read_bytes()[:HEADER_SIZE])
    async with disk_spool(left) as spool:
        assert numbers(spool) == list(range(22))
        assert lost(spool) == {"damaged": IntervalSet([(22, 26)])}


@pytest.mark.parametrize("size", [0, HEADER_SIZE - 1, HEADER_SIZE])
async def test_a_segment_cut_to_nothing_costs_its_records_once(left: Path, size: int) -> None:
    victim = segments(left)[1]
    victim.write_bytes(victim.read_bytes()[:size])
    async with disk_spool(left) as spool:
        assert numbers(spool) == [*range(9), *range(18, 30)]
        assert lost(spool) == {"damaged": IntervalSet([(9, 17)])}
        assert not victim.exists()


async def test_a_missing_segment_in_the_middle_costs_its_records(left: Path) -> None:
    segments(left)[1].unlink()
    async with disk_spool(left) as spool:
        assert numbers(spool) == [*range(9), *range(18, 30)]
        assert lost(spool) == {"damaged": IntervalSet([(9, 17)])}


async def test_a_segment_that_vanishes_while_the_spool_is_open_is_reported_missing(left: Path) -> None:
    async with disk_spool(left) as spool:
        segments(left)[2].unlink()
        assert numbers(spool) == [*range(18), *range(27, 30)]
        assert lost(spool) == {"missing": IntervalSet([(18, 26)])}
        assert numbers(spool) == [*range(18), *range(27, 30)]


async def test_when_the_growing_segment_is_removed_another_one_is_begun(tmp_path: Path) -> None:
    async with disk_spool(tmp_path) as spool:
        fill(spool, range(3))
        segments(tmp_path)[0].unlink()
        await spool.commit()
        assert lost(spool) == {"missing": IntervalSet([(0, 2)])}
        fill(spool, range(3, 6))
        assert [offset for offset, _ in everything(spool)[spool.stream]] == [3, 4, 5]


async def test_an_empty_segment_is_removed(left: Path) -> None:
    last = segments(left)[-1]
    last.write_bytes(b"")
    async with disk_spool(left) as spool:
        assert numbers(spool) == list(range(27))
        assert not last.exists()


async def test_files_of_others_are_left_alone(left: Path) -> None:
    strange = {
        "notes.txt": b"mine",
        "1-2-3.segment": b"no name of ours",
        ".hidden": b"",
        "checkpoint.bak": b"{}",
    }
    for name, content in strange.items():
        (left / name).write_bytes(content)
    (left / "lost+found").mkdir()
    async with disk_spool(left) as spool:
        assert numbers(spool) == list(range(30))
    assert {name: (left / name).read_bytes() for name in strange} == strange


def make_pipe(path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(path)


SOMETHING_ELSE = pytest.mark.parametrize("make", [Path.mkdir, make_pipe])
"""Makes what is no file; reading a pipe would wait for a writer, for ever."""


@SOMETHING_ELSE
@pytest.mark.parametrize("opening", [0, 1, 9])
async def test_a_pipe_or_folder_that_is_named_like_a_segment_is_left_alone_and_named(
    left: Path, make: Callable[[Path], None], opening: int, caplog: pytest.LogCaptureFixture
) -> None:
    strange = left / f"{opening:08d}-{5:016x}-{0:012d}.segment"
    make(strange)
    async with disk_spool(left) as spool:
        assert numbers(spool) == list(range(30))
        assert lost(spool) == {}
        assert f"{strange.name} cannot be read, its records stay there unsent" in caplog.text
        caplog.clear()
        assert inspect(left).depth == 30
        assert f"{strange.name} cannot be read, its records stay there unsent" in caplog.text
    assert strange.exists()


@SOMETHING_ELSE
async def test_a_pipe_or_folder_in_the_place_of_a_segment_costs_its_records(
    left: Path, make: Callable[[Path], None]
) -> None:
    victim = segments(left)[1]
    victim.unlink()
    make(victim)
    async with disk_spool(left) as spool:
        assert numbers(spool) == [*range(9), *range(18, 30)]
        assert lost(spool) == {"damaged": IntervalSet([(9, 17)])}
        assert victim.exists()


@SOMETHING_ELSE
@pytest.mark.parametrize("name", ["checkpoint", "checkpoint.new", "adopted", "dropped.jsonl"])
async def test_a_pipe_or_folder_in_the_place_of_a_note_stops_nothing(
    left: Path, make: Callable[[Path], None], name: str
) -> None:
    make(left / name)
    async with disk_spool(left) as spool:
        assert numbers(spool) == list(range(30))
        [stream] = spool.pending()
        spool.quarantine(stream, {0: "refused"})
        segments(left)[1].unlink()
        assert numbers(spool) == [*range(1, 9), *range(18, 30)]
        await spool.commit()
    if name.endswith(".jsonl"):
        with pytest.raises(ConfigError, match=f"{name}: cannot be used: is no file, .*; .*no folder has"):
            inspect(left)


@SOMETHING_ELSE
@pytest.mark.parametrize("name", ["checkpoint", "checkpoint.new"])
def test_a_pipe_or_folder_in_the_place_of_a_note_is_named_by_a_replay(
    left: Path, make: Callable[[Path], None], name: str
) -> None:
    make(left / name)
    with pytest.raises(ConfigError, match=f"{name}: cannot be used: .*; check the disk, and that no folder"):
        replay(left, 0)


async def test_a_segment_of_another_format_is_left_alone(
    left: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = left / f"00000009-{5:016x}-{0:012d}.segment"
    content = encode_header(Header(5, 0, 0, StreamOrigin(), version=2)) + b"something newer"
    other.write_bytes(content)
    async with disk_spool(left) as spool:
        assert numbers(spool) == list(range(30))
        assert list(spool.pending()) != [5]
    assert other.read_bytes() == content
    assert "format 2" in caplog.text


@pytest.mark.parametrize("content", [b"", b"garbage", b"00000000 {}", b'ffffffff {"zz": 1}\n', bytes(500)])
async def test_a_damaged_note_of_what_is_forgotten_only_costs_sending_again(
    left: Path, content: bytes
) -> None:
    (left / "checkpoint").write_bytes(content)
    async with disk_spool(left) as spool:
        assert numbers(spool) == list(range(30))


async def test_a_damaged_record_in_what_was_written_last_is_named_at_opening(left: Path) -> None:
    last = segments(left)[-1]
    data = bytearray(last.read_bytes())
    data[HEADER_SIZE + RECORD + HEAD_SIZE] ^= 1  # the body of record 28
    last.write_bytes(data)
    async with disk_spool(left) as spool:
        assert lost(spool) == {"damaged": IntervalSet([(28, 28)])}
        assert everything(spool)[next(iter(spool.pending()))][-1] == (29, body(29))
