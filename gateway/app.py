"""Puts a gateway together from its settings, and runs it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from gateway import device_parts
from gateway.accounting.accounting_source import AccountingSource
from gateway.accounting.daily_source import DescriptionSource
from gateway.accounting.ledger import Ledger
from gateway.accounting.schedule_source import ScheduleSource
from gateway.clock import Clock
from gateway.delivery.delivery import Delivery
from gateway.delivery.outbox import Outbox
from gateway.delivery.resend import take_resend_request
from gateway.device_parts import SourceFactory, all_devices
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
from gateway.reload.exchange import ExchangedParts, SettingsExchange
from gateway.reload.processor_chain import ProcessorChain
from gateway.reload.reloader import Reloader
from gateway.reload.settings_set import SettingsSet
from gateway.settings import GatewaySettings
from gateway.sinks.ack_verifier import AckVerifier
from gateway.sinks.mqtt import MqttSink
from gateway.sources.modbus.source import ModbusSource
from gateway.sources.modbus.stats import SourceStats
from gateway.spool.disk import DiskSpool
from gateway.spool.former_files import refuse_former_files
from gateway.timekeeping.time_synchronisation import TimeService
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin
from qilu.modbus_client.connector import Dial, dial
from qilu.runtime.backoff import Backoff
from qilu.runtime.boot import boot_id
from qilu.runtime.rlimits import raise_open_file_limit
from qilu.runtime.service_manager import Check

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
    exchange: SettingsExchange
    """How it takes other settings."""
    history: History | None = None
    """The local history, where the settings have one."""
    reloader: Reloader | None = None
    """Takes its settings file anew; None where it was not built from a file."""

    @property
    def checks(self) -> Sequence[Check]:
        """What has to hold while it runs: all tasks move on, and the disk of the spool replies."""
        return (self.pipeline.progress.problem, self.spool.problem)

    async def requeue(self) -> int:
        """Send again what a store rejected; how many records that is. UnreachableError: the disk refuses."""
        records = await self.spool.requeue()
        if records:
            self.pipeline.reports.requeued(records)
        return records

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
            if self.reloader is not None:
                beside.append(tasks.create_task(self.reloader.run(), name="take other settings"))
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
    dial: Dial = dial,
    file: Path | None = None,
) -> Gateway:
    """The gateway of these settings; `profiles` has every profile that its devices name.

    `first_processors` see every value before a processor of the settings may leave it out. `file`: where the
    settings are from, to be taken anew on request.
    Reads no file but the clock's mark, opens nothing: that is for `run`. ConfigError when a device does not
    fit its profile.
    """
    random = SystemRandom()
    clock = _clock(settings)
    edge = Origin(settings.edge, settings.edge, PROFILE, settings.enterprise, settings.site)
    reports = _reports(settings, edge, clock)
    history = _history(settings, profiles, clock)
    spool = _spool(settings, clock, reports, history)
    outbox = Outbox(settings.delivery.trusted, random, settings.delivery.limits)
    sink = _sink(settings, spool, clock, random)
    delivery = _delivery(settings, spool, sink, outbox, random, reports)
    listeners: list[EventListener] = [reports.device]
    current = SettingsSet.of(settings, profiles)
    factory = SourceFactory.of(
        settings, profiles, clock.timebase, random, lambda event: _notify(listeners, event), dial
    )
    sources = [
        factory.make(source, device_parts.setups(settings, profiles, source.devices))
        for source in settings.sources
    ]
    devices = DeviceBook(settings, sources)
    listeners.append(devices.record_event)
    expected = [group for source in sources for group in source.expected()]
    schedule = ScheduleSource(expected, settings.accounting_interval, clock.stamp, clock.tag)
    descriptions = DescriptionSource(
        device_parts.descriptions(settings, profiles, all_devices(settings)), clock.stamp, clock.tag
    )
    announce = [lambda _, source=source: source.announce_now() for source in (schedule, descriptions)]
    clock.listen(on_step=[reports.clock_stepped, *announce], on_wall_clock_set=[spool.clock_stepped])
    tally = Tally()
    observer = Observer(
        ObservedParts(
            settings, devices, tally, spool, outbox, delivery, clock,
            lambda: oldest_s(spool, clock.now_ms()), time.monotonic,
        )
    )  # fmt: skip
    stats = [SourceStats(), *(source.stats for source in sources)]
    health = Health(
        *(tally, spool, outbox, delivery, sink, clock, stats),
        sum(len(source.devices) for source in settings.sources),
        observer.status_points,
        lambda: 0 if history is None else history.left_out.records,
    )
    unwrapper = CounterUnwrapper(device_parts.counters(profiles, all_devices(settings)))
    chain = ProcessorChain(
        *(unwrapper, first_processors, extra_processors),
        *(settings.processors, build_processors(settings.processors)),
    )
    status = StatusSource(edge, settings.status_interval, health.read, clock.stamp, clock.tag)
    edge_info = EdgeInfoSource(
        *(edge, version("qilu"), settings_hash(settings), observer.view),
        *(settings.status_interval, clock.stamp, clock.tag),
    )
    deadlines = _deadlines(settings, sources)
    pipeline = Pipeline(
        sources=[*sources],
        processors=chain.processors,
        spool=spool,
        delivery=delivery,
        reports=reports,
        clock=clock,
        sync=None if settings.spool.sync_interval == "always" else settings.spool.sync_interval,
        backoff=lambda: Backoff(random),
        internal_sources=[status, edge_info, schedule, descriptions],
        consumers=[] if history is None else [history],
        tally=tally,
        progress=Progress(deadlines),
    )
    exchange = SettingsExchange(
        ExchangedParts(
            *(pipeline, sources, stats, factory, reports, schedule, descriptions, chain, devices, health),
            *(deadlines, edge_info, history),
        ),
        current,
    )
    return Gateway(
        *(settings, sources, spool, outbox, pipeline, clock, health, observer, devices, exchange),
        history,
        None if file is None else Reloader(file, exchange, reports),
    )


def _clock(settings: GatewaySettings) -> Clock:
    return Clock(
        settings.spool.directory / _CLOCK_FILE,
        boot=boot_id(),
        hold_s=settings.clock_hold,
        service=TimeService(required=settings.clock == "synchronised"),
    )


def _spool(
    settings: GatewaySettings, clock: Clock, reports: AccountingSource, history: History | None
) -> DiskSpool:
    return DiskSpool(
        settings.spool,
        settings.edge,
        boot=boot_id(),
        time_authority=clock,
        clock=lambda: clock.now_ms() / 1000,
        on_recreated=[clock.open_again, reports.open_ledger_again],
        on_corrected=[] if history is None else [history.take_corrected],
    )


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


def _reports(settings: GatewaySettings, itself: Origin, clock: Clock) -> AccountingSource:
    return AccountingSource(
        itself,
        device_parts.origins(settings, all_devices(settings)),
        clock.stamp,
        every_ms=int(settings.accounting_interval * 1000),
        down_since_ms=clock.alive_ms,
        blocked_since_ms=clock.blocked_ms,
        ledger=Ledger(settings.spool.directory / _LEDGER_FILE, boot_id(), settings.edge),
        tag=clock.tag,
    )


def _deadlines(settings: GatewaySettings, sources: Sequence[ModbusSource]) -> dict[str, Deadline]:
    """What each task may need for one step."""
    sync = settings.spool.sync_interval
    deadlines = {COMMIT: Deadline(0.0 if sync == "always" else sync)}
    for source, own in zip(sources, settings.sources, strict=True):
        deadlines[collecting_task(source)] = device_parts.deadline(source, own)
    return deadlines


def _notify(listeners: Sequence[EventListener], event: Event) -> None:
    for listener in listeners:
        listener(event)


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
