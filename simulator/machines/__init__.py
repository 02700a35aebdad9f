"""The models of machine by name; a model's profile has the same name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from simulator.machines.centrifugal_pump import CentrifugalPumps
from simulator.machines.chiller import Chillers
from simulator.machines.cnc_machining_centre import CncMachiningCentres
from simulator.machines.conveyor_packaging_line import ConveyorPackagingLines
from simulator.machines.injection_moulding_machine import InjectionMouldingMachines
from simulator.machines.pv_inverter import PvInverters
from simulator.machines.ring_spinning_frame import RingSpinningFrames
from simulator.machines.robot_cell import RobotCells
from simulator.machines.screw_air_compressor import ScrewAirCompressors
from simulator.machines.steam_boiler import SteamBoilers
from simulator.machines.three_phase_energy_meter import ThreePhaseEnergyMeters
from simulator.machines.tyre_curing_press import TyreCuringPresses
from simulator.physics.machine import Fleet, Machines

MODELS: Mapping[str, Callable[[Fleet], Machines]] = {
    "centrifugal-pump": CentrifugalPumps,
    "chiller": Chillers,
    "cnc-machining-centre": CncMachiningCentres,
    "conveyor-packaging-line": ConveyorPackagingLines,
    "injection-moulding-machine": InjectionMouldingMachines,
    "pv-inverter": PvInverters,
    "ring-spinning-frame": RingSpinningFrames,
    "robot-cell": RobotCells,
    "screw-air-compressor": ScrewAirCompressors,
    "steam-boiler": SteamBoilers,
    "three-phase-energy-meter": ThreePhaseEnergyMeters,
    "tyre-curing-press": TyreCuringPresses,
}
