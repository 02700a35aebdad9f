"""What the story of the demo acts upon: its broker, a pump of its plant, and the audit of its store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cloud.audit.audit import audit
from cloud.audit.causes import Cause
from qilu.contract.errors import ConfigError
from qilu.mqtt.broker import EmbeddedBroker
from qilu.mqtt.settings import MqttSettings
from qilu.stores.sqlite.reader import SqliteReader
from qilu_cli.commands.demo.story import Account, Stage, StepName
from simulator.control.commands import Control
from simulator.plant.clock import Clock
from simulator.plant.plant import Plant

_PUMP, _FAULT = "centrifugal-pump", "bearing_wear"


class InterruptedBroker:
    """A broker that can be away for a while; it comes back at its port."""

    def __init__(self) -> None:
        self._broker: EmbeddedBroker | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def settings(self) -> MqttSettings:
        if self._broker is None:
            raise RuntimeError("the broker is away")
        return self._broker.settings

    async def start(self) -> None:
        """Listen, at the former port after an outage; nothing where it listens already."""
        if self._broker is not None:
            return
        broker = EmbeddedBroker(self._port)
        self._broker = await broker.__aenter__()
        self._port = broker.port

    async def stop(self) -> None:
        """Close the port and every connection."""
        broker, self._broker = self._broker, None
        if broker is not None:
            await broker.__aexit__(None, None, None)


def pump_of(plant: Plant) -> str:
    """The device whose bearing wears in the story; ConfigError where the plant has no pump."""
    for name, device in plant.devices.items():
        if device.profile.profile == _PUMP:
            return name
    raise ConfigError(
        f"the plant {plant.settings.plant} has no {_PUMP}, which the story lets fail",
        key="--story",
        remedy=f"add a machine {_PUMP} to the plant, or leave --config out",
    )


@dataclass(frozen=True, slots=True)
class Place:
    """A running demo: its plant, its broker, and the store that edge `edge` fills."""

    plant: Plant
    clock: Clock
    broker: InterruptedBroker
    store: Path
    edge: str


def stage_of(place: Place, show: Callable[[str], None], now_ms: Callable[[], int]) -> Stage:
    """The stage over a running demo; the audit counts from now on."""
    control, pump, start_ms = Control(place.plant, place.clock), pump_of(place.plant), now_ms()

    async def fail() -> None:
        control.inject({"device": pump, "fault": _FAULT, "severity": 1.0})

    async def account(end_ms: int) -> Account:
        async with SqliteReader(place.store) as reader:
            result = await audit(reader, start_ms, max(end_ms, now_ms()), edges=[place.edge])
        findings = result.findings
        absent = [missing for finding in findings for missing in finding.missing]
        return Account(
            devices=len(findings),
            expected=sum(finding.expected for finding in findings),
            skipped=sum(missing.values for missing in absent if missing.cause is Cause.BUSY),
            missing=sum(missing.values for missing in absent if missing.cause is not Cause.BUSY),
            duplicates=sum(finding.duplicates or 0 for finding in findings),
            complete=result.complete,
            until_ms=min((finding.end_ms for finding in findings), default=0),
        )

    actions = {
        StepName.BROKER_STOPPED: place.broker.stop,
        StepName.PUMP_FAULT: fail,
        StepName.BROKER_STARTED: place.broker.start,
    }
    return Stage(actions, account, now_ms, show)
