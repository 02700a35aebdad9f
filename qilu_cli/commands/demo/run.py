"""Puts a whole plant into one process, lets it run, and counts at the end what became of every reading."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from cloud.app import ingest
from cloud.settings import IngesterSettings
from gateway.app import Gateway, build
from gateway.history.settings import HistorySettings
from gateway.settings import ConsoleSettings, GatewaySettings
from gateway.spool.settings import SpoolSettings
from qilu.config.profiles import shipped_configs
from qilu.contract.errors import ConfigError
from qilu.contract.reading import DeviceKey
from qilu.stores.settings import SqliteSettings
from qilu.stores.sqlite.writer import SqliteStore
from qilu.web.live import Topic
from qilu.web.settings import on_port
from qilu_cli.commands.demo import table
from qilu_cli.commands.demo.latest_values import LatestValues
from qilu_cli.commands.demo.story import TOPIC as STORY_TOPIC
from qilu_cli.commands.demo.story import Story
from qilu_cli.commands.demo.story_stage import InterruptedBroker, Place, pump_of, stage_of
from qilu_cli.commands.demo.summary import Summary, compare_counters, prepare, stored_points
from qilu_cli.commands.plant_gateway import gateway_settings
from qilu_cli.file_kinds import Kind, expected
from simulator.app import Simulation, load, simulate
from simulator.plant.plant import Plant

_EDGE = "demo-edge"
_GRACE = 15.0
"""Seconds at the end in which the last readings may still become durable."""
_STORY_ACCOUNTING_S = 2.0
"""Accounting interval of a story, which is audited while it runs."""


@dataclass(slots=True)
class _Run:
    """One run of the demo, for those who watch and count it."""

    plant: Plant
    gateway: Gateway
    latest_values: LatestValues
    store: Path
    started_at: float = field(default_factory=time.monotonic)
    start_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    served: dict[str, int] = field(default_factory=dict)

    def flow(self) -> table.Flow:
        """How far the readings have come."""
        tally, delivery = self.gateway.pipeline.tally, self.gateway.pipeline.delivery
        p50, p99 = delivery.latency.quantiles(0.5, 0.99)
        return table.Flow(
            seconds=time.monotonic() - self.started_at,
            polls_per_s=self.latest_values.polls_per_s(self.gateway.clock.now_ms()),
            polled_points=tally.points,
            bad_points=tally.bad_points,
            spooled_records=sum(map(len, self.gateway.spool.pending().values())),
            durable_records=self.gateway.outbox.tally.durable,
            p50_ms=_ms(p50),
            p99_ms=_ms(p99),
        )

    async def count(self) -> Summary:
        """What the store has of it; call it when all is at rest."""
        tally, flow = self.gateway.pipeline.tally, self.flow()
        durable = await stored_points(self.store, self.start_ms)
        end_ms = self.gateway.clock.now_ms() + 1
        twice, lost = await compare_counters(
            self.store,
            self.start_ms,
            end_ms,
            {DeviceKey(_EDGE, device): counter for device, counter in self.served.items()},
        )
        return Summary(
            seconds=round(flow.seconds, 3),
            devices=len(self.plant.devices),
            polls=tally.polls,
            polled_points=tally.points,
            bad_points=tally.bad_points,
            suppressed_points=tally.suppressed_points,
            durable_points=durable,
            missing_points=tally.points - tally.suppressed_points - durable,
            duplicate_points=twice,
            lost_counters=lost,
            p50_ms=flow.p50_ms,
            p99_ms=flow.p99_ms,
        )


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the user wants. `console`: address and port of the console; None: no console.

    `story_speed`: how fast the scripted story passes; None: no story.
    """

    config: Path | None
    data_dir: Path
    duration: float | None
    headless: bool
    summary: Path | None
    console: str | None = None
    story_speed: float | None = None


async def demo(options: DemoOptions) -> None:
    """Run until Ctrl-C or until readings have flowed for `duration` (s), then deliver the rest and count.

    LossError when a point is not in the store exactly once.
    """
    summary, data_dir = options.summary, options.data_dir
    if summary is not None:
        prepare(summary)
    stop = asyncio.Event()
    demo_task = asyncio.create_task(_run_demo(options, stop), name="demo")
    try:
        await asyncio.shield(demo_task)
    except asyncio.CancelledError:
        if demo_task.cancelled():
            raise
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()  # Ctrl-C asks for an end, and a clean one still has something to do
    stop.set()
    counted = await demo_task
    store = data_dir / "store.db"
    table.print_line(
        f"polled {counted.polled_points} points, {counted.durable_points} are durable in {store}"
    )
    table.print_line(f"missing {counted.missing_points}, stored twice {counted.duplicate_points}")
    if summary is not None:
        counted.write(summary)
    counted.raise_if_lossy(store)


async def _run_demo(options: DemoOptions, stop: asyncio.Event) -> Summary:
    data_dir = options.data_dir
    file = options.config or shipped_configs() / "plant.yaml"
    with expected(Kind.PLANT, file, "name the file of a plant"):
        plant = load(file)
    store_file = data_dir / "store.db"
    store = SqliteStore(store_file)
    story = None if options.story_speed is None else Story(options.story_speed)
    if story is not None:
        pump_of(plant)
    async with store, InterruptedBroker() as broker, AsyncExitStack() as stack:
        simulation = await _serve(stack, plant)
        collecting = gateway_settings(
            plant.settings,
            plant.profiles,
            simulation.ports,
            edge=_EDGE,
            spool=SpoolSettings(directory=data_dir / "spool"),
            mqtt=broker.settings,
            store=store.identity,
        )
        if story is not None:
            collecting = collecting.model_copy(update={"accounting_interval": _STORY_ACCOUNTING_S})
        latest_values = LatestValues()
        gateway = (
            build(collecting, plant.profiles, extra_processors=[latest_values])
            if options.console is None
            else await _open_console(stack, collecting, simulation, options.console, latest_values, story)
        )
        run = _Run(plant, gateway, latest_values, store_file)
        for device in plant.devices.values():
            device.on_counter = run.served.__setitem__
        settings = IngesterSettings(
            ingester="demo", mqtt=broker.settings, store=SqliteSettings(type="sqlite", file=store_file)
        )
        shown = table.Plant(
            {device.name: device.profile for device in plant.devices.values()},
            latest_values,
            gateway.clock.now_ms,
            run.flow,
            stop.is_set,
            (lambda: ()) if story is None else story.lines,
        )
        flowing = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(ingest(settings, store=store, ready=flowing.set), name="ingest"),
                tasks.create_task(table.show(shown, options.headless), name="show"),
                tasks.create_task(_stop_after(options.duration, latest_values, stop), name="stop in time"),
            ]
            if story is not None:
                place = Place(plant, simulation.clock, broker, store_file, _EDGE)
                beside.append(
                    tasks.create_task(
                        _show_story(story, place, run, stop, lines=not table.is_live(options.headless)),
                        name="story",
                    )
                )
            await flowing.wait()  # what is sent before, this broker drops, and it would be late
            await gateway.run(stop, _GRACE)
            for task in beside:
                task.cancel()
    if story is not None:
        story.raise_if_unclean()
    return await run.count()


async def _show_story(story: Story, place: Place, run: _Run, stop: asyncio.Event, *, lines: bool) -> None:
    """The story from the first reading on, then the end of the demo; the broker is there at the end."""
    await run.latest_values.flowing.wait()
    show = table.print_line if lines else lambda _: None  # the live table has the caption
    try:
        await story.run(stage_of(place, show, run.gateway.clock.now_ms), stop)
    finally:
        await place.broker.start()
    stop.set()


async def _open_console(
    stack: AsyncExitStack,
    settings: GatewaySettings,
    simulation: Simulation,
    listen: str,
    latest_values: LatestValues,
    story: Story | None,
) -> Gateway:
    """The gateway and its plant behind a console, at any free port where its own is taken."""
    from gateway.console.app import Console
    from simulator.control.server import TOPIC, pages_of

    pages = stack.enter_context(pages_of(simulation.plant, simulation.clock))
    topics = {TOPIC: pages.topic}
    if story is not None:
        topics[STORY_TOPIC] = Topic(STORY_TOPIC, story.snapshot)

    def console(place: str) -> Console:
        with_console = settings.model_copy(
            update={"console": ConsoleSettings(listen=place), "history": HistorySettings()}
        )
        return Console(
            with_console,
            simulation.plant.profiles,
            version=version("qilu"),
            extra_processors=[latest_values],
            more_routes=pages.routes,
            more_topics=topics.get,
            more_views=list(topics),
        )

    try:
        opened = await stack.enter_async_context(console(listen))
    except ConfigError:
        opened = await stack.enter_async_context(console(f"{listen.rpartition(':')[0]}:0"))
    table.print_line(f"the console is at {opened.server.url}")
    return opened.gateway


async def _stop_after(duration: float | None, watch: LatestValues, stop: asyncio.Event) -> None:
    """Counted from the first reading: a busy machine takes its time until then."""
    if duration is not None:
        await watch.flowing.wait()
        await asyncio.sleep(duration)
        stop.set()


async def _serve(stack: AsyncExitStack, plant: Plant) -> Simulation:
    """The plant at its own ports, so that other clients find it; at free ones where those are taken."""
    control = plant.settings.control_settings
    try:
        simulation = await stack.enter_async_context(simulate(plant, control=control))
    except ConfigError:
        free = None if control is None else on_port(0)
        simulation = await stack.enter_async_context(simulate(plant, control=free, free_ports=True))
    ports = sorted(simulation.ports.values())
    if ports:
        table.print_line(
            f"the machines speak Modbus TCP at {plant.settings.host}, ports {', '.join(map(str, ports))}"
        )
    if simulation.control is not None:
        table.print_line(f"`qilu plant inject {simulation.control} DEVICE FAULT` injects a fault")
    return simulation


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
