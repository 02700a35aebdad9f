"""Puts a gateway together from its settings, and runs it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random, SystemRandom

from gateway.accounting.events import AccountingSource
from gateway.accounting.expected import ScheduleSource
from gateway.accounting.ledger import Ledger
from gateway.clock import Clock
from gateway.delivery.delivery import Delivery
from gateway.delivery.outbox import Outbox
from gateway.delivery.resend import take_resend_request
from gateway.health import PROFILE, Health, StatusSource
from gateway.heartbeat import beat
from gateway.interfaces import Processor, Sink
from gateway.pipeline import Pipeline, Tally
from gateway.processors import build_processors
from gateway.processors.unwrap import CounterUnwrapper
from gateway.settings import GatewaySettings
from gateway.sinks.mqtt import MqttSink
from gateway.sources.modbus.device import DeviceSetup
from gateway.sources.modbus.learning.store import LEARNED_FOLDER, LearnedLimitsStore
from gateway.sources.modbus.poll_schedule import slot_for
from gateway.sources.modbus.settings import DeviceSettings, ModbusSettings
from gateway.sources.modbus.source import ModbusSource
from gateway.spool.disk import DiskSpool
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import Origin, TimeTrust
from qilu.modbus_client.connect_limiter import ConnectLimiter
from qilu.runtime.backoff import Backoff
from qilu.runtime.boot import boot_id
from qilu.runtime.monotonic_utc import ClockStep
from qilu.runtime.rlimits import raise_open_file_limit
from qilu.runtime.timers import Timers

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

    async def run(self, stop: asyncio.Event, grace: float = 0.0) -> None:
        """Collect and deliver until `stop` and the end of `grace`, or until cancelled."""
        raise_open_file_limit(
            2 * len(self.sources)
        )  # a new connection may be made while the old one is not closed yet
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(self.clock.run(), name="watch the clock"),
                tasks.create_task(beat(self.health.read), name="log the heartbeat"),
            ]
            await self.pipeline.run(stop, grace)
            for task in beside:
                task.cancel()


def build(
    settings: GatewaySettings,
    profiles: Mapping[str, DeviceProfile],
    *,
    extra_processors: Sequence[Processor] = (),
) -> Gateway:
    """The gateway of these settings; `profiles` has every profile that its devices name.

    Reads no file but the clock's mark, opens nothing: that is for `run`. ConfigError when a device does not
    fit its profile.
    """
    random: Random = SystemRandom()
    boot = boot_id()
    clock = Clock(settings.spool.directory / _CLOCK_FILE, boot=boot, hold_s=settings.clock_hold)
    spool = DiskSpool(
        settings.spool,
        settings.edge,
        boot=boot,
        time_authority=clock,
        clock=lambda: clock.now_ms() / 1000,
    )
    itself = Origin(settings.edge, settings.edge, PROFILE, settings.enterprise, settings.site)
    reports = _reports(settings, itself, clock)
    outbox = Outbox(settings.delivery.trusted, random, settings.delivery.limits)
    tally = Tally()
    sources = _sources(settings, profiles, clock, random, reports)
    devices = sum(len(source.devices) for source in settings.sources)
    stats = [source.stats for source in sources]
    sink = _sink(settings, spool, clock, random)
    delivery = _delivery(settings, spool, sink, outbox, random, reports)
    health = Health(
        tally,
        spool,
        outbox,
        stats,
        time.monotonic,
        clock.now_ms,
        devices,
        lost_links=lambda: delivery.lost_links,
        discarded=lambda: sink.discarded,
        clock_known=lambda: clock.trust is TimeTrust.KNOWN,
    )
    expected = [group for source in sources for group in source.schedule()]
    status = StatusSource(itself, settings.status_interval, health.read, clock.stamp, clock.tag)
    schedule = ScheduleSource(expected, settings.accounting_interval, clock.stamp, clock.tag)

    def stepped(step: ClockStep) -> None:
        reports.clock_stepped(step)
        schedule.announce_now()

    def blocked(refused: bool) -> None:
        clock.set_spool_blocked(refused)
        reports.blocked(refused)

    def on_recreated() -> None:
        clock.open_again()
        reports.open_ledger_again()

    spool.on_recreated = on_recreated
    clock.on_step = stepped
    clock.on_wall_clock_set = spool.clock_stepped
    slot = slot_for(sum(1 / group.period for group in expected))
    for source in sources:
        source.slot = slot
    pipeline = Pipeline(
        sources=sources,
        internal_sources=[status, schedule, reports],
        reports=reports,
        processors=[
            *_counters(settings, profiles),
            *build_processors(settings.processors),
            *extra_processors,
        ],
        spool=spool,
        delivery=delivery,
        tally=tally,
        sync=None if settings.spool.sync_interval == "always" else settings.spool.sync_interval,
        backoff=lambda: Backoff(random),
        next_timestamp=clock.stamp,
        tag=clock.tag,
        on_spool_blocked=blocked,
    )
    return Gateway(settings, sources, spool, outbox, pipeline, clock, health)


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
    reports: AccountingSource,
) -> list[ModbusSource]:
    slots, alarms = ConnectLimiter(settings.max_concurrent_connects), Timers()
    memory = LearnedLimitsStore(settings.spool.directory / LEARNED_FOLDER)
    return [
        ModbusSource(
            source,
            _devices(settings, source, profiles),
            clock.timebase,
            random,
            listener=reports.device,
            slots=slots,
            alarms=alarms,
            memory=memory,
        )
        for source in settings.sources
    ]


def _delivery(
    settings: GatewaySettings,
    spool: DiskSpool,
    sink: Sink,
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
    )


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
