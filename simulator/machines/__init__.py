"""The models of machine by name; a model's profile has the same name."""

from collections.abc import Callable, Mapping

from simulator.machine import Fleet, Machines
from simulator.machines.screw_air_compressor import ScrewAirCompressors

MODELS: Mapping[str, Callable[[Fleet], Machines]] = {
    "screw-air-compressor": ScrewAirCompressors,
}
