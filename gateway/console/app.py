"""The console of one gateway, put together: its views behind a web server. `async with` opens it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from gateway.app import Gateway, build
from gateway.console.catalogue import Catalogue
from gateway.console.event_file import FILE_NAME as EVENT_FILE
from gateway.console.event_file import EventFile
from gateway.console.event_log import MAX_EVENTS, EventLog
from gateway.console.quarantine_routes import QuarantineRoutes, requeue_texts
from gateway.console.routes import Api, ApiParts
from gateway.console.settings_routes import ConsoleFollower, SettingsRoutes, reload_texts
from gateway.console.topics import Topics
from gateway.console.watch import Watch
from gateway.interfaces import Processor
from gateway.reload.reports import ReloadReport
from gateway.settings import ConsoleSettings, GatewaySettings
from qilu.contract.errors import ConfigError, describe_os_error
from qilu.contract.profile import DeviceProfile, Label
from qilu.runtime.log_throttle import LogThrottle
from qilu.web import exchange
from qilu.web.exchange import Route
from qilu.web.live import Topic, TopicFinder
from qilu.web.server import WebServer
from qilu.web.tokens import FILE_NAME

_log = logging.getLogger(__name__)

PAGE = Path(exchange.__file__).with_name("page")
"""The folder of the page."""
_SENTENCE_INTERVAL_S = 2.0
"""Seconds between two looks at the causes, for the events."""


class Console:
    """One gateway and the web server of its console.

    `more_routes`, `more_topics` and `more_views` are of whoever runs a gateway beside something else, such
    as the demo.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        profiles: Mapping[str, DeviceProfile],
        *,
        version: str,
        extra_processors: Sequence[Processor] = (),
        more_routes: Sequence[Route] = (),
        more_topics: TopicFinder = lambda _: None,
        more_views: Sequence[str] = (),
        page: Path | None = PAGE,
        file: Path | None = None,
        waits_for_address: bool = False,
    ) -> None:
        if settings.console is None:
            raise ConfigError("is missing", key="console", remedy="add console: {}")
        catalogue = Catalogue(settings, profiles)
        watch = Watch(catalogue.key_points())
        self.gateway: Gateway = build(
            settings, profiles, first_processors=[watch], extra_processors=extra_processors, file=file
        )
        book, observer = self.gateway.devices, self.gateway.observer
        book.out_of_limits = watch.out_of_limits
        self._observer = observer
        self._events = EventLog(_label_of(catalogue), self.gateway.clock.now_ms)
        self._event_file = EventFile(settings.spool.directory / EVENT_FILE, MAX_EVENTS)
        self._version = version
        book.followers.append(self._events.record_device)
        topics = Topics(catalogue, watch, book, observer, self._events)
        boot = secrets.token_hex(8)
        api = Api(
            ApiParts(
                catalogue,
                watch,
                book,
                observer,
                self.gateway.health,
                self._events,
                topics,
                version,
                boot,
                self.gateway.history,
                more_views,
            )
        )
        reloader = self.gateway.reloader
        self.gateway.exchange.followers.append(ConsoleFollower(catalogue, watch, topics))
        if reloader is not None:
            reloader.followers.append(self._record_reload)
        quarantine = QuarantineRoutes(settings.spool.directory, self.gateway.requeue, self._record_requeue)
        self.routes = [*api.routes(), *quarantine.routes(), *SettingsRoutes(reloader).routes()]
        self.server = WebServer(
            settings.console,
            routes=[*self.routes, *more_routes],
            topics=_either(topics.find, more_topics),
            page=page if page is not None and page.is_dir() else None,
            hello={"boot": boot, "version": version, "role": "gateway"},
            name=settings.edge,
            tokens=token_file(settings, settings.console),
            on_change=self._events.record_change,
            now_ms=self.gateway.clock.now_ms,
            waits_for_address=waits_for_address,
        )
        self._throttle = LogThrottle(_log)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._restore_events()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._save_events)
            task = asyncio.create_task(self._follow_sentence(), name="follow the sentence")
            stack.callback(task.cancel)
            await stack.enter_async_context(self.server)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _record_reload(self, who: str, report: ReloadReport) -> None:
        self._events.record_command("reload", *reload_texts(who, report))

    def _record_requeue(self, who: str, records: int) -> None:
        self._events.record_command("requeue", *requeue_texts(who, records))

    async def _follow_sentence(self) -> None:
        while True:
            await asyncio.sleep(_SENTENCE_INTERVAL_S)
            try:
                if self._observer.is_ready:
                    self._events.record_sentence(self._observer.sentence())
            except Exception as error:  # noqa: BLE001  # a view with a bug must not end what it shows
                text = f"the sentence failed: {error!r}"
                self._throttle.warn("sentence", text, asyncio.get_running_loop().time())
            await self._save_events()

    async def _restore_events(self) -> None:
        """Events of the runs before this one; without them where their file cannot be read."""
        try:
            self._events.restore(await asyncio.to_thread(self._event_file.read))
        except OSError as error:
            self._warn_of_events(error)
        self._events.record_start(self._version)

    async def _save_events(self) -> None:
        """What came since the last time; a disk that refuses costs these events a restart, nothing else."""
        unsaved = list(self._events.unsaved)
        if not unsaved:
            return
        self._events.unsaved.clear()
        try:
            await asyncio.to_thread(self._event_file.append, unsaved, self._events.events)
        except OSError as error:
            self._warn_of_events(error)

    def _warn_of_events(self, error: OSError) -> None:
        text = f"the events of the console are kept in memory only: {describe_os_error(error)}"
        self._throttle.warn("events", text, asyncio.get_running_loop().time())


def token_file(settings: GatewaySettings, console: ConsoleSettings) -> Path:
    """Where the hashes of the tokens are: beside the spool, unless the settings name a file."""
    return console.tokens or settings.spool.directory / FILE_NAME


def _label_of(catalogue: Catalogue) -> Callable[[str], Label]:
    return lambda device: catalogue.devices[device].settings.label if device in catalogue.devices else Label()


def _either(first: TopicFinder, second: TopicFinder) -> TopicFinder:
    def find(name: str) -> Topic | None:
        return first(name) or second(name)

    return find
