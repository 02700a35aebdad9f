"""Units as people of a language expect them: MPa and r/min in Chinese, bar and rpm in English.

Stores and messages keep the unit of the profile. A page converts when it shows a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from qilu.contract.display.vocabulary import Language


class DisplayUnit(NamedTuple):
    """shown = value * factor + offset, followed by `unit`."""

    unit: str
    factor: float = 1.0
    offset: float = 0.0

    def shown(self, value: float) -> float:
        """The value of the profile's unit in this one."""
        return value * self.factor + self.offset


_BOTH: Mapping[str, DisplayUnit] = {
    "m3": DisplayUnit("m³"),
    "m3/h": DisplayUnit("m³/h"),
    "m3/min": DisplayUnit("m³/min"),
    "m2": DisplayUnit("m²"),
    "W/m2": DisplayUnit("W/m²"),
    "deg": DisplayUnit("°"),
    "N.m": DisplayUnit("N·m"),
    "kOhm": DisplayUnit("kΩ"),
    "Ohm": DisplayUnit("Ω"),
    "degC": DisplayUnit("°C"),
    "C": DisplayUnit("°C"),
    "um": DisplayUnit("µm"),
}
"""Spellings of files -> how they are written for people."""

_BY_LANGUAGE: Mapping[Language, Mapping[str, DisplayUnit]] = {
    "zh": {
        "bar": DisplayUnit("MPa", 0.1),
        "mbar": DisplayUnit("kPa", 0.1),
        "psi": DisplayUnit("MPa", 0.006894757),
        "rpm": DisplayUnit("r/min"),
        "1/min": DisplayUnit("次/min"),
        "Wh": DisplayUnit("W·h"),
        "kWh": DisplayUnit("kW·h"),
        "MWh": DisplayUnit("MW·h"),
        "varh": DisplayUnit("var·h"),
        "kvarh": DisplayUnit("kvar·h"),
        "VA": DisplayUnit("V·A"),
        "kVA": DisplayUnit("kV·A"),
        "VAh": DisplayUnit("V·A·h"),
        "kVAh": DisplayUnit("kV·A·h"),
    },
    "en": {"r/min": DisplayUnit("rpm"), "kW.h": DisplayUnit("kWh"), "kW·h": DisplayUnit("kWh")},
}


def display_unit(
    unit: str, language: Language, overrides: Mapping[str, DisplayUnit] | None = None
) -> DisplayUnit:
    """How a value of `unit` is shown in `language`; a unit that is not known stays as it is.

    `overrides`: unit of a profile -> the unit that somebody prefers.
    """
    for table in (overrides or {}, _BY_LANGUAGE[language], _BOTH):
        if unit in table:
            return table[unit]
    return DisplayUnit(unit)
