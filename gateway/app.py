"""Puts a gateway together from its settings, and runs it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from gateway.accounting.accounting_source import AccountingSource
from gateway.accounting.description_source import DescriptionSource
from gateway.accounting.ledger import Ledger
from gateway.accounting.schedule_source import ScheduleSource
from gateway.clock import Clock
from gateway.delivery.delivery import Delivery
from gateway.delivery.outbox import Outbox
from gateway.delivery.resend import take_resend_request
from gateway.diagnosis.devices import DeviceBook
from gateway.diagnosis.observer import ObservedParts, Observer
from gateway.edge_info import EdgeInfoSource, settings_hash
from gateway.health import PROFILE, Health, StatusSource, oldest_s
from gateway.heartbeat_log import beat
from gateway.interfaces import Event, EventListener, Processor
from gateway.pipeline import COMMIT, Pipeline, Tally, collecting_task
from gateway.processors import build_processors
from gateway.processors.unwrap import CounterUnwrapper
from gateway.progress import Deadline, Progress
from gateway.settings import GatewaySettings
from gateway.sinks.ack_verifier import AckVerifier
from gateway.sinks.mqtt import MqttSink
from gateway.sources.modbus.device import DeviceSetup
from gateway.sources.modbus.learning.store import LEARNED_FOLDER, LearnedLimitsStore
from gateway.sources.modbus.poll_schedule import slot_for
from gateway.sources.modbus.response_timeout import MAX_RAISE
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from gateway.sources.modbus.source import ModbusSource
from gateway.sources.modbus.stats import SourceStats
from gateway.spool.disk import DiskSpool
from gateway.spool.former_files import refuse_former_files
from qilu.contract.point_info import described, rows
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import BlockSchema, Origin
from qilu.modbus_client.connect_limiter import ConnectLimiter
from qilu.runtime.backoff import Backoff
from qilu.runtime.boot import boot_id
from qilu.runtime.rlimits import raise_open_file_limit
from qilu.runtime.service_manager import Check
from qilu.runtime.timers import Timers

if TYPE_CHECKING:
    from gateway.history.history import History

_log = logging.getLogger(__name__)

_CLOCK_FILE = "clock"
_LEDGER_FILE = "accounts"


@dataclass(frozen=True, slots=True)
class Gateway:
    """One edge, put together but not running."""

    settings: GatewaySettings
    sources: Sequence[ModbusSource]
    spool: DiskSpool
    outbox: Outbox
    pipeline: Pipeline
    clock: Clock
    health: Health
    observer: Observer
    devices: DeviceBook
    history: History | None = None
    """The local history, where the settings have one."""

    @property
    def checks(self) -> Sequence[Check]:
        """What has to hold while it runs: all tasks move on, and the disk of the spool replies."""
        return (self.pipeline.progress.problem, self.spool.problem)

    async def run(
        self, stop: asyncio.Event, grace: float = 0.0, opened: Callable[[], None] = lambda: None
    ) -> None:
        """Collect and deliver until `stop` and the end of `grace`, or until cancelled.

        `opened` is called when the spool takes records.
        """
        refuse_former_files(self.settings.spool.directory)  # before the clock's file is written
        raise_open_file_limit(
            2 * len(self.sources)
        )  # a new connection may be made while the old one is not closed yet
        async with self.history or contextlib.nullcontext(), asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(self.clock.run(), name="watch the clock"),
                tasks.create_task(beat(self.health.read), name="log the heartbeat"),
            ]
            if self.history is not None:
                beside.append(tasks.create_task(self.history.run(), name="keep the history"))
            await self.pipeline.run(stop, grace, opened)
            for task in beside:
                task.cancel()
        tally, skipped = self.pipeline.tally, sum(source.stats.missed_polls for source in self.sources)
        _log.info(
            "edge %s stopped after %d polls: %d polls skipped, %d values (%d not good), %d records durable",
            *(self.settings.edge, tally.polls, skipped),
            *(tally.points, tally.bad_points, self.outbox.tally.durable),
        )


def build(
    settings: GatewaySettings,
    profiles: Mapping[str, DeviceProfile],
    *,
    first_processors: Sequence[Processor] = (),
    extra_processors: Sequence[Processor] = (),
) -> Gateway:
    """The gateway of these settings; `profiles` has every profile that its devices name.

    `first_processors` see every value before a processor of the settings may leave it out.
    Reads no file but the clock's mark, opens nothing: that is for `run`. ConfigError when a device does not
    fit its profile.
    """
    random = SystemRandom()
    clock = Clock(settings.spool.directory / _CLOCK_FILE, boot=boot_id(), hold_s=settings.clock_hold)
    edge = Origin(settings.edge, settings.edge, PROFILE, settings.enterprise, settings.site)
    reports = _reports(settings, edge, clock)
    history = _history(settings, profiles, clock)
    consumers = [] if history is None else [history]
    spool = DiskSpool(
        settings.spool,
        settings.edge,
        boot=boot_id(),
        time_authority=clock,
        clock=lambda: clock.now_ms() / 1000,
        on_recreated=[clock.open_again, reports.open_ledger_again],
        on_corrected=[consumer.take_corrected for consumer in consumers],
    )
    outbox = Outbox(settings.delivery.trusted, random, settings.delivery.limits)
    sink = _sink(settings, spool, clock, random)
    delivery = _delivery(settings, spool, sink, outbox, random, reports)
    listeners: list[EventListener] = [reports.device]
    sources = _sources(settings, profiles, clock, random, lambda event: _notify(listeners, event))
    devices = DeviceBook(settings, sources)
    listeners.append(devices.record_event)
    expected = [group for source in sources for group in source.expected()]
    schedule = ScheduleSource(expected, settings.accounting_interval, clock.stamp, clock.tag)
    descriptions = DescriptionSource(_descriptions(settings, profiles), clock.stamp, clock.tag)
    clock.listen(
        on_step=[
            reports.clock_stepped,
            lambda _: schedule.announce_now(),
            lambda _: descriptions.announce_now(),
        ],
        on_wall_clock_set=[spool.clock_stepped],
    )
    tally = Tally()
    observer = Observer(
        ObservedParts(
            settings, devices, tally, spool, outbox, delivery, clock,
            lambda: oldest_s(spool, clock.now_ms()), time.monotonic,
        )
    )  # fmt: skip
    health = Health(
        *(tally, spool, outbox, delivery, sink, clock, [source.stats for source in sources]),
        sum(len(source.devices) for source in settings.sources),
        observer.status_points,
        lambda: 0 if history is None else history.left_out.records,
    )
    pipeline = Pipeline(
        sources=sources,
        processors=[
            *_counters(settings, profiles),
            *first_processors,
            *build_processors(settings.processors),
            *extra_processors,
        ],
        spool=spool,
        delivery=delivery,
        reports=reports,
        clock=clock,
        sync=None if settings.spool.sync_interval == "always" else settings.spool.sync_interval,
        backoff=lambda: Backoff(random),
        internal_sources=[
            StatusSource(edge, settings.status_interval, health.read, clock.stamp, clock.tag),
            EdgeInfoSource(
                *(edge, version("qilu"), settings_hash(settings), observer.view),
                *(settings.status_interval, clock.stamp, clock.tag),
            ),
            schedule,
            descriptions,
        ],
        consumers=consumers,
        tally=tally,
        progress=Progress(_deadlines(settings, sources)),
    )
    return Gateway(settings, sources, spool, outbox, pipeline, clock, health, observer, devices, history)


def _history(
    settings: GatewaySettings, profiles: Mapping[str, DeviceProfile], clock: Clock
) -> History | None:
    """The local history; nothing of it is imported where the settings have none."""
    if settings.history is None:
        return None
    from gateway.history.history import History
    from gateway.history.polled_groups import polled_groups

    return History(
        settings.history,
        settings.history_folder,
        settings.edge,
        polled_groups(settings, profiles),
        clock.now_ms,
        min_free=settings.spool.min_free_disk,
    )


def _descriptions(
    settings: GatewaySettings, profiles: Mapping[str, DeviceProfile]
) -> Iterator[tuple[BlockSchema, tuple[str, ...]]]:
    """What each point of each device is."""
    for source in settings.sources:
        for device in source.devices:
            profile = profiles[device.profile]
            periods = {**profile.groups, **device.poll_periods}
            yield from rows(
                _origin(settings, device), described(profile, device.label, device.place, periods)
            )


def _reports(settings: GatewaySettings, itself: Origin, clock: Clock) -> AccountingSource:
    devices = (device for source in settings.sources for device in source.devices)
    return AccountingSource(
        itself,
        {device.device: _origin(settings, device) for device in devices},
        clock.stamp,
        every_ms=int(settings.accounting_interval * 1000),
        down_since_ms=clock.alive_ms,
        blocked_since_ms=clock.blocked_ms,
        ledger=Ledger(settings.spool.directory / _LEDGER_FILE, boot_id(), settings.edge),
        tag=clock.tag,
    )


def _sources(
    settings: GatewaySettings,
    profiles: Mapping[str, DeviceProfile],
    clock: Clock,
    random: Random,
    listener: EventListener,
) -> list[ModbusSource]:
    slots, alarms = ConnectLimiter(settings.max_concurrent_connects), Timers()
    memory = LearnedLimitsStore(settings.spool.directory / LEARNED_FOLDER)
    slot = slot_for(_poll_rate(settings, profiles))
    return [
        ModbusSource(
            source,
            _devices(settings, source, profiles),
            clock.timebase,
            random,
            listener=listener,
            slots=slots,
            alarms=alarms,
            memory=memory,
            slot=slot,
        )
        for source in settings.sources
    ]


def _deadlines(settings: GatewaySettings, sources: Sequence[ModbusSource]) -> dict[str, Deadline]:
    """What each task may need for one step: its longest period, and a request with all of its tries."""
    sync = settings.spool.sync_interval
    deadlines = {COMMIT: Deadline(0.0 if sync == "always" else sync)}
    for source, own in zip(sources, settings.sources, strict=True):
        longest = max((group.period for group in source.expected()), default=0.0)
        timeout = max((own.timeout, *(device.timeout or 0.0 for device in own.devices)))
        seconds = longest + own.connect_timeout + MAX_RAISE * timeout * (own.retries + 1)
        deadlines[collecting_task(source)] = Deadline(seconds, partial(_requests, source.stats))
    return deadlines


def _requests(stats: SourceStats) -> int:
    """What a source has asked and heard: a poll of many requests moves on with each of them."""
    return stats.requests + stats.replies + stats.timeouts


def _notify(listeners: Sequence[EventListener], event: Event) -> None:
    for listener in listeners:
        listener(event)


def _poll_rate(settings: GatewaySettings, profiles: Mapping[str, DeviceProfile]) -> float:
    """Polls of all devices in a second."""
    return sum(
        1 / device.poll_periods.get(group, period)
        for source in settings.sources
        for device in source.devices
        for group, period in profiles[device.profile].groups.items()
        if profiles[device.profile].points_of(group)
    )


def _delivery(
    settings: GatewaySettings,
    spool: DiskSpool,
    sink: MqttSink,
    outbox: Outbox,
    random: Random,
    reports: AccountingSource,
) -> Delivery:
    return Delivery(
        spool,
        sink,
        outbox,
        linger=settings.delivery.linger,
        backoff=Backoff(random),
        clock=time.monotonic,
        backlog_rate=settings.delivery.max_backlog_rate,
        rejected=reports.rejected,
        deferred=reports.deferred,
        resend_requested=lambda: take_resend_request(settings.spool.directory),
        check_link=sink.check_ingesters,
    )


def _counters(settings: GatewaySettings, profiles: Mapping[str, DeviceProfile]) -> list[Processor]:
    """What unwraps the counters of all profiles, if there are such: ahead of what is asked for."""
    devices = {}
    for source in settings.sources:
        for device in source.devices:
            profile = profiles[device.profile]
            devices[device.device] = profile, profile.parameters_with(device.parameters)
    counters = CounterUnwrapper(devices)
    return [counters] if counters else []


def _sink(settings: GatewaySettings, spool: DiskSpool, clock: Clock, random: Random) -> MqttSink:
    return MqttSink(
        settings.mqtt,
        settings.edge,
        f"{random.getrandbits(64):016x}",
        clock.now_ms,
        per_device=settings.delivery.batch_by == "device",
        ack_by_broker=settings.delivery.free_on == "broker",
        edges=spool.edges,
        verifier=_verifier(settings, spool),
        random=random,
    )


def _verifier(settings: GatewaySettings, spool: DiskSpool) -> AckVerifier | None:
    files = settings.delivery.key_files
    return AckVerifier(files, lambda: spool.epoch, time.monotonic) if files else None


def _devices(
    settings: GatewaySettings, source: ModbusSettings, profiles: Mapping[str, DeviceProfile]
) -> list[DeviceSetup]:
    return [
        DeviceSetup(device, profiles[device.profile], _origin(settings, device)) for device in source.devices
    ]


def _origin(settings: GatewaySettings, device: DeviceSettings) -> Origin:
    return Origin(
        settings.edge, device.device, device.profile, settings.enterprise, settings.site, device.line
    )
