"""Every row of the Modbus faults, on virtual time and over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

import pytest

from tests.faults.catalogue import CASES
from tests.faults.stage import Case, Framing, Stage, play
from tests.support.virtual_time import run

AT_ONCE = 48  # cases over real sockets that play side by side: they mostly wait


def id_of(case: Case, framing: Framing) -> str:
    return f"{case.row:02d}-{case.name.replace(' ', '_')}-{framing}"


STAGED: list[tuple[Case, Framing]] = [(case, framing) for case in CASES for framing in case.framings]
IN_MEMORY = [(case, framing) for case, framing in STAGED if not case.sockets_only] + [
    (case, "serial") for case in CASES if case.on_a_line
]
ON_SOCKETS = [(case, framing) for case, framing in STAGED if not case.virtual_only]


@pytest.mark.parametrize(("case", "framing"), IN_MEMORY, ids=[id_of(*staged) for staged in IN_MEMORY])
def test_on_virtual_time(case: Case, framing: Framing) -> None:
    run(play(case, Stage("memory", framing)))


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest) -> Mapping[str, BaseException | None]:
    """What came of every case that was asked for, played over real sockets side by side."""
    wanted: list[tuple[Case, Framing]] = [
        cast(tuple[Case, Framing], item.callspec.params["on_socket"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_over_real_sockets"
    ]
    found: dict[str, BaseException | None] = {}

    async def one(case: Case, framing: Framing, turnstile: asyncio.Semaphore) -> None:
        stage = Stage("sockets", framing)
        async with turnstile:
            found[id_of(case, framing)] = await _outcome(case, stage)

    async def everything() -> None:
        turnstile = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for case, framing in wanted:
                tasks.create_task(one(case, framing, turnstile))
        # Clocks are real and the machine may be busy: what failed among others gets a second chance alone.
        for case, framing in wanted:
            if found[id_of(case, framing)] is not None:
                await one(case, framing, turnstile)

    asyncio.run(everything())
    return found


async def _outcome(case: Case, stage: Stage) -> BaseException | None:
    try:
        await play(case, stage)
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - raised again by its own test
        return error
    return None


@pytest.mark.parametrize("on_socket", ON_SOCKETS, ids=[id_of(*staged) for staged in ON_SOCKETS])
def test_over_real_sockets(
    on_socket: tuple[Case, Framing], played: Mapping[str, BaseException | None]
) -> None:
    error = played[id_of(*on_socket)]
    if error is not None:
        raise error
