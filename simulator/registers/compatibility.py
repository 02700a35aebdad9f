"""Whether a model of machine fits a device profile: a plant may bring its own in `profiles/`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from qilu.config.error_texts import did_you_mean
from qilu.config.profiles import profile_path
from qilu.contract.errors import ConfigError, combined
from qilu.contract.profile import SERVE_COUNTER, DataType, DeviceProfile, Point
from simulator.machines import MODELS
from simulator.physics.machine import fleet, nominal_surroundings

UNSERVED = (DataType.UINT8, DataType.INT8, DataType.BCD16, DataType.BCD32)


def check_compatible(profile: DeviceProfile, folder: Path | None, model: str | None = None) -> None:
    """ConfigError that names every point for which the model cannot be asked, or not so.

    folder: where the profile may be from, besides the shipped ones. model: the one of its name by default.
    """
    errors = [
        ConfigError(problem, file=profile_path(profile.profile, folder), key=f"points.{name}", remedy=remedy)
        for name, problem, remedy in _misfits(model or profile.profile, profile)
    ]
    if errors:
        raise combined(errors)


def _misfits(model: str, profile: DeviceProfile) -> Iterator[tuple[str, str, str]]:
    """Point, problem and remedy."""
    texts = _points_of(model)
    for point in profile.points:
        if texts and point.name != SERVE_COUNTER and point.name not in texts and point.overlaps is None:
            remedy = did_you_mean(point.name, texts, f"remove it; there are: {', '.join(texts)}")
            yield point.name, f"a {model} knows nothing of it", remedy
        elif problem := _unserved(point):
            yield point.name, f"the simulator cannot serve {problem}", "use a plainer layout for it"


def _points_of(model: str) -> list[str]:
    """The points that the physics of a model know; empty where it has none."""
    if model not in MODELS:
        return []
    machines = MODELS[model](fleet("any"))
    machines.step(1.0, nominal_surroundings(1))
    return sorted(machines.values())


def _unserved(point: Point) -> str | None:
    if point.type in UNSERVED or point.type.is_pattern:
        return str(point.type)
    if point.words:
        return "registers that lie apart"
    for key in ("bits", "weights", "invert"):
        if getattr(point, key):
            return f"`{key}`"
    if point.address_bits > 16:
        return "`address_bits`"
    if point.sign == "magnitude":
        return "`sign: magnitude`"
    if point.padding == "ff":
        return "`padding: ff`"
    if point.word_order not in ("big", "little"):
        return f"word_order: {point.word_order}"
    if point.type is DataType.STRING and (
        point.char_bytes != "both" or point.encoding not in ("utf-8", "ascii")
    ):
        return "a text in this packing or encoding"
    return None
