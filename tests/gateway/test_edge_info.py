"""An edge reports its version, its settings and its sentence when they change, and not each second."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from gateway.diagnosis.view import BrokerView, GatewayView
from gateway.edge_info import EdgeInfoSource, settings_hash
from gateway.settings import GatewaySettings
from qilu.contract.edge_info import POINTS
from qilu.contract.reading import Origin, Value
from tests.support.virtual_time import virtual_time

EDGE = Origin("edge-1", "edge-1", "gateway", "works", "north")
WELL = GatewayView("edge-1", 1_800_000_000_000, last_durable_ms=1_799_999_999_000)
CUT = replace(WELL, broker=BrokerView(connected=False, since_ms=1_799_999_000_000))


async def told(views: dict[float, GatewayView], seconds: float) -> list[tuple[float, dict[str, Value]]]:
    """Second and texts of each report; `views`: second -> the view from then on."""
    loop, ticks = asyncio.get_running_loop(), itertools.count(1)
    start = loop.time()

    def view() -> GatewayView:
        age = loop.time() - start
        found = views[max(second for second in views if second <= age)]
        return replace(found, now_ms=found.now_ms + round(age * 1000))

    source = EdgeInfoSource(EDGE, "1.2.3", "0123abcd", view, 10.0, lambda _: next(ticks))
    reports = []
    async with aclosing(source.polls()) as polls:
        try:
            async with asyncio.timeout(seconds):
                async for poll in polls:
                    (reading,) = poll.readings
                    texts = dict(zip(reading.columns.points, reading.values, strict=True))
                    reports.append((loop.time() - start, texts))
        except TimeoutError:
            pass
    return reports


@virtual_time
async def test_an_edge_that_is_well_reports_at_its_start_and_once_a_day() -> None:
    reports = await told({0: WELL}, 100_000)
    assert [round(second) for second, _ in reports] == [10, 86_410]
    (_, first), _ = reports
    assert tuple(first) == POINTS
    assert (first["version"], first["settings"]) == ("1.2.3", "0123abcd")
    assert str(first["sentence_zh"]).startswith("一切正常")
    assert "ago" not in str(first["sentence_en"]), "its age would be another text each second"


@virtual_time
async def test_a_cause_is_reported_when_it_comes_every_ten_minutes_and_when_it_is_gone() -> None:
    reports = await told({0: WELL, 95: CUT, 2000: WELL}, 3000)
    assert [round(second) for second, _ in reports] == [10, 100, 700, 1300, 1900, 2000]
    sentences = [str(texts["sentence_en"]) for _, texts in reports]
    assert "Broker" in sentences[1]
    assert sentences[1] != sentences[2], "it says how long the cause lasts"
    assert sentences[0] == sentences[-1]


@virtual_time
async def test_a_cause_that_comes_and_goes_is_reported_once_a_minute_at_most() -> None:
    flapping = {0.0: WELL} | {second: CUT if second % 20 else WELL for second in range(10, 1000, 10)}
    times = [second for second, _ in await told(flapping, 1000)]
    assert all(later - one >= 60 for one, later in itertools.pairwise(times))


def test_two_edges_with_other_names_and_devices_have_one_settings_hash_and_another_spool_another(
    tmp_path: Path,
) -> None:
    def settings(edge: str, **more: object) -> GatewaySettings:
        device = {"device": f"press-{edge}", "profile": "chiller"}
        return GatewaySettings.model_validate(
            {
                "edge": edge, "spool": {"directory": str(tmp_path / edge)},
                "mqtt": {"username": edge, "password_file": str(tmp_path / edge)},
                "delivery": {"trusted_stores": ["plant-store"]},
                "sources": [{"type": "modbus", "url": f"tcp://{edge}", "devices": [device]}], **more,
            }
        )  # fmt: skip

    one, other = settings_hash(settings("edge-1")), settings_hash(settings("edge-2", label={"en": "South"}))
    assert one == other
    assert len(one) == 8
    assert settings_hash(settings("edge-1", status_interval="5s")) != one
