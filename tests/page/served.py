"""The fixture as a process: `python -m tests.page.served --port 0` prints its address, then serves."""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from qilu.contract.display.palette import HATCHED_STATES, LEVEL_COLORS, QUALITY_COLORS, STATE_COLORS
from qilu.contract.display.states import STATES
from qilu.contract.display.units import display_unit
from qilu.contract.display.vocabulary import QUALITIES, REASONS, TERMS
from qilu.web.exchange import RefusalError, Request, Response, Route
from qilu.web.live import Topic
from qilu.web.page import FOLDER
from qilu.web.server import WebServer
from qilu.web.settings import WebSettings
from tests.page.console import Console
from tests.page.plant import PROFILES
from tests.page.state import FAULTS
from tests.page.topics import LINES

Json = dict[str, Any]
VIEWS = ["overview", "devices", "delivery", "events", "factory", "day"]


def vocabulary() -> Json:
    """What the API says of states, qualities, reasons and units."""
    units: Json = {}
    for unit in {point.unit for profile in PROFILES.values() for point in profile.points if point.unit}:
        shown = {"zh": display_unit(unit, "zh"), "en": display_unit(unit, "en")}
        if any(entry.unit != unit for entry in shown.values()):
            units[unit] = {language: entry._asdict() for language, entry in shown.items()}
    return {
        "states": {
            name: {
                "label": label.model_dump(),
                "color": STATE_COLORS[name],
                "hatched": name in HATCHED_STATES,
            }
            for name, label in STATES.items()
        },
        "qualities": {
            str(name): {"label": label.model_dump(), "color": QUALITY_COLORS[name]}
            for name, label in QUALITIES.items()
        },
        "reasons": {str(name): label.model_dump() for name, label in REASONS.items()},
        "terms": {name: label.model_dump() for name, label in TERMS.items()},
        "levels": dict(LEVEL_COLORS),
        "units": units,
    }


def changed_cells(former: Any, current: Any) -> Any:
    """The changes of the table of devices."""
    cells = [
        [row, column, value]
        for row, (before, after) in enumerate(zip(former["rows"], current["rows"], strict=True))
        for column, value in enumerate(after)
        if before[column] != value
    ]
    return {"cells": cells} if cells else None


def appended(former: Any, current: Any) -> Any:
    """The events that came."""
    known = {event["id"] for event in former["events"]}
    fresh = [event for event in current["events"] if event["id"] not in known]
    return {"append": fresh} if fresh else None


class Fixture:
    """Routes and topics over one console."""

    def __init__(self, console: Console, views: Sequence[str] = VIEWS) -> None:
        self.console = console
        self.views = views

    def topic(self, name: str) -> Topic | None:
        """A topic by its name."""
        console = self.console
        plain = {
            "overview": console.overview,
            "delivery": console.delivery,
            "factory": console.factory,
            "story": console.story,
        }
        if name in plain:
            return Topic(name, plain[name])
        if name == "devices":
            return Topic(name, console.devices, changed_cells)
        if name == "events":
            return Topic(name, console.event_list, appended)
        if name.startswith("device/") and (device := name.removeprefix("device/")) in console.machines:
            return Topic(name, lambda: console.device(device))
        return None

    def routes(self) -> list[Route]:
        """Every route; those below `test/` only drive the fixture."""
        return [
            self.get("info", self.info),
            self.get("vocabulary", lambda _: vocabulary()),
            self.get("devices/{device}", lambda request: self.console.describe(self.known(request))),
            self.get("devices/{device}/points/{point}/series", self.series),
            self.get("devices/{device}/registers", lambda _: self.console.registers()),
            self.get(
                "sparklines", lambda request: self.console.sparklines(request.query["devices"].split(","))
            ),
            self.get("events", lambda _: {"events": []}),
            self.get(
                "quarantine",
                lambda _: {
                    "records": [
                        {
                            "stream": f"{7:016x}",
                            "offset": number,
                            "time_ms": self.console.now_ms(),
                            "reason": "bad_value: speed is beyond 64 bits",
                            "device": "pump-1",
                            "group": "default",
                            "body": '{"device":"pump-1"}',
                        }
                        for number in range(self.console.quarantined)
                    ]
                },
            ),
            self.get("report/day/{day}", lambda request: self.console.day(request.path["day"])),
            self.get("factory/faults/{device}", lambda _: {"possible": list(FAULTS.values())}),
            self.change(
                "POST",
                "factory/faults",
                lambda request: self.console.inject(request.body["device"], request.body["fault"]),
            ),
            self.change(
                "DELETE",
                "factory/faults/{device}/{fault}",
                lambda request: self.console.repair(request.path["device"], request.path["fault"]),
            ),
            self.change("POST", "factory/clock", self.clock),
            self.change("POST", "commands/requeue", lambda _: {"records": self.console.requeue()}),
            self.change(
                "POST", "test/broker", lambda request: self.console.set_broker(request.body["connected"])
            ),
        ]

    def known(self, request: Request) -> str:
        """The device of a request; 404 where there is none."""
        if (device := request.path["device"]) in self.console.machines:
            return device
        raise RefusalError(404, "no_device", f"there is no device {device}", "take a name of /api/v1/devices")

    def info(self, request: Request) -> Json:
        """Who this box is."""
        now = self.console.now_ms()
        return {
            "edge": "edge-1",
            "label": {"zh": "历城一厂", "en": "Licheng plant 1"},
            "site": "demo-plant",
            "enterprise": "demo-enterprise",
            "version": "0.1.0",
            "boot": "b1",
            "started_ms": self.console.started_ms,
            "now_ms": now,
            "role": "gateway",
            "views": self.views,
            "access": request.caller.role.name.lower(),
            "lang": None,
            "lines": {line: {"zh": zh, "en": en} for line, (zh, en) in LINES.items()},
        }

    def series(self, request: Request) -> Json:
        """A chart's data."""
        query = request.query
        return self.console.series(
            self.known(request),
            request.path["point"],
            int(query["from_ms"]),
            int(query["to_ms"]),
            int(query["pixels"]),
        )

    def clock(self, request: Request) -> None:
        """Pause, step and speed."""
        body = request.body
        self.console.paused = body.get("paused", self.console.paused)
        self.console.speed = body.get("speed", self.console.speed)
        self.console.stepped_s += body.get("step", 0)

    def get(self, path: str, answer: Callable[[Request], Any]) -> Route:
        """A route that reads."""
        return Route(
            "GET", f"/api/v1/{path}", _handler(answer), "wall" if path in {"info", "vocabulary"} else "viewer"
        )

    def change(self, method: str, path: str, act: Callable[[Request], object]) -> Route:
        """A route that changes something."""
        return Route(method, f"/api/v1/{path}", _handler(lambda request: act(request) or {}), "operator")


def _handler(answer: Callable[[Request], Any]) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return Response(answer(request))

    return handle


async def main() -> None:
    """Serve until the process ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--devices", type=int, default=22)
    parser.add_argument("--hostile", action="store_true")
    parser.add_argument(
        "--wrong", action="store_true", help="the broker is away, and two devices are in trouble"
    )
    parser.add_argument("--frozen", type=int, help="the time (ms) at which the clock of the box stands still")
    parser.add_argument("--story", action="store_true", help="tell a story, which is at its end")
    parser.add_argument("--tokens", type=Path)
    parser.add_argument("--base", default="/")
    parser.add_argument("--clock-s", type=float, default=0.0, help="how far the clock of the box is ahead")
    parser.add_argument("--plain", action="store_true", help="as where the libraries of the page are missing")
    arguments = parser.parse_args()
    console = Console(
        lambda: arguments.frozen or int((time.time() + arguments.clock_s) * 1000),
        max(0, arguments.devices - 22),
        arguments.hostile,
    )
    if arguments.devices == 0:
        console.machines.clear()
    if arguments.wrong:
        console.set_broker(False)
        console.broker_since_ms -= 190_000
        console.inject("pump-1", "cut")
        console.inject("press-2", "seal_leakage")
        console.machines["pump-1"].silent_since_ms = console.now_ms() - 252_000
        console.quarantined = 3
    fixture = Fixture(console, [*VIEWS, "story"] if arguments.story else VIEWS)
    settings = WebSettings(
        listen=f"127.0.0.1:{arguments.port}",
        base=arguments.base,
        tokens=arguments.tokens,
        demand_token=arguments.tokens is not None,
    )
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page" if arguments.plain else FOLDER
        if arguments.plain:
            shutil.copytree(FOLDER, page, ignore=shutil.ignore_patterns("packages"))
        await serve(settings, fixture, page)


async def serve(settings: WebSettings, fixture: Fixture, page: Path) -> None:
    """Print the address, then serve until the process ends."""
    hello = {"boot": "b1", "version": "0.1.0", "role": "gateway"}
    now_ms = fixture.console.now_ms
    async with WebServer(
        settings,
        routes=fixture.routes(),
        topics=fixture.topic,
        page=page,
        hello=hello,
        name="edge-1",
        now_ms=now_ms,
    ) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
