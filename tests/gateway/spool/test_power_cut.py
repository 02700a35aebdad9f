"""Whatever power cuts, kills, full disks and dying disks do, the spool keeps its word."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import count
from random import Random
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.spool.disk import DiskSpool
from gateway.spool.recovery import recover
from gateway.spool.segment import QUARANTINE, REQUEUED
from gateway.spool.segment_reader import bodies_of
from gateway.spool.settings import SpoolSettings
from qilu.contract.errors import UnreachableError
from qilu.contract.ranges import IntervalSet
from tests.gateway.spool.disk_model import ModelDisk, PowerCutError
from tests.support.examples import examples

SETTINGS = SpoolSettings.model_validate(
    {"directory": "none", "max_bytes": 60_000, "min_free_disk": 0, "max_segment_bytes": 4096}
)
DISK_LOST = {"damaged", "missing", "unreadable"}
Name = tuple[int, int]


class Machine(RuleBasedStateMachine):
    """A gateway's spool on a disk that may lose everything that is not synced, at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.disk = ModelDisk()
        self.streams = count(1)
        self.seconds = 0.0
        self.bodies: dict[Name, bytes] = {}
        self.attempts: set[bytes] = set()
        """Bodies whose appending did not come to an end: they may be there or not."""
        self.confirmed: set[Name] = set()
        self.over: set[Name] = set()
        """Forgotten, set aside, or given up at a bound."""
        self.aside: set[bytes] = set()
        """Bodies that were confirmed and then set aside: in quarantine, or still in their own segment."""
        self.aside_safe: set[bytes] = set()
        """Of these, those whose copy in quarantine was committed."""
        self.aside_dropped = 0
        """What earlier processes gave up of the quarantine."""

    def run(self, work: Coroutine[Any, Any, object]) -> None:
        self.loop.run_until_complete(work)

    @initialize()
    def open(self) -> None:
        self.spool = DiskSpool(
            SETTINGS,
            "edge-1",
            files=self.disk,
            clock=lambda: 1_700_000_000 + self.seconds,
            monotonic=lambda: self.seconds,
            new_stream=lambda: next(self.streams),
        )
        self.run(self.spool.__aenter__())
        self.note_dropped()
        for stream in self.spool.pending():
            assert stream <= self.spool.stream

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool._opened.thread.shutdown()
        self.loop.close()

    def note_dropped(self) -> None:
        for dropped in self.spool.dropped():
            lost = {(dropped.stream, offset) for offset in dropped.offsets}
            if dropped.reason in DISK_LOST:
                assert not (lost - self.over) & self.confirmed
            else:
                assert dropped.reason in {"max_bytes", "disk_full"}
            self.over |= lost
            self.aside -= {self.bodies.get(name, b"") for name in lost}  # counted, so not lost uncounted
            self.aside &= self.aside_safe  # a segment given up may have had what is not committed yet

    # ------------------------------------------------------------------------------------------ daily life

    @rule(size=st.integers(0, 1500), times=st.integers(1, 8))
    def append(self, size: int, times: int) -> None:
        for _ in range(times):
            body = b"%d " % len(self.bodies) + b"x" * size
            try:
                record = self.spool.append(body)
            except PowerCutError:
                self.attempts.add(body)
                raise
            if record is not None:
                assert (record.stream, record.offset) not in self.bodies
                self.bodies[record.stream, record.offset] = body
        self.note_dropped()

    def kept(self) -> set[Name]:
        return {(stream, offset) for stream, offsets in self.spool.pending().items() for offset in offsets}

    def own(self) -> set[Name]:
        return {name for name in self.kept() if name[0] == self.spool.stream}

    @rule()
    def commit(self) -> None:
        pending = self.own()
        try:
            self.run(self.spool.commit())
        except UnreachableError:
            return
        self.note_dropped()
        self.confirmed |= pending
        self.aside_safe |= self.aside

    @rule(random=st.randoms(use_true_random=False), part=st.sampled_from([0.1, 0.5, 1.0]))
    def forget(self, random: Random, part: float) -> None:
        for stream, offsets in list(self.spool.pending().items()):
            forgotten = [offset for offset in offsets if random.random() < part]
            self.over |= {(stream, offset) for offset in forgotten}  # durable, whatever happens now
            self.aside -= {self.bodies.get((stream, offset), b"") for offset in forgotten}
            self.spool.forget(stream, IntervalSet.of(forgotten))

    @rule()
    def quarantine(self) -> None:
        for stream, offsets in list(self.spool.pending().items()):
            if offsets:
                first = offsets.first()
                body = self.bodies.get((stream, first))
                sure = (stream, first) in self.confirmed
                dropped = self.spool.counts().quarantine_dropped
                self.spool.quarantine(stream, {first: "refused"})
                self.note_dropped()
                self.over.add((stream, first))
                if body is not None and sure and self.spool.counts().quarantine_dropped == dropped:
                    self.aside.add(body)

    @rule(seconds=st.sampled_from([0.2, 2.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.seconds += seconds

    @rule()
    def read_everything(self) -> None:
        kept = self.kept()
        found: dict[Name, bytes] = {}
        for stream, offsets in list(self.spool.pending().items()):
            wanted = offsets.copy()
            while wanted:
                records = self.spool.read(stream, wanted, 3000)
                for record in records:
                    found[record.stream, record.offset] = record.body
                wanted.remove(0, records[-1].offset if records else 2**62)
        self.note_dropped()
        for name, body in found.items():
            assert self.bodies.get(name) == body or body in self.attempts
            self.bodies[name] = body
        kept_still = self.kept()
        assert kept_still == set(found)
        assert kept_still <= kept
        assert self.confirmed - self.over <= kept_still

    @invariant()
    def the_bound_holds(self) -> None:
        if hasattr(self, "spool"):
            segments = sum(
                len(one.data) for name, one in self.disk.files.items() if name.endswith(".segment")
            )
            assert segments <= SETTINGS.max_bytes + 200  # headers of segments without a record

    # -------------------------------------------------------------------------------------------- bad luck

    def confirm_on_honest_disk(self, names: set[Name]) -> None:
        """Closing and opening only log that a disk is dying; there is nobody left who could commit again."""
        if not any(inode.lying for inode in self.disk.files.values()):
            self.confirmed |= names

    def open_again(self) -> None:
        self.spool._opened.thread.shutdown()
        self.aside_dropped += self.spool.counts().quarantine_dropped
        self.open()
        self.read_everything()
        self.look_for_what_was_set_aside()

    def look_for_what_was_set_aside(self) -> None:
        """Nothing that was set aside is lost uncounted; it may be there twice, or be sent again."""
        found = {self.bodies[name] for name in self.kept()}
        for segment in recover(self.disk).quarantined.segments():
            found |= {body.partition(b"\n")[2] for body in bodies_of(self.disk, segment)}
        dropped = self.aside_dropped + self.spool.counts().quarantine_dropped
        assert len(self.aside - found) <= dropped

    @rule()
    def restart(self) -> None:
        self.disk.fail_syncs = 0
        pending = self.own()
        self.run(self.spool.__aexit__(None, None, None))
        self.note_dropped()
        self.confirm_on_honest_disk(pending)
        self.open_again()

    @rule()
    def kill(self) -> None:
        self.disk.fail_syncs = 0
        self.disk.kill_process()
        everything = self.kept()
        self.open_again()
        assert everything <= self.kept() | self.over
        self.confirm_on_honest_disk(everything)  # opening makes safe what the killed process did not

    @rule(random=st.randoms(use_true_random=False), power_cut=st.booleans())
    def requeue(self, random: Random, power_cut: bool) -> None:
        """As the command does it, with a power cut before all names are safe, perhaps."""
        self.disk.fail_syncs = 0
        pending = self.own()
        self.run(self.spool.__aexit__(None, None, None))
        self.note_dropped()
        self.confirm_on_honest_disk(pending)
        for segment in recover(self.disk).quarantined.segments():
            self.attempts |= {body.partition(b"\n")[2] for body in bodies_of(self.disk, segment)}
            self.disk.rename(segment.name, segment.name.removesuffix(QUARANTINE) + REQUEUED)
        if power_cut:
            self.disk.cut_power(random)
        else:
            self.disk.sync_names()
        self.open_again()

    @rule(random=st.randoms(use_true_random=False))
    def cut_power(self, random: Random) -> None:
        self.disk.cut_power(random)
        self.open_again()

    @rule(
        random=st.randoms(use_true_random=False),
        operations=st.integers(1, 12),
        work=st.lists(st.sampled_from(["append", "commit", "forget", "close"]), min_size=1, max_size=8),
    )
    def cut_power_while(self, random: Random, operations: int, work: list[str]) -> None:
        self.disk.power = operations
        try:
            for one in work:
                if one == "append":
                    self.append(700, 4)
                elif one == "commit":
                    self.commit()
                elif one == "forget":
                    self.forget(random, 0.9)
                else:
                    self.run(self.spool.__aexit__(None, None, None))
                    break
        except PowerCutError:
            pass
        self.note_dropped()
        self.disk.cut_power(random)
        self.open_again()

    @rule()
    def let_a_sync_fail(self) -> None:
        self.disk.fail_syncs += 1

    @precondition(lambda self: self.disk.capacity >= 10**9)
    @rule(left=st.integers(0, 5000))
    def fill_the_disk(self, left: int) -> None:
        self.disk.capacity = self.disk.used() + left

    @precondition(lambda self: self.disk.capacity < 10**9)
    @rule()
    def free_the_disk(self) -> None:
        self.disk.capacity = 10**9


Machine.TestCase.settings = settings(
    max_examples=examples(150), stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
test_the_spool_keeps_its_word = Machine.TestCase
