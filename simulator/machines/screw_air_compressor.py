"""A fixed-speed oil-injected screw air compressor with receiver and load/unload control.

Equations: receiver as an isothermal volume, V dp/dt = p0 (Q_in - Q_out), and shaft power of an adiabatic
compression divided by an overall efficiency (Compressed Air Manual, Atlas Copco, 8th ed., 1.3 and 3.2); oil
circuit as one thermal mass cooled to ambient; power unloaded about a quarter of loaded once the oil separator
is vented, which takes most of a minute lest the oil foams, and more until then (US DOE, Improving Compressed
Air System Performance, 3rd ed.).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simulator.physics.alarms import Alarm, AlarmLimits
from simulator.physics.machine import Fleet, Machines, Surroundings, Values
from simulator.physics.noise import Array
from simulator.physics.operation import FAULT, IDLE, RUNNING, Operation, hours
from simulator.physics.signals import OUNoise, hysteresis, lag
from simulator.physics.utility import Utility

P0 = 1.013  # bar, free air
KAPPA = 1.4
LEAKS = 0.3  # share of the base demand that is there by day and by night
VENTED = 2.1  # bar in the oil separator when it runs unloaded
VENTING, FILLING = 18.0, 1.5  # s, time constants


class ScrewAirCompressors(Machines):
    """Keeps the receiver between `load_pressure_set` and `unload_pressure_set`; stops the motor after long
    unloading. Compressors on one header find one pressure: staged by lower set-points of the next.
    """

    supplies = (Utility.AIR,)
    alarms = (Alarm(10, "discharge_temperature", 110.0, 95.0, ("cooler_fouling",)),)
    faults = ("air_leak", "cooler_fouling", "filter_clogged")
    fixed = ("header",)

    def __init__(self, fleet: Fleet) -> None:
        n = fleet.n
        self.severity = fleet.healthy(self.faults)
        self.rated = fleet.parameter("rated_power", 55.0)  # kW at the motor
        self.capacity = fleet.parameter("capacity", 9.2, 0.02)  # m3/min free air
        self.volume = fleet.parameter("receiver_volume", 2.0)  # m3
        self.base_demand = fleet.parameter(
            "base_demand", 0.62, 0.08, minimum=0.0, maximum=1.1
        )  # share of capacity taken by others than `feeds`
        self.efficiency = fleet.parameter("efficiency", 0.80, 0.015, minimum=0.5, maximum=1.0)
        self.cooling = self.rated * 0.75 / 56.0  # kW/K: 56 K over ambient at full load
        self.setpoints = {
            "load_pressure_set": fleet.parameter("load_pressure", 6.8),
            "unload_pressure_set": fleet.parameter("unload_pressure", 7.6, above="load_pressure"),
            "run_enable": np.ones(n),
        }
        self.limits = AlarmLimits(self.alarms, n)
        self.operation = Operation(fleet, stops=2, hours_between_stops=60.0, repair_minutes=6.0)
        self.wander = OUNoise(fleet.noise, 0.2, 90.0)
        self.drift = OUNoise(fleet.noise, 0.015, 5.0)
        self.pressure = fleet.between(6.9, 7.5)
        self.header = np.arange(n)
        self.loaded = fleet.between(0.0, 1.0) < 0.7
        self.motor_on = np.ones(n, dtype=bool)
        self.unloaded_for = np.zeros(n)
        self.oil = fleet.between(74.0, 80.0)
        self.internal = self.pressure + 0.3
        self.current = np.full(n, 90.0)
        self.power = np.full(n, 50.0)
        self.delivered = np.zeros(n)
        self.demand = np.zeros(n)
        self.outlet = self.oil + 4.0
        self.ambient = np.full(n, 22.0)
        self.energy = fleet.between(40_000.0, 400_000.0)
        self.volume_total = self.energy * 8.5
        self.run_hours = self.energy / 45.0
        self.load_hours = self.run_hours * 0.68
        self.starts = np.floor(self.run_hours / 140.0)
        self.filter = fleet.between(0.08, 0.3)

    def step(self, dt: float, surroundings: Surroundings) -> None:
        self.activity = surroundings.activity
        self._switch(dt, surroundings.voltage)
        self._fill(dt, surroundings.demand[Utility.AIR])
        self._draw(dt, surroundings)
        self._warm(dt, surroundings.ambient)
        self._count(dt)
        self.limits.check(self.outlet)

    def _switch(self, dt: float, voltage: Array) -> None:
        on = self.setpoints["run_enable"] > 0
        self.operation.step(dt, on=on, voltage=voltage, trip=self.limits.codes)
        load_at = self.setpoints["load_pressure_set"]
        unload_at = np.maximum(self.setpoints["unload_pressure_set"], load_at + 0.1)
        started = self.operation.running & ~self.motor_on & (self.pressure <= load_at)
        keeps = self.operation.running & self.motor_on & (self.unloaded_for < 600.0)
        self.starts = self.starts + started
        self.motor_on = started | keeps
        self.loaded = hysteresis(self.loaded, self.pressure, load_at, unload_at) & self.motor_on
        self.unloaded_for = np.where(self.loaded | ~self.motor_on, 0.0, self.unloaded_for + dt)

    def _fill(self, dt: float, fed: Array) -> None:
        # what is left at night are leaks
        used = self.base_demand * (LEAKS + (1.0 - LEAKS) * self.activity)
        share = np.clip(used * (1.0 + self.wander.step(dt)), 0.0, 1.1)
        # leaks and open nozzles take air in proportion to the absolute pressure
        leaking = 0.35 * self.capacity * self.severity["air_leak"]
        wanted = (self.capacity * share + fed + leaking) * (self.pressure + P0) / (7.0 + P0)
        self.delivered = self.capacity * self.loaded * (1.0 - 0.12 * self.severity["filter_clogged"])
        change = P0 * (self.delivered - wanted) / 60.0 / self.volume * dt
        short = np.minimum(self.pressure + change, 0.0) * self.volume * 60.0 / (P0 * dt)
        self.demand = np.maximum(wanted + short, 0.0)
        self.pressure = np.clip(self.pressure + change, 0.0, 15.0)
        self._equalise()

    def stand_on(self, headers: NDArray[np.intp]) -> None:
        self.header = np.unique(headers, return_inverse=True)[1].astype(np.intp)
        self._equalise()

    def _equalise(self) -> None:
        """The receivers of a header have one pressure: that of all their air in all their volume."""
        volume = np.bincount(self.header, weights=self.volume)
        air = np.bincount(self.header, weights=self.volume * self.pressure)
        self.pressure = (air / volume)[self.header]

    def _draw(self, dt: float, surroundings: Surroundings) -> None:
        ratio = (self.pressure + 0.3 + P0) / P0
        exponent = (KAPPA - 1.0) / KAPPA
        adiabatic = self.capacity / 60.0 * P0 * 100.0 / exponent * (ratio**exponent - 1.0)
        full, vented = self.pressure + 0.3, np.where(self.motor_on, VENTED, 0.0)
        self.internal = np.where(
            self.loaded, lag(self.internal, full, FILLING, dt), lag(self.internal, vented, VENTING, dt)
        )
        unvented = np.clip((self.internal - VENTED) / np.maximum(full - VENTED, 1.0), 0.0, 1.0)
        unloaded = self.rated * (0.26 + 0.4 * unvented)
        wanted = np.where(self.loaded, adiabatic / self.efficiency, unloaded) * self.motor_on
        self.power = lag(self.power, wanted * (1.0 + self.drift.step(dt)), 0.8, dt)
        load = np.clip(self.power / self.rated, 0.0, 1.3)
        self.power_factor = np.where(self.motor_on, 0.45 + 0.44 * np.minimum(load, 1.0) ** 0.5, 0.0)
        apparent = np.divide(
            self.power, self.power_factor, out=np.zeros_like(self.power), where=self.power_factor > 0
        )
        self.seen_voltage = np.maximum(surroundings.voltage, 50.0)
        self.current = apparent * 1000.0 / (np.sqrt(3.0) * self.seen_voltage)

    def _warm(self, dt: float, ambient: float) -> None:
        self.ambient = np.full_like(self.oil, ambient)
        heat = 0.75 * self.power / self.cooling * (1.0 + 0.6 * self.severity["cooler_fouling"])
        self.oil = lag(self.oil, ambient + heat, 260.0, dt)
        self.outlet = self.oil + 9.0 * self.power / self.rated

    def _count(self, dt: float) -> None:
        self.energy = self.energy + self.power * dt / 3600.0
        self.volume_total = self.volume_total + self.delivered * dt / 60.0
        self.run_hours = hours(self.run_hours, self.motor_on, dt)
        self.load_hours = hours(self.load_hours, self.loaded, dt)
        self.filter = np.minimum(self.filter + self.delivered * dt * 1.2e-9, 0.9)

    def utility_inputs(self) -> Mapping[Utility, Array]:
        return {Utility.ELECTRICITY: self.power}

    def reactive_power(self) -> Array:
        apparent = self.current * np.sqrt(3.0) * self.seen_voltage / 1000.0
        reactive: Array = np.sqrt(np.maximum(apparent**2 - self.power**2, 0.0))
        return reactive

    def utility_outputs(self) -> Mapping[Utility, Array]:
        return {Utility.AIR: self.pressure}

    def values(self) -> Values:
        state = self.operation.state
        return {
            **self.setpoints,
            "state": np.where((state == RUNNING) & ~self.motor_on, IDLE, state),
            "alarm": self.operation.alarm,
            "motor_on": self.motor_on,
            "loaded": self.loaded,
            "fault": state == FAULT,
            "discharge_pressure": self.pressure,
            "internal_pressure": self.internal,
            "discharge_temperature": self.outlet,
            "oil_temperature": self.oil,
            "air_delivered": self.delivered,
            "air_demand": self.demand,
            "power": self.power,
            "current": self.current,
            "power_factor": self.power_factor,
            "motor_speed": self.motor_on * (2985.0 - 25.0 * self.power / self.rated),
            "dew_point": 3.0 + 0.08 * (self.outlet - 80.0) + 0.05 * (self.ambient - 22.0),
            "air_filter_pressure_drop": (self.filter + self.severity["filter_clogged"])
            * self.delivered
            / self.capacity
            * 100.0,
            "energy": self.energy,
            "air_volume": self.volume_total,
            "run_hours": self.run_hours,
            "load_hours": self.load_hours,
            "motor_starts": self.starts,
        }
