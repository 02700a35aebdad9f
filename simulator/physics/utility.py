"""What machines take from one another: electricity, air, steam and cooling water."""

from collections.abc import Mapping
from enum import StrEnum


class Utility(StrEnum):
    """What machines share. A consumer takes it at a rate, a supplier gives it at a level."""

    ELECTRICITY = "electricity"  # rate kW (negative: generated), level V between phases
    AIR = "air"  # rate m3/min free air, level bar gauge
    STEAM = "steam"  # rate kg/h, level bar gauge
    COOLING = "cooling"  # rate kW of heat, level degC of the water supplied


NOMINAL: Mapping[Utility, float] = {
    Utility.ELECTRICITY: 380.0,
    Utility.AIR: 6.8,
    Utility.STEAM: 13.0,
    Utility.COOLING: 12.0,
}
