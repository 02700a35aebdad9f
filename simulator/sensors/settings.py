"""What a plant's file says of sensors: ideal ones, or other numbers than those of their kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from qilu.config.error_texts import suggestion
from qilu.contract.profile import DeviceProfile
from qilu.contract.units import Duration
from qilu.contract.validation import FrozenModel, Loc, Problem
from simulator.sensors.kinds import KINDS, SensorKind, kind_of

Quality = Literal["real", "ideal"]


class SensorSettings(FrozenModel):
    """The sensor of one point; what is left out is that of its kind."""

    noise: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Standard deviation of the noise, in the unit of the point."""
    resolution: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Step of the reading, in the unit of the point; 0 for none."""
    time_constant: Duration | None = None
    """Of the first-order lag: after it 63 % of a step are seen."""
    dead_time: Duration | None = Field(default=None, le=600)
    """Until the sensor sees a change at all."""
    drift_per_year: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Standard deviation of the change in a year after calibration, in the unit of the point."""

    def applied(self, kind: SensorKind) -> SensorKind:
        """The numbers of the kind, and of these settings where they are given."""
        if self.noise is not None:
            kind = kind._replace(noise=self.noise, relative_noise=0.0)
        if self.drift_per_year is not None:
            kind = kind._replace(drift=self.drift_per_year, relative_drift=0.0)
        if self.resolution is not None:
            kind = kind._replace(resolution=self.resolution)
        if self.time_constant is not None:
            kind = kind._replace(time_constant=self.time_constant)
        return kind if self.dead_time is None else kind._replace(dead_time=self.dead_time)


Sensors = Quality | Mapping[str, SensorSettings | Literal["ideal"]]


def sensors_of(profile: DeviceProfile, sensors: Sensors, *, physics: bool) -> Mapping[str, SensorKind]:
    """The sensors of a device by point; a point without one is left out.

    physics: whether they move the points; else only the points that the settings name have a sensor.
    """
    if sensors == "ideal":
        return {}
    own: Mapping[str, SensorSettings | Literal["ideal"]] = {} if isinstance(sensors, str) else sensors
    kinds: dict[str, SensorKind] = {}
    for point in profile.points:
        setting = own.get(point.name)
        name = kind_of(profile, point) if physics else "none"
        if setting == "ideal" or (name == "none" and setting is None):
            continue
        kind = KINDS[name]
        kinds[point.name] = setting.applied(kind) if isinstance(setting, SensorSettings) else kind
    return kinds


def problems(profile: DeviceProfile, sensors: Sensors, place: Loc) -> Iterator[Problem]:
    """Points that have no sensor."""
    known = sorted(
        point.name
        for point in profile.points
        if point.kind == "gauge" and point.overlaps is None and not point.writable and point.type != "string"
    )
    for name in () if isinstance(sensors, str) else sensors:
        if name not in known:
            text = f"{profile.profile} has no sensor for a point {name}"
            yield Problem((*place, name), text, suggestion(name, known))
