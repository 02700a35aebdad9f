"""Whatever happened on the way, the audit says how much is missing and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from cloud.audit.audit import Finding, audit
from cloud.audit.causes import Cause, Verdict
from qilu.contract.reading import BlockSchema, Origin, Poll, Reading, Reason
from qilu.stores.factory import open_reader, open_store
from qilu.stores.settings import InfluxSettings, SqliteSettings, StoreSettings
from qilu_cli.commands.audit import notes_of, text_of
from tests.cloud.audit.scene import START, Scene
from tests.servers import Influxdb1, VictoriaMetrics

_number = count(1)


def gateway_killed(scene: Scene) -> Scene:
    scene.start()
    scene.collect(200)
    scene.kill()
    alive = scene.now_ms
    scene.wait(90)
    scene.start(alive)
    scene.collect(200)
    scene.stop()
    return scene


def gateway_stopped(scene: Scene) -> Scene:
    scene.start()
    scene.collect(100)
    scene.stop()
    alive = scene.now_ms
    scene.wait(3600)
    scene.start(alive)
    scene.collect(100)
    scene.stop()
    return scene


def device_off(scene: Scene) -> Scene:
    scene.start()
    scene.online()
    scene.collect(100)
    scene.offline()
    scene.collect(60, bad=Reason.TIMEOUT)
    scene.online()
    scene.collect(100)
    scene.stop()
    return scene


def device_back_untold(scene: Scene) -> Scene:
    scene.start()
    scene.online()
    scene.collect(100)
    scene.offline()
    scene.collect(60, bad=Reason.TIMEOUT)
    scene.online()
    scene.forget_last()
    scene.collect(200)
    scene.stop()
    return scene


def spool_full(scene: Scene) -> Scene:
    scene.start()
    scene.collect(600)
    scene.drop(START + 120_500, START + 400_500)
    scene.collect(100)
    scene.stop()
    return scene


def endpoint_busy(scene: Scene) -> Scene:
    scene.start()
    scene.collect(50)
    scene.collect(50, skipped=1)
    scene.stop()
    return scene


def processors_at_work(scene: Scene) -> Scene:
    scene.start()
    scene.collect(200, keep=lambda poll: poll.due_ms % 5000 == 0)
    scene.stop()
    return scene


def fault_of_nobody(scene: Scene) -> Scene:
    scene.start()
    scene.collect(300)
    scene.stop()
    scene.lose(range(START + 100_000, START + 110_000, 1000))
    return scene


CASES: dict[str, tuple[Callable[[Scene], Scene], dict[str, Any]]] = {
    "gateway killed": (gateway_killed, {"expected": 1470, "missing": [(270, "gateway down")]}),
    "gateway stopped": (gateway_stopped, {"expected": 11400, "missing": [(10800, "gateway down")]}),
    "device off": (
        device_off,
        {
            "expected": 780,
            "missing": [],
            "bad": {"timeout": 180},
            "notes": ["device offline 11-24 16:01:40-16:02:40Z (timeout)"],
        },
    ),
    "device back, untold": (
        device_back_untold,
        {
            "expected": 1080,
            "missing": [],
            "bad": {"timeout": 180},
            "notes": ["device offline 11-24 16:01:40-16:03:00Z (timeout)"],
        },
    ),
    "spool full": (
        spool_full,
        {"expected": 2100, "missing": [(840, "dropped by spool (max_bytes)")]},
    ),
    "endpoint busy": (endpoint_busy, {"expected": 450, "missing": [(150, "skipped: endpoint busy")]}),
    "processors at work": (processors_at_work, {"expected": 600, "suppressed": 480, "missing": []}),
    "a fault of nobody": (
        fault_of_nobody,
        {"expected": 900, "missing": [(30, "unexplained")], "unexplained": 30},
    ),
}  # fmt: skip


async def found_in(
    settings: SqliteSettings | InfluxSettings, polls: list[Poll], end_ms: int, settle: Callable[[], object]
) -> list[Finding]:
    """What an audit of the hour before `end_ms` says of a store with these polls."""
    async with open_store(settings) as store, open_reader(settings) as reader:
        assert await store.write(polls) == {}
        settle()
        return list((await audit(reader, end_ms - 7_200_000, end_ms)).findings)


@pytest.mark.parametrize("case", CASES)
async def test_what_is_missing_is_explained(case: str, tmp_path: Path) -> None:
    build, expected = CASES[case]
    scene = build(Scene(tmp_path))
    settings = SqliteSettings(type="sqlite", file=tmp_path / "store.db")
    [finding] = await found_in(settings, scene.sent, scene.now_ms + 1000, lambda: None)
    assert_found(finding, expected)


async def test_an_account_that_runs_for_hours_is_known_where_the_audit_begins_inside_it(
    tmp_path: Path,
) -> None:
    hour = 3_600_000
    scene = Scene(tmp_path, account_interval_s=3 * 3600)
    scene.start()
    scene.collect(11 * 3600 + 600, keep=lambda poll: poll.due_ms % 5000 == 0)
    async with (
        open_store(settings := SqliteSettings(type="sqlite", file=tmp_path / "store.db")) as store,
        open_reader(settings) as reader,
    ):
        await store.write(scene.sent)
        [finding] = (await audit(reader, START + 15 * hour // 2, scene.now_ms)).findings
    assert (finding.start_ms, finding.end_ms) == (
        START + 8 * hour,
        START + 11 * hour,
    )  # accounts begin at 2, 5, 8
    assert (finding.expected, finding.suppressed, finding.missing) == (32_400, 25_920, [])


@pytest.fixture(scope="module")
def victoria_metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    with VictoriaMetrics(tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.fixture(scope="module")
def influxdb1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxdb1]:
    with Influxdb1(tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.mark.parametrize("kind", ["victoriametrics", "influxdb1"])
async def test_servers_are_audited_alike(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    adapter: TypeAdapter[SqliteSettings | InfluxSettings] = TypeAdapter(StoreSettings)
    name = "victoria_metrics" if kind == "victoriametrics" else kind
    server: VictoriaMetrics | Influxdb1 = request.getfixturevalue(name)
    settle = server.flush if isinstance(server, VictoriaMetrics) else lambda: None
    raw = {"type": "influx", "server": kind, "url": server.url}
    if kind == "influxdb1":
        raw["database"] = "plant"
    settings = adapter.validate_python(raw)
    polls: list[Poll] = []
    scenes: dict[str, str] = {}
    end_ms = 0
    for case, (build, _) in CASES.items():
        device, edge = f"press-{next(_number)}", f"edge-{next(_number)}"
        scene = build(Scene(tmp_path, device))
        polls += [_renamed(poll, device, edge) for poll in scene.sent]
        scenes[device] = case
        end_ms = max(end_ms, scene.now_ms)
    findings = await found_in(settings, polls, end_ms + 1000, settle)
    assert len(findings) == len(CASES)
    for finding in findings:
        case = scenes[finding.device]
        expected = dict(CASES[case][1])
        rest = [one for one in finding.missing if one.cause is Cause.STOPPED]
        finding.missing = [one for one in finding.missing if one not in rest]
        finding.expected -= sum(one.values for one in rest)
        assert_found(finding, expected)


def _renamed(poll: Poll, device: str, edge: str) -> Poll:
    readings = []
    for reading in poll.readings:
        old = reading.columns
        origin = Origin(edge, edge if old.origin.profile == "gateway" else device, old.origin.profile)
        columns = BlockSchema(origin, old.group, old.points)
        readings.append(Reading(columns, reading.time_ms, reading.values, reading.reasons))
    return Poll(poll.due_ms, tuple(readings))


def assert_found(finding: Finding, expected: dict[str, Any]) -> None:
    missing = sum(one.values for one in finding.missing)
    assert [(one.values, text_of(one)) for one in finding.missing] == expected["missing"]
    assert finding.expected == expected["expected"]
    assert finding.suppressed == expected.get("suppressed", 0)
    assert finding.bad == expected.get("bad", {})
    assert notes_of(finding) == expected.get("notes", [])
    assert finding.unexplained == expected.get("unexplained", 0)
    assert finding.verdict is (Verdict.INCOMPLETE if finding.unexplained else Verdict.COMPLETE)
    assert (finding.surplus, finding.duplicates) == (0, 0)
    stored = finding.good + finding.uncertain + sum(finding.bad.values())
    assert finding.expected == stored + finding.suppressed + missing
