"""Runs one scenario in memory on virtual time and over real sockets, with each framing it is meant for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

from qilu.modbus_client.endpoint import Framing
from tests.gateway.sources.peer import World
from tests.support.virtual_time import run

Scenario = Callable[..., Coroutine[Any, Any, None]]
"""Takes `world`, and whatever else the test is parametrised with."""


def _played(scenario: Scenario, worlds: list[World]) -> Callable[..., None]:
    @wraps(scenario)
    def test(world: World, **more: Any) -> None:
        if world.kind == "memory":
            run(scenario(world, **more))
        else:
            asyncio.run(scenario(world, **more))

    names = [f"{world.kind}-{'serial' if world.serial else world.framing}" for world in worlds]
    parametrised: Callable[..., None] = pytest.mark.parametrize("world", worlds, ids=names)(test)
    return parametrised


def _worlds(*framings: Framing) -> list[World]:
    return [World(kind, framing) for framing in framings for kind in ("memory", "sockets")]


SERIAL = World("memory", "rtu", serial=True)


def everywhere(scenario: Scenario) -> Callable[..., None]:
    """Modbus TCP, RTU over TCP, and RTU on a serial line."""
    return _played(scenario, [*_worlds("tcp", "rtu"), SERIAL])


def on_a_serial_line(scenario: Scenario) -> Callable[..., None]:
    """RTU on a serial line, on virtual time."""
    return _played(scenario, [SERIAL])


def with_transactions(scenario: Scenario) -> Callable[..., None]:
    """Modbus TCP only: the scenario needs transaction ids, or another part of its header."""
    return _played(scenario, _worlds("tcp"))


def on_virtual_time(scenario: Scenario) -> Callable[..., None]:
    """On virtual time only: it is a matter of milliseconds, which a busy machine does not keep."""
    return _played(scenario, [World("memory", "tcp")])


def for_hours(scenario: Scenario) -> Callable[..., None]:
    """On virtual time only: it takes minutes or hours."""
    return _played(scenario, [World("memory", "tcp")])
