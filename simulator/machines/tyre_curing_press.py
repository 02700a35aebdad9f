"""A tyre curing press: shapes a green tyre over a bladder, cures it with steam, then hot nitrogen.

Equations: equivalent cure at 150 degC after Arrhenius, dE/dt = exp(Ea/R (1/T0 - 1/T)) with Ea = 92
kJ/mol (Mark, Erman and Roland, The Science and Technology of Rubber, ch. 7); steam at its saturation
temperature; tyre, mould and platen as thermal masses; steam used = heat given to tyre and hall and
stored in mould and platen / heat of evaporation, plus the filling of the bladder.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulator.physics.alarms import Alarm, AlarmLimits
from simulator.physics.cycle import Cycle
from simulator.physics.fluid_properties import EVAPORATION, steam_temperature
from simulator.physics.machine import Fleet, Machines, Surroundings, Values
from simulator.physics.noise import Array
from simulator.physics.operation import Operation, hours, waits
from simulator.physics.signals import OUNoise, lag, ramp
from simulator.physics.utility import Utility

LOAD, CLOSE, STEAM, NITROGEN, EXHAUST, OPEN, UNLOAD = range(7)
SECONDS = np.array([40.0, 20.0, 240.0, 440.0, 40.0, 20.0, 25.0])
GREEN = 28.0  # degC
TYRE_MASS, TYRE_HEAT = 10.5, 1.9  # kg, kJ/(kg K)
PLATEN_C, MOULD_C = 400.0, 480.0  # kJ/K
PLATEN_UA, MOULD_UA = 0.085, MOULD_C / 260.0  # kW/K to the hall, kW/K between platen and mould
NITROGEN_PRESSURE = 21.0  # bar
FILLING = 30.0  # s in which the nitrogen comes to its pressure
ACTIVATION = 92_000.0 / 8.314  # K
REFERENCE = 423.15  # K
CURED = 20.0  # equivalent minutes that a good tyre needs
BLADDER_LIFE = 350
# how far a good tyre has come at a share of the cycle: inner degC, tyre degC, equivalent minutes
SHARE = np.array([0.0, 0.07, 0.15, 0.25, 0.34, 0.44, 0.54, 0.63, 0.73, 0.83, 0.92, 1.0])
INNER = np.array([153.0, 140, 194, 194, 194, 189, 185, 181, 179, 178, 170, 155])
TYRE = np.array([GREEN, GREEN, 78, 120, 145, 160, 167, 170, 172, 173, 169, 160])
CURE = np.array([0.0, 0, 0, 0.1, 0.6, 2.3, 5.3, 9.4, 14.1, 19.1, 24, 26.3])


class TyreCuringPresses(Machines):
    """A tyre with less than CURED equivalent minutes is scrap. After BLADDER_LIFE tyres the bladder is
    changed.
    """

    alarms = (
        Alarm(10, "bladder_pressure", 15.0, 18.0, ("bladder_leak",)),  # once the nitrogen is in
        Alarm(11, "platen_temperature", -12.0, -8.0, ("steam_trap_blocked",), "platen_temperature_set"),
    )
    faults = ("bladder_leak", "steam_trap_blocked")

    def __init__(self, fleet: Fleet) -> None:
        n = fleet.n
        self.severity = fleet.healthy(self.faults)
        slowness = fleet.parameter("cycle_factor", 1.0, 0.01, minimum=0.5, maximum=4.0)
        self.force_rated = fleet.parameter("squeeze_force", 1520.0, 0.01)  # kN
        self.cycle = Cycle(SECONDS * slowness[:, None], fleet.between(0.0, 1.0))
        self.setpoints = {
            "platen_temperature_set": fleet.parameter("platen_temperature", 172.0),
            "press_on": np.ones(n),
        }
        self.limits = AlarmLimits(self.alarms, n)
        self.platen_for = self.setpoints["platen_temperature_set"].copy()  # the set-point that it has reached
        self.operation = Operation(
            fleet, stops=3, hours_between_stops=30.0, repair_minutes=9.0, setup_minutes=35.0
        )
        self.unsteady = OUNoise(fleet.noise, 0.05, 6.0)
        self.radiation = OUNoise(fleet.noise, 0.8, 240.0)
        self.platen = fleet.between(171.0, 173.0)
        self.mould = fleet.between(165.0, 167.0)
        share = self.cycle.clock / self.cycle.length
        self.inner, self.tyre = np.interp(share, SHARE, INNER), np.interp(share, SHARE, TYRE)
        self.cure = np.interp(share, SHARE, CURE)
        self.pressure = np.where(
            self.cycle.phase == STEAM, 12.0, np.where(self.cycle.phase == NITROGEN, 20.5, 0.0)
        )
        self.last_cure = fleet.between(24.0, 26.0)
        self.force = np.where((self.cycle.phase > CLOSE) & (self.cycle.phase < OPEN), self.force_rated, 0.0)
        self.hydraulic = np.full(n, 120.0)
        self.bladder = np.floor(fleet.between(10.0, 330.0))
        self.tyres = np.floor(fleet.between(3_000.0, 80_000.0))
        self.scrap = np.floor(self.tyres * 0.004)
        self.good = np.zeros(n, dtype=bool)
        self.nitrogen = self.tyres * 2.4
        self.steam_total = self.tyres * 9.0
        self.energy = self.tyres * 0.5
        self.run_hours = self.tyres * SECONDS.sum() / 3600.0

    def step(self, dt: float, surroundings: Surroundings) -> None:
        self.supply = surroundings.level[Utility.STEAM]
        worn = self.bladder >= BLADDER_LIFE
        wait = waits(
            (4, self.cycle.at_start & (self.supply < 9.0)),
            (1, self.cycle.at_start & (surroundings.parts < 1)),
            (2, self.cycle.at_start & (surroundings.room < 1)),
            (3, self.cycle.at_start & surroundings.closed),
            n=len(self.mould),
        )
        on = self.setpoints["press_on"] > 0
        self.operation.step(
            dt,
            on=on,
            voltage=surroundings.voltage,
            wait=wait,
            trip=self.limits.codes,
            setup=worn & self.cycle.at_start,
        )
        self.bladder = np.where(self.operation.in_setup, 0.0, self.bladder)
        self.cycle.step(dt, self.operation.running, (wait == 0) & ~worn)
        self._press(dt)
        self._cure(dt, surroundings.ambient)
        self._heat(dt, surroundings.ambient)
        self._count(dt, on)
        self._check()

    def _check(self) -> None:
        filled = (self.cycle.phase == NITROGEN) & (self.cycle.elapsed > FILLING) & self.operation.running
        wanted = self.setpoints["platen_temperature_set"]
        off = self.platen - wanted
        hot = steam_temperature(self.supply) - 4.0 >= wanted  # else it is the header that is too cold
        self.platen_for = np.where(np.abs(off) < 5.0, wanted, np.where(hot, self.platen_for, 0.0))
        self.limits.check(
            np.where(filled, self.pressure, NITROGEN_PRESSURE),
            np.where(self.operation.running & (self.platen_for == wanted), off, 0.0),
        )

    def _press(self, dt: float) -> None:
        phase, unsteady = self.cycle.phase, self.unsteady.step(dt)
        steam = np.minimum(self.supply, 14.0) - 0.3
        tight = 1.0 - 0.4 * self.severity["bladder_leak"]
        wanted = tight * np.choose(phase, [0.6, 1.0, steam, NITROGEN_PRESSURE, 0.0, 0.0, 0.0])
        self.pressure = np.maximum(lag(self.pressure, wanted + unsteady * (wanted > 2.0), 5.0, dt), 0.0)
        closed = (phase >= STEAM) & (phase <= EXHAUST)
        self.force = lag(
            self.force, np.where(closed, self.force_rated * (1.0 + 0.02 * unsteady), 0.0), 4.0, dt
        )
        moving = (phase == CLOSE) | (phase == OPEN)
        self.hydraulic = ramp(self.hydraulic, np.where(moving, 165.0, 120.0), 8.0, dt)
        self.pump = np.where(moving & self.operation.running, 11.0, 0.8)

    def _cure(self, dt: float, ambient: float) -> None:
        phase = self.cycle.phase
        hot = (phase >= STEAM) & (phase <= NITROGEN)
        source = np.choose(
            phase, [95.0, 100.0, steam_temperature(self.pressure), self.mould + 6.0, 110.0, 100.0, 95.0]
        )
        self.inner = lag(self.inner, source, np.where(phase == STEAM, 12.0, 220.0), dt)
        self.tyre = np.where(self.cycle.took | (phase <= CLOSE), GREEN, self.tyre)
        before = self.tyre
        self.tyre = np.where(
            hot,
            lag(self.tyre, (self.mould + self.inner) / 2.0, 150.0, dt),
            lag(self.tyre, ambient, 900.0, dt),
        )
        self.into_tyre = np.where(hot, TYRE_MASS * TYRE_HEAT * (self.tyre - before) / dt, 0.0)
        speed = np.exp(ACTIVATION * (1.0 / REFERENCE - 1.0 / (self.tyre + 273.15)))
        cured = np.where(phase <= CLOSE, 0.0, self.cure + speed * dt / 60.0)
        self.last_cure = np.where(self.cycle.parts, self.cure, self.last_cure)
        self.cure = cured

    def _heat(self, dt: float, ambient: float) -> None:
        phase = self.cycle.phase
        # the valve of the platen keeps its temperature as long as the header is hot enough
        possible = np.minimum(self.setpoints["platen_temperature_set"], steam_temperature(self.supply) - 4.0)
        possible = possible - 18.0 * self.severity["steam_trap_blocked"]
        platen, mould = self.platen, self.mould
        losses = PLATEN_UA * (platen - ambient)
        self.platen = np.maximum(
            lag(platen, possible + self.radiation.step(dt), 180.0, dt),
            platen - losses / PLATEN_C * dt,  # steam warms it and never cools it
        )
        opened = (phase == LOAD) | (phase >= OPEN)
        self.mould = lag(mould, self.platen - np.where(opened, 14.0, 3.0), MOULD_C / MOULD_UA, dt)
        stored = PLATEN_C * (self.platen - platen) / dt + MOULD_C * (self.mould - mould) / dt
        losses = losses + MOULD_UA * 11.0 * opened
        filling = (phase == STEAM) & (self.cycle.elapsed < 30.0) & self.operation.running
        heat = np.maximum(losses + self.into_tyre + stored, 0.0)
        self.steam = 3600.0 * heat / EVAPORATION + np.where(filling, 108.0, 0.0)

    def _count(self, dt: float, on: np.ndarray) -> None:
        parts = self.cycle.parts
        self.good = parts & (self.last_cure >= CURED)
        self.tyres = self.tyres + parts
        self.scrap = self.scrap + (parts & ~self.good)
        self.bladder = self.bladder + parts
        self.nitrogen_flow = np.where((self.cycle.phase == NITROGEN) & (self.cycle.elapsed < 60.0), 2.4, 0.0)
        self.nitrogen = self.nitrogen + self.nitrogen_flow * self.operation.running * dt / 60.0
        self.steam_total = self.steam_total + self.steam * dt / 3600.0
        self.power = np.where(on, 0.6 + self.pump, 0.05)
        self.energy = self.energy + self.power * dt / 3600.0
        self.run_hours = hours(self.run_hours, self.operation.running, dt)

    def utility_inputs(self) -> Mapping[Utility, Array]:
        return {Utility.ELECTRICITY: self.power, Utility.STEAM: self.steam}

    def cycle_seconds(self) -> Array:
        return self.cycle.length

    def passes(self) -> tuple[Array, Array]:
        return self.cycle.took.astype(np.float64), self.good.astype(np.float64)

    def values(self) -> Values:
        phase = self.cycle.phase
        return {
            **self.setpoints,
            "state": self.operation.state,
            "alarm": self.operation.alarm,
            "step": phase,
            "step_time": self.cycle.elapsed,
            "remaining_time": self.cycle.length - self.cycle.clock,
            "bladder_pressure": self.pressure,
            "bladder_temperature": self.inner,
            "platen_temperature": self.platen,
            "mould_temperature": self.mould,
            "tyre_temperature": self.tyre,
            "equivalent_cure": self.cure,
            "last_equivalent_cure": self.last_cure,
            "squeeze_force": self.force,
            "hydraulic_pressure": self.hydraulic,
            "steam_supply_pressure": self.supply,
            "steam_flow": self.steam,
            "nitrogen_volume": self.nitrogen,
            "steam_mass": self.steam_total,
            "power": self.power,
            "energy": self.energy,
            "tyre_count": self.tyres,
            "scrap_count": self.scrap,
            "bladder_uses": self.bladder,
            "cycle_time": self.cycle.last_time,
            "run_hours": self.run_hours,
            "press_closed": (phase >= STEAM) & (phase <= EXHAUST),
            "steam_valve": (phase == STEAM) & self.operation.running,
            "nitrogen_valve": (phase == NITROGEN) & self.operation.running,
            "exhaust_valve": (phase == EXHAUST) & self.operation.running,
            "fault": self.operation.faulty,
        }
