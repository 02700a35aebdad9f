"""Kinds of sensor with noise, resolution, lag and drift of usual industrial ones, and the kind of each point.

The numbers are those of a sound instrument of the class that the source describes: noise is the standard
deviation of one reading, drift the standard deviation of the change in a year after calibration.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from qilu.contract.profile import DataType, DeviceProfile, Point


class SensorKind(NamedTuple):
    """A kind of sensor; absolute numbers in the unit of the point, relative ones as shares of the value."""

    noise: float = 0.0
    relative_noise: float = 0.0
    resolution: float = 0.0
    """Step of the reading, 0 for none."""
    time_constant: float = 0.0
    """s of the first-order lag."""
    dead_time: float = 0.0
    """s until the sensor sees a change at all."""
    drift: float = 0.0
    relative_drift: float = 0.0
    source: str = ""


KINDS: Mapping[str, SensorKind] = {
    "none": SensorKind(source="set, counted or calculated without a sensor"),
    "resistance thermometer": SensorKind(
        noise=0.05, resolution=0.01, time_constant=8.0, drift=0.05,
        source="IEC 60751, class B, in a thermowell; transmitter of 14 bits",
    ),
    "thermocouple": SensorKind(
        noise=0.2, resolution=0.1, time_constant=4.0, drift=0.5,
        source="IEC 60584-1, type K, class 1; controller's input of 0.1 K",
    ),
    "winding thermometer": SensorKind(
        noise=0.1, resolution=0.1, time_constant=10.0, drift=0.1,
        source="IEC 60034-11, embedded Pt100",
    ),
    "pressure transmitter": SensorKind(
        relative_noise=0.0005, noise=0.002, resolution=0.001, drift=0.005, relative_drift=0.001,
        source="IEC 61298-2; usual data sheets: 0.1 % of the value, 0.1 % a year",
    ),
    "pressure sensor of a cylinder": SensorKind(
        noise=0.5, relative_noise=0.001, resolution=0.1, relative_drift=0.002,
        source="strain gauge to 2,000 bar, usual data sheets: 0.25 % of full scale",
    ),
    "draught sensor": SensorKind(
        noise=1.0, relative_noise=0.003, resolution=1.0, time_constant=1.0, relative_drift=0.005,
        source="differential pressure to 1 kPa, usual data sheets: 0.5 % of full scale",
    ),
    "vacuum sensor": SensorKind(
        noise=1.5, resolution=1.0, drift=2.0, source="piezoresistive, to 1 bar, usual data sheets: 0.5 %",
    ),
    "flow meter": SensorKind(
        relative_noise=0.004, time_constant=1.0, relative_drift=0.001,
        source="ISO 20456, magnetic-inductive, damping 1 s: 0.2 % to 0.5 % of the value",
    ),
    "gas flow meter": SensorKind(
        relative_noise=0.006, time_constant=1.5, relative_drift=0.003,
        source="thermal or vortex meter, usual data sheets: 1 % of the value",
    ),
    "level transmitter": SensorKind(
        noise=0.15, resolution=0.1, time_constant=1.0, drift=0.2,
        source="differential pressure at the glass, IEC 61298-2",
    ),
    "oxygen probe": SensorKind(
        noise=0.03, resolution=0.01, time_constant=4.0, dead_time=3.0, drift=0.1,
        source="zirconia in the flue, EN 15267-3: T90 below 200 s, usual data sheets 10 s",
    ),
    "conductivity probe": SensorKind(
        relative_noise=0.003, resolution=1.0, time_constant=6.0, dead_time=2.0, relative_drift=0.02,
        source="usual data sheets: 0.5 % of the value, cell ages by 2 % a year",
    ),
    "humidity sensor": SensorKind(
        noise=0.15, resolution=0.1, time_constant=15.0, drift=0.5,
        source="capacitive, usual data sheets: 1.5 % relative humidity, below 1 % a year",
    ),
    "electrical meter": SensorKind(
        relative_noise=0.0008, relative_drift=0.0002, source="IEC 62053-22, class 0.5 S",
    ),
    "current transducer": SensorKind(
        relative_noise=0.003, relative_drift=0.001, source="IEC 60688, class 0.5",
    ),
    "frequency meter": SensorKind(noise=0.002, resolution=0.001, source="IEC 61557-12, class 0.02"),
    "drive": SensorKind(relative_noise=0.005, source="estimate of a frequency converter, usual manuals: 1 %"),
    "tachometer": SensorKind(relative_noise=0.0003, source="pulse pick-up, counted over 1 s"),
    "encoder": SensorKind(source="absolute encoder: its step is that of the register"),
    "vibration sensor": SensorKind(
        relative_noise=0.02, noise=0.01, relative_drift=0.01,
        source="ISO 2954: velocity 10 Hz to 1 kHz, estimate over 1 s",
    ),
    "load cell": SensorKind(relative_noise=0.0003, relative_drift=0.0005, source="OIML R 60, class C3"),
    "force sensor": SensorKind(relative_noise=0.002, relative_drift=0.001, source="strain gauge, 0.5 %"),
    "pyranometer": SensorKind(
        relative_noise=0.003, time_constant=5.0, relative_drift=0.008, source="ISO 9060, class B",
    ),
    "insulation monitor": SensorKind(relative_noise=0.01, time_constant=10.0, source="IEC 61557-8"),
    "gauge": SensorKind(noise=0.2, relative_drift=0.0, source="touch probe, usual data sheets: 1 um"),
    "calculation": SensorKind(relative_noise=0.003, source="from noisy inputs, in the controller"),
}  # fmt: skip

BY_UNIT: Mapping[str, str] = {
    "°C": "resistance thermometer",
    "bar": "pressure transmitter",
    "mbar": "draught sensor",
    "Pa": "draught sensor",
    "kW": "current transducer",
    "A": "current transducer",
    "V": "electrical meter",
    "kvar": "electrical meter",
    "kVA": "electrical meter",
    "Hz": "frequency meter",
    "m3/h": "flow meter",
    "kg/h": "flow meter",
    "m3/min": "gas flow meter",
    "mg/L": "conductivity probe",
    "rpm": "tachometer",
    "m/s": "tachometer",
    "m/min": "tachometer",
    "mm/s": "vibration sensor",
    "kN": "force sensor",
    "N.m": "drive",
    "cN": "force sensor",
    "g": "load cell",
    "W/m2": "pyranometer",
    "kOhm": "insulation monitor",
    "µm": "gauge",
    "m": "calculation",
}
"""Unit -> kind of sensor; a point with another unit has none."""

BY_POINT: Mapping[str, str] = {
    "flue_temperature": "thermocouple",
    "barrel_zone_1": "thermocouple",
    "barrel_zone_2": "thermocouple",
    "barrel_zone_3": "thermocouple",
    "nozzle_temperature": "thermocouple",
    "seal_temperature_front": "thermocouple",
    "seal_temperature_back": "thermocouple",
    "winding_temperature": "winding thermometer",
    "motor_temperature": "winding thermometer",
    "tyre_temperature": "none",  # of a model in the controller: no sensor is in a tyre
    "injection_pressure": "pressure sensor of a cylinder",
    "cavity_pressure": "pressure sensor of a cylinder",
    "fill_pressure": "pressure sensor of a cylinder",
    "gripper_vacuum": "vacuum sensor",
    "gas_flow": "gas flow meter",
    "steam_flow": "gas flow meter",
    "production_rate": "none",
    "water_level": "level transmitter",
    "coolant_level": "level transmitter",
    "flue_oxygen": "oxygen probe",
    "hall_humidity": "humidity sensor",
    "motor_load": "drive",
    "spindle_load": "drive",
    "spindle_power": "drive",
    "spindle_current": "drive",
    "drive_power": "drive",
    "drive_current": "drive",
    "tool_speed": "encoder",
    "film_left": "none",
    "efficiency": "calculation",
    "cop": "calculation",
    "power_factor": "electrical meter",
    "heat_output": "calculation",
    "demand": "none",  # of energy: the window takes the noise away
    "peak_demand": "none",
}
"""Point -> kind of sensor, where the unit does not tell."""


METERS = ("three-phase-energy-meter",)
"""Profiles whose powers and currents are those of an electrical meter."""


def kind_of(profile: DeviceProfile, point: Point) -> str:
    """The name of the kind of sensor behind a point: "none" for set-points, states, counters and bits."""
    plain = point.kind == "gauge" and not point.writable and point.overlaps is None
    if not plain or point.type in (DataType.BOOL, DataType.STRING):
        return "none"
    if profile.profile in METERS and point.unit in ("kW", "A") and point.name not in BY_POINT:
        return "electrical meter"
    return BY_POINT.get(point.name) or BY_UNIT.get(point.unit, "none")
