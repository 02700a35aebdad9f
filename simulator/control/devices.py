"""What a client asks of single machines: their set-points, and where a recording stands that they show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import Field

from qilu.config.error_texts import suggestion
from qilu.config.settings_file import load_text
from qilu.contract.errors import ConfigError, DataError
from qilu.contract.profile import DataType, Point
from qilu.contract.validation import FrozenModel
from simulator.plant.plant import Plant
from simulator.playback.machines import PlaybackMachines

M = TypeVar("M", bound=FrozenModel)


class PlaybackChange(FrozenModel):
    """What is asked of a recording; what is not named stays as it is."""

    position: Annotated[float | None, Field(ge=0, le=1e10)] = None
    """Seconds of the recording."""
    paused: bool | None = None
    """Whether its row stays."""


class SetpointChange(FrozenModel):
    value: float
    """In the unit of the point."""


class Machinery:
    """Set-points and recordings of one plant. ConfigError of a method: why it cannot be done."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant

    def playback(self) -> list[Mapping[str, Any]]:
        return [
            _state(name, machines)
            for name in self._plant.devices
            if isinstance(machines := self._plant.machines_of(name)[0], PlaybackMachines)
        ]

    def set_playback(self, device: str, body: object) -> Mapping[str, Any]:
        """Moves a recording, holds it or lets it go on; its replicas show the same one."""
        self._require(device)
        machines, _ = self._plant.machines_of(device)
        if not isinstance(machines, PlaybackMachines):
            raise ConfigError(f"{device} shows no recording", remedy="give it `playback` in the plant's file")
        change = _checked(body, PlaybackChange, "name position or paused")
        if change.position is not None:
            machines.seek(change.position)
        if change.paused is not None:
            machines.paused = change.paused
        return _state(device, machines)

    def setpoints(self, device: str) -> list[Mapping[str, Any]]:
        self._require(device)
        machines, row = self._plant.machines_of(device)
        return [
            {
                "point": point.name,
                "unit": point.unit,
                "value": float(machines.setpoints[point.name][row]),
                "min": point.limits.min,
                "max": point.limits.max,
            }
            for point in self._plant.devices[device].profile.points
            if point.name in machines.setpoints
        ]

    def set_setpoint(self, device: str, name: str, body: object) -> None:
        """Writes it as a Modbus client would: within the limits of its point."""
        self._require(device)
        machines, row = self._plant.machines_of(device)
        points = {
            point.name: point
            for point in self._plant.devices[device].profile.points
            if point.name in machines.setpoints
        }
        if name not in points:
            remedy = suggestion(name, sorted(points)) if points else "it has none"
            raise ConfigError(f"{device} has no set-point {name!r}", remedy=remedy)
        value = _checked(body, SetpointChange, "name the value").value
        refusal = _refusal(points[name], value)
        if refusal is not None:
            raise ConfigError(f"{value:g} is not possible", key="value", remedy=refusal)
        try:
            machines.write(row, name, value)
        except DataError as error:
            raise ConfigError(str(error), key="value", remedy="give another value") from error

    def _require(self, device: str) -> None:
        if device not in self._plant.devices:
            raise ConfigError(f"no device {device!r}", remedy=suggestion(device, sorted(self._plant.devices)))


def _checked(body: object, model: type[M], remedy: str) -> M:
    if not isinstance(body, Mapping):
        raise ConfigError("no change was given", remedy=remedy)
    return load_text(json.dumps(body), model, file="request")


def _state(device: str, machines: PlaybackMachines) -> Mapping[str, Any]:
    settings = machines.settings
    return {
        "device": device,
        "position": round(max(machines.position, 0.0), 6),
        "duration": round(machines.recording.duration, 6),
        "speed": settings.speed,
        "loop": settings.loop,
        "paused": machines.paused,
        "ended": machines.ended,
    }


def _refusal(point: Point, value: float) -> str | None:
    """What is possible, where this value is not."""
    if point.type is DataType.BOOL and value not in (0.0, 1.0):
        return "give 0 or 1"
    if point.enum and value not in point.enum:
        return f"give one of {', '.join(map(str, sorted(point.enum)))}"
    low, high = point.limits.min, point.limits.max
    if (low is not None and value < low) or (high is not None and value > high) or value != value:
        return f"give {low} to {high}"
    return None
