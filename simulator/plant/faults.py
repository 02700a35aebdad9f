"""Faults as trajectories: of a machine's physics, of a point's sensor, and of the whole controller.

A fault of a machine grows from 0 to its severity over `ramp` (slowly first, with the square of time)
and is then there until its duration is over. A fault of a sensor changes what is in the registers,
never what is true.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np

from qilu.config.error_texts import suggestion
from qilu.contract.profile import SERVE_COUNTER, Point
from qilu.contract.validation import Loc, Problem
from simulator.physics.machine import Machines, Values
from simulator.physics.noise import stream
from simulator.plant.plant_file import FaultSettings
from simulator.registers.device import Device
from simulator.registers.image import Image

STUCK_BIT = "stuck_bit"
DROP_OUT = "drop_out"
SENSOR_FAULTS = ("drift", "freeze", "spike", DROP_OUT, STUCK_BIT)
WITH_AMOUNT = ("drift", "spike", STUCK_BIT)
REBOOT = "reboot"
STEEPNESS = 4.0  # of an exponential growth: it is at an eighth at half time
SLOTS, SHORTEST_SLOT = 100, 60.0  # parts of a ramp, and s, in which an intermittent fault is there or not
BETWEEN_SPIKES = 20.0  # seconds, mean


def problems(fault: FaultSettings, place: Loc, machines: Machines, device: Device) -> Iterator[Problem]:
    known = sorted({*machines.faults, *SENSOR_FAULTS, REBOOT})
    if fault.fault not in known:
        yield Problem(
            (*place, "fault"),
            f"{device.profile.profile} has no fault {fault.fault}",
            suggestion(fault.fault, known),
        )
        return
    points = sorted(
        point.name
        for point in device.profile.points
        if point.type != "string" and point.name != SERVE_COUNTER and point.overlaps is None
    )
    bits = {point.name for point in device.profile.points if point.type == "bool"}
    if fault.fault == DROP_OUT and fault.point in bits:
        text = f"{fault.point} is a bit, which always has a value"
        yield Problem((*place, "point"), text, "use freeze, or name a point that is a number")
    elif fault.fault not in SENSOR_FAULTS:
        if fault.point is not None:
            yield Problem(
                (*place, "point"), f"{fault.fault} is not a fault of a sensor", "leave the point out"
            )
    elif fault.point not in points:
        reported = (
            f"no point {fault.point}"
            if fault.point
            else f"{fault.fault} needs the point whose sensor it strikes"
        )
        yield Problem((*place, "point"), reported, suggestion(fault.point or "", points))
    elif fault.fault in WITH_AMOUNT:
        yield from _amount_problems(fault, place, device.profile.point(fault.point))


def _amount_problems(fault: FaultSettings, place: Loc, point: Point) -> Iterator[Problem]:
    remedy = "give the drift, the height of the spikes or the number of the bit"
    if fault.magnitude is None:
        yield Problem((*place, "magnitude"), "is missing", remedy)
    elif not math.isfinite(fault.magnitude):
        yield Problem((*place, "magnitude"), f"{fault.magnitude:g} is not possible", remedy)
    elif fault.fault != STUCK_BIT:
        return
    elif point.table.holds_bits:
        text = "is not in a register"
        yield Problem((*place, "point"), text, "let a point in a register have the stuck bit")
    elif fault.magnitude not in range(16 * point.size):
        text = f"{point.name} has no bit {fault.magnitude:g}"
        yield Problem((*place, "magnitude"), text, f"give a whole number from 0 to {16 * point.size - 1}")


class FaultInstance:
    """One fault of one device over time; seconds are simulated ones since the plant began."""

    def __init__(self, fault: FaultSettings, device: Device, row: int, image: Image, seed: int) -> None:
        self.fault = fault
        self.device = device
        self.row = row
        self.image = image
        self.end = np.inf if fault.duration is None else fault.start + fault.duration
        self.active = False
        self.true: float | None = None  # what the faulty sensor measured last
        self._held: float | None = None
        self._there = stream(seed, fault.device, f"{fault.fault} {fault.start} slots").random(SLOTS)
        self._generator = stream(seed, fault.device, f"{fault.fault} {fault.point} {fault.start}")

    def severity(self, seconds: float) -> float:
        """How bad it is, 0 to 1: of a machine's fault what its physics see, of others their growth."""
        progress = self.progress(seconds)
        of_machine = self.fault.fault in self.image.machines.severity
        return self.fault.severity * self._grown(progress, seconds) if of_machine else progress

    def _grown(self, progress: float, seconds: float) -> float:
        """The share of its severity to which a fault of a machine has grown."""
        match self.fault.growth_shape:
            case "linear":
                return progress
            case "exponential":
                return math.expm1(STEEPNESS * progress) / math.expm1(STEEPNESS)
            case "intermittent":
                slot = int((seconds - self.fault.start) / max(self.fault.ramp / SLOTS, SHORTEST_SLOT))
                here = self._there[slot % len(self._there)] < 0.2 + 0.8 * progress
                return progress * float(here)
        return progress**2

    def progress(self, seconds: float) -> float:
        """0 before it begins and after it ends, else how far it has come, up to 1."""
        if not self.is_due(seconds):
            return 0.0
        return min((seconds - self.fault.start) / self.fault.ramp, 1.0) if self.fault.ramp else 1.0

    def distorted(self, sound: float, progress: float, dt: float) -> float:
        """What the sensor shows in this step instead of what a sound one shows; draws one number."""
        magnitude = self.fault.magnitude or 0.0
        match self.fault.fault:
            case "freeze":
                self._held = sound if self._held is None else self._held
                return self._held
            case "drift":
                return sound + magnitude * progress
            case "spike":
                return sound + magnitude * (self._generator.random() < dt / BETWEEN_SPIKES)
            case _ if self.fault.fault == DROP_OUT:
                return np.nan
        return sound

    def is_due(self, seconds: float) -> bool:
        """Whether it is there at this time, be it as small as it may."""
        return self.fault.start <= seconds < self.end

    def toggle(self) -> None:
        """What happens once, at the beginning and at the end."""
        self.active = not self.active
        self.true = self._held = None
        if self.fault.fault == STUCK_BIT:
            self.image.force_bit(
                self.row, self.fault.point or "", int(self.fault.magnitude or 0), stuck=self.active
            )


class Faults:
    """All faults of a plant. `step` comes before the machines' step, `distort` before their registers are
    written.
    """

    def __init__(self, rows: Sequence[Image], changed: Callable[[FaultSettings, bool], None]) -> None:
        """changed: called with every fault that starts (True) or ends."""
        self._instances: dict[int, list[FaultInstance]] = {id(image): [] for image in rows}
        self._changed = changed

    def __iter__(self) -> Iterator[FaultInstance]:
        """Every fault there was, is or will be."""
        return chain.from_iterable(self._instances.values())

    @property
    def exist(self) -> bool:
        """Whether there was, is or will be one."""
        return any(self._instances.values())

    def add(self, instance: FaultInstance) -> None:
        """From now on this fault has its course; what lies in its past has happened unseen."""
        self._instances[id(instance.image)].append(instance)

    def repair(self, device: str, fault: str | None, seconds: float) -> int:
        """Ends the faults of that name, or all; how many there were."""
        ended = [
            instance
            for instance in self
            if instance.fault.device == device
            and fault in (None, instance.fault.fault)
            and instance.end > seconds
        ]
        for instance in ended:
            instance.end = seconds
        return len(ended)

    def step(self, image: Image, seconds: float) -> None:
        """Brings the severities of one model's machines to this time."""
        instances = self._instances[id(image)]
        severity = image.machines.severity
        for instance in instances:
            if instance.fault.fault in severity:
                severity[instance.fault.fault][instance.row] = 0.0
        for instance in instances:
            if instance.is_due(seconds) != instance.active:
                instance.toggle()
                self._reboot(instance, instances)
                self._changed(instance.fault, instance.active)
            if instance.active and instance.fault.fault in severity:
                level = instance.severity(seconds)
                severity[instance.fault.fault][instance.row] = max(
                    level, severity[instance.fault.fault][instance.row]
                )

    def _reboot(self, changed: FaultInstance, instances: Sequence[FaultInstance]) -> None:
        """A controller that reboots twice at a time is silent until the last reboot is over."""
        if changed.fault.fault == REBOOT:
            rebooting = any(
                instance.active and instance.fault.fault == REBOOT and instance.device is changed.device
                for instance in instances
            )
            changed.device.restart(rebooting=rebooting)

    def rebooting(self) -> Iterator[str]:
        """The devices whose controllers reboot now."""
        for instance in self:
            if instance.active and instance.fault.fault == REBOOT:
                yield instance.fault.device

    def has_sensor_faults(self, image: Image) -> bool:
        """Whether a sensor of this model is ill now, so that `distort` must be asked in this step."""
        return any(instance.active and instance.fault.point for instance in self._instances[id(image)])

    def distort(
        self, image: Image, values: Values, readings: Values, seconds: float, dt: float
    ) -> Mapping[tuple[str, int], float]:
        """What the faulty sensors of one model show at this time, by point and row.

        values: the true ones; readings: what sound sensors show.
        """
        shown: dict[tuple[str, int], float] = {}
        for instance in self._instances[id(image)]:
            place = (instance.fault.point or "", instance.row)
            if instance.active and place[0] in values:
                instance.true = float(values[place[0]][instance.row])
                sound = shown.get(place, float(readings[place[0]][instance.row]))
                shown[place] = instance.distorted(sound, instance.progress(seconds), dt)
        return shown
