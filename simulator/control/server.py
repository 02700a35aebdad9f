"""Serves the control of a plant, its page and its live state over HTTP."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qilu.web.exchange import Request, Response, Route
from qilu.web.live import Topic
from qilu.web.server import WebServer
from qilu.web.settings import WebSettings
from qilu.web.vocabulary import label_value, vocabulary
from simulator.control.causes import Causes
from simulator.control.commands import Control
from simulator.control.devices import Machinery
from simulator.control.factory import Factory
from simulator.control.possible_faults import possible_faults
from simulator.plant.clock import Clock
from simulator.plant.plant import Plant

TOPIC = "factory"
STEPPING_S = 600.0
"""Stepping a big plant by hand takes its time."""


@dataclass(frozen=True)
class PlantPages:
    """What a web server needs to show and control a plant, also one that shows a gateway as well."""

    routes: Sequence[Route]
    topic: Topic


@contextmanager
def pages_of(
    plant: Plant, clock: Clock, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
) -> Iterator[PlantPages]:
    """Routes and topic of a plant; inside the block, causes and effects are collected."""
    control = Control(plant, clock)
    causes = Causes(plant, now_ms)
    factory = Factory(plant, control, causes)
    end_following = plant.events.follow(causes.add)
    try:
        yield PlantPages(_Api(plant, control, factory).routes(), Topic(TOPIC, factory.snapshot))
    finally:
        end_following()


def routes_of(plant: Plant) -> Sequence[Route]:
    with pages_of(plant, Clock(plant)) as pages:
        return [*_About(plant, lambda: 0).routes(), *pages.routes]


@asynccontextmanager
async def serve_control(
    plant: Plant,
    clock: Clock,
    settings: WebSettings,
    *,
    page: Path | None = None,
    tokens: Path | None = None,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> AsyncIterator[WebServer]:
    """Serves until the block is left. ConfigError: the address cannot be had."""
    about = _About(plant, now_ms)
    with pages_of(plant, clock, now_ms) as pages:
        async with WebServer(
            settings,
            routes=[*about.routes(), *pages.routes],
            topics={TOPIC: pages.topic}.get,
            page=page,
            hello={"boot": about.boot, "version": version("qilu"), "role": "plant"},
            name=plant.settings.plant,
            tokens=tokens,
            now_ms=now_ms,
            key="control",
        ) as server:
            yield server


class _About:
    """What a page asks first."""

    def __init__(self, plant: Plant, now_ms: Callable[[], int]) -> None:
        self._plant = plant
        self._now_ms = now_ms
        self._started_ms = now_ms()
        self.boot = secrets.token_hex(8)

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/api/v1/info", self._info, "wall"),
            Route("GET", "/api/v1/vocabulary", self._vocabulary, "wall"),
        ]

    async def _info(self, request: Request) -> Response:
        name = self._plant.settings.plant
        return Response(
            {
                "edge": name,
                "label": {"zh": "", "en": ""},
                "site": "",
                "enterprise": "",
                "version": version("qilu"),
                "boot": self.boot,
                "started_ms": self._started_ms,
                "now_ms": self._now_ms(),
                "role": "plant",
                "views": [TOPIC],
                "access": request.caller.role.name.lower(),
                "lang": None,
            }
        )

    async def _vocabulary(self, _request: Request) -> Response:
        units = {point.unit for profile in self._plant.profiles.values() for point in profile.points}
        return Response(vocabulary(units, {}))


class _Api:
    """The routes; what each means is in openapi.yaml beside this file."""

    def __init__(self, plant: Plant, control: Control, factory: Factory) -> None:
        self._plant = plant
        self._control = control
        self._factory = factory
        self._machinery = Machinery(plant)
        self._labels = {placed.device: placed.label for placed in plant.settings.placed()}

    def routes(self) -> list[Route]:
        faults = "/api/v1/factory/faults"
        return [
            Route("GET", "/api/v1/factory", self._state, "wall"),
            Route("GET", "/api/v1/factory/clock", self._time, "viewer"),
            Route("POST", "/api/v1/factory/clock", self._set_clock, "operator", timeout_s=STEPPING_S),
            Route("GET", "/api/v1/factory/playback", self._playback, "viewer"),
            Route("POST", "/api/v1/factory/playback/{device}", self._set_playback, "operator"),
            Route("GET", "/api/v1/factory/setpoints/{device}", self._setpoints, "viewer"),
            Route("POST", "/api/v1/factory/setpoints/{device}/{point}", self._set_setpoint, "operator"),
            Route("GET", faults, self._faults, "viewer"),
            Route("POST", faults, self._inject, "operator"),
            Route("GET", f"{faults}/{{device}}", self._faults_of, "viewer"),
            Route("DELETE", f"{faults}/{{device}}", self._repair, "operator"),
            Route("DELETE", f"{faults}/{{device}}/{{fault}}", self._repair, "operator"),
        ]

    async def _state(self, _request: Request) -> Response:
        return Response(self._factory.snapshot())

    async def _time(self, _request: Request) -> Response:
        return Response(self._control.status())

    async def _set_clock(self, request: Request) -> Response:
        await self._control.set_clock(request.body, request.connected)
        return Response(self._control.status())

    async def _playback(self, _request: Request) -> Response:
        return Response(self._with_status({"playback": self._machinery.playback()}))

    async def _set_playback(self, request: Request) -> Response:
        state = self._machinery.set_playback(request.path["device"], request.body)
        return Response(self._with_status({"playback": [state]}))

    async def _setpoints(self, request: Request) -> Response:
        return Response(self._with_status({"setpoints": self._machinery.setpoints(request.path["device"])}))

    async def _set_setpoint(self, request: Request) -> Response:
        device = request.path["device"]
        self._machinery.set_setpoint(device, request.path["point"], request.body)
        return Response(self._with_status({"setpoints": self._machinery.setpoints(device)}))

    async def _faults(self, _request: Request) -> Response:
        return Response(self._with_status({"faults": self._control.faults()}))

    async def _faults_of(self, request: Request) -> Response:
        name = request.path["device"]
        rows = self._control.faults(name)
        device = self._plant.devices[name]
        content = {
            "device": name,
            "label": label_value(self._labels[name]),
            "faults": rows,
            "possible": possible_faults(device.profile, self._plant.possible_faults(name)),
        }
        return Response(self._with_status(content))

    async def _inject(self, request: Request) -> Response:
        self._control.inject(request.body)
        return Response(self._control.status(), status=201)

    async def _repair(self, request: Request) -> Response:
        repaired = self._control.repair(request.path["device"], request.path.get("fault"))
        return Response(self._with_status({"repaired": repaired}))

    def _with_status(self, content: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**self._control.status(), **content}
