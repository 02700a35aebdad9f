"""The models of machine by name; a model's profile has the same name."""

from collections.abc import Callable, Mapping

from simulator.machine import Fleet, Machines
from simulator.machines.cnc_machining_centre import CncMachiningCentres
from simulator.machines.screw_air_compressor import ScrewAirCompressors
from simulator.machines.three_phase_energy_meter import ThreePhaseEnergyMeters

MODELS: Mapping[str, Callable[[Fleet], Machines]] = {
    "cnc-machining-centre": CncMachiningCentres,
    "screw-air-compressor": ScrewAirCompressors,
    "three-phase-energy-meter": ThreePhaseEnergyMeters,
}
