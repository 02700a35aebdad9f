"""Loads the settings file of a running gateway anew, on request only, and says what became of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from gateway.accounting.accounting_source import AccountingSource
from gateway.reload.comparison import Verdict, compare
from gateway.reload.exchange import PreparedSet, SettingsExchange
from gateway.reload.kept_sets import KeptSets, SetTexts, texts_of
from gateway.reload.reports import ReloadReport, refused
from gateway.reload.requests import ReloadRequest, RequestFiles
from gateway.reload.settings_set import SettingsSet
from gateway.reload.summary import summary
from qilu.contract.errors import ConfigError

_log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Seconds between two looks for a request of another process."""
WAIT_S = 20.0
"""Seconds after which a reload that waits for polls in progress is reported as such; it goes on."""


class _Job(NamedTuple):
    who: str
    last_good: bool
    report: asyncio.Future[ReloadReport]


class _LoadedSet(NamedTuple):
    settings: SettingsSet
    texts: SetTexts | None
    """None where they could not be read a second time."""


class Reloader:
    """`file`: the settings file that the gateway was started with. `run` does the work, one reload at a time;
    an error of the program in the middle of a change is raised there, and ends the gateway."""

    def __init__(self, file: Path, exchange: SettingsExchange, reports: AccountingSource) -> None:
        self._file = file
        self._exchange = exchange
        self._reports = reports
        directory = exchange.current.settings.spool.directory
        self._kept = KeptSets(directory)
        self._files = RequestFiles(directory)
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue(1)
        self._busy = False
        self.followers: list[Callable[[str, ReloadReport], None]] = []
        """Hear of each reload that was taken: who asked for it, and what it changed."""

    async def plan(self, *, last_good: bool = False) -> ReloadReport:
        """What a reload would do now; it changes nothing."""
        try:
            loaded = await asyncio.to_thread(self._load, last_good)
            return ReloadReport.of(compare(self._exchange.current, loaded.settings))
        except ConfigError as error:
            return refused(error)

    async def reload(self, who: str, *, last_good: bool = False) -> ReloadReport:
        """Take the file, or the set that ran before the present one, as a whole or not at all."""
        if self._busy or self._jobs.full():
            return ReloadReport("busy", f"another reload is in progress{self._waits_for()}; try again later")
        job = _Job(who, last_good, asyncio.get_running_loop().create_future())
        self._jobs.put_nowait(job)
        done, _ = await asyncio.wait([job.report], timeout=WAIT_S)
        if done:
            return job.report.result()
        return ReloadReport("waiting", f"the settings are right and being taken{self._waits_for()}")

    def _waits_for(self) -> str:
        urls = sorted(self._exchange.waiting_for)
        return f"; it waits for the polls in progress at {', '.join(urls)}" if urls else ""

    async def run(self) -> None:
        """Do what is asked for, until cancelled. The set of the start is kept first."""
        await asyncio.to_thread(self._keep_first)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look(), name="look for reload requests")
            while True:
                job = await self._jobs.get()
                self._busy = True
                report = await self._do(job)
                self._busy = False
                if not job.report.done():
                    job.report.set_result(report)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if (request := self._files.take()) is not None:
                await self._reply_to(request)

    async def _reply_to(self, request: ReloadRequest) -> None:
        if request.file and Path(request.file).resolve() != self._file.resolve():
            report = ReloadReport("refused", f"this gateway runs with {self._file.resolve()}; name this file")
        else:
            report = await self.reload(request.who, last_good=request.last_good)
        try:
            self._files.put_reply(request, report)
        except OSError as error:
            outcome = f"reload by {request.who}: {report.text}"
            _log.warning("%s; the reply to the command cannot be written: %s", outcome, error)

    async def _do(self, job: _Job) -> ReloadReport:
        loop = asyncio.get_running_loop()
        try:
            loaded = await asyncio.to_thread(self._load, job.last_good)
            prepared = await asyncio.to_thread(self._exchange.prepare, loaded.settings, loop.time())
        except ConfigError as error:
            _log.error("reload by %s refused, the old settings run on: %s; correct the file", job.who, error)
            return refused(error)
        except Exception as error:  # noqa: BLE001  # nothing was changed yet: a bug here is no reason to stop
            text = f"an error of the program, before anything was changed ({error!r}); the log has its place"
            _log.exception("reload by %s refused, the old settings run on", job.who)
            return ReloadReport("refused", text)
        change = prepared.change
        if change.verdict is Verdict.NOTHING:
            _log.info("reload by %s: nothing differs", job.who)
            return ReloadReport.of(change)
        if change.verdict is Verdict.RESTART:
            report = ReloadReport.of(change)
            _log.warning("reload by %s needs a restart, the old settings run on: %s", job.who, report.text)
            return report
        return await self._take(job, prepared, loaded.texts)

    async def _take(self, job: _Job, prepared: PreparedSet, texts: SetTexts | None) -> ReloadReport:
        await self._exchange.take(prepared)
        text = summary(prepared.change)
        _log.info("reload by %s: the settings are changed: %s", job.who, text)
        self._reports.reloaded(f"settings taken, asked for by {job.who}: {text}")
        if job.last_good:
            text += f"; {self._file} still has other settings, which a restart takes: correct the file"
        report = ReloadReport.of(prepared.change, "taken", text)
        for follower in self.followers:
            follower(job.who, report)
        await asyncio.to_thread(self._keep, texts)
        return report

    def _load(self, last_good: bool) -> _LoadedSet:
        if last_good:
            texts = self._kept.texts("previous")
            return _LoadedSet(texts.load(), texts)
        settings = SettingsSet.load(self._file)
        return _LoadedSet(settings, self._texts(settings))

    def _texts(self, settings: SettingsSet) -> SetTexts | None:
        try:
            return texts_of(self._file, settings)
        except (OSError, ConfigError, UnicodeDecodeError) as error:
            _log.warning("--last-good keeps an older set, since the settings cannot be read again: %s", error)
            return None

    def _keep_first(self) -> None:
        """The set of the start, where the file still has it."""
        texts = self._texts(self._exchange.current)
        if texts is None or texts == self._kept.running():
            return
        try:
            unchanged = texts.load() == self._exchange.current
        except ConfigError:
            unchanged = False
        self._keep(texts if unchanged else None)

    def _keep(self, texts: SetTexts | None) -> None:
        if texts is not None:
            try:
                self._kept.keep(texts)
            except OSError as error:
                where = self._kept.path("running")
                _log.warning("--last-good keeps an older set, since %s cannot be written: %s", where, error)
