"""Other settings for the running gateway, at the console: what a reload would change, and the reload."""

from __future__ import annotations

from collections.abc import Collection

from gateway.console.catalogue import Catalogue
from gateway.console.topics import Topics
from gateway.console.watch import Watch
from gateway.reload.reloader import Reloader
from gateway.reload.reports import ReloadReport
from gateway.reload.settings_set import SettingsSet
from qilu.web.exchange import RefusalError, Request, Response, Route

_TIMEOUT_S = 60.0
_REMEDIES = {
    "restart": "restart the gateway, or take these keys back",
    "busy": "try again when it is done",
    "refused": "correct the file",
}
_STATUS = {"restart": 409, "busy": 409, "refused": 422}


class SettingsRoutes:
    """The routes; `reloader` is None where the gateway was not started from a settings file."""

    def __init__(self, reloader: Reloader | None) -> None:
        self._reloader = reloader

    def routes(self) -> list[Route]:
        """For operators only: a plan names addresses, and the reload changes what runs."""
        return [
            Route("GET", "/api/v1/commands/reload", self.plan, "operator", timeout_s=_TIMEOUT_S),
            Route("POST", "/api/v1/commands/reload", self.reload, "operator", timeout_s=_TIMEOUT_S),
        ]

    async def plan(self, request: Request) -> Response:
        """What a reload would do now."""
        report = await self._present().plan(last_good=request.query.get("last_good") == "1")
        return Response(report.value())

    async def reload(self, request: Request) -> Response:
        """Take the settings file, or the set that ran before."""
        body = {} if request.body is None else request.body
        last_good = body.get("last_good", False) if isinstance(body, dict) else None
        if not isinstance(last_good, bool):
            raise RefusalError(400, "body", "the document is no {last_good: BOOLEAN}", "send {} or this")
        who = f"{request.caller.name} ({request.caller.address})"
        report = await self._present().reload(who, last_good=last_good)
        if report.outcome in _STATUS:
            text, status = report.text, _STATUS[report.outcome]
            raise RefusalError(status, report.outcome, text, _REMEDIES[report.outcome])
        return Response(report.value(), 202 if report.outcome == "waiting" else 200)

    def _present(self) -> Reloader:
        if self._reloader is None:
            text = "this gateway was not started from a settings file"
            raise RefusalError(409, "no_file", text, "start it by `qilu gateway FILE`")
        return self._reloader


class ConsoleFollower:
    """Keeps the views of the console with the settings that run."""

    def __init__(self, catalogue: Catalogue, watch: Watch, topics: Topics) -> None:
        self._catalogue = catalogue
        self._watch = watch
        self._topics = topics

    def exchange(self, settings: SettingsSet, removed: Collection[str], added: Collection[str]) -> None:
        self._catalogue.exchange(settings.settings, settings.profiles, removed, added)
        self._watch.key_points = self._catalogue.key_points()
        self._topics.exchange(removed, added)

    def arrange(self, settings: SettingsSet) -> None:
        """The order and the labels of the settings count."""
        self._catalogue.arrange(settings.settings, settings.profiles)
        self._topics.arrange()


def reload_texts(who: str, report: ReloadReport) -> tuple[str, str]:
    """The event of a reload, in Chinese and English."""
    return f"{who} 重新加载了配置：{report.text_zh}", f"{who} reloaded the settings: {report.text}"
