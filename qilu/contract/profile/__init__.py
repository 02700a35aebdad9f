"""The device profile: which values one model of machine has, and in which registers.

`model` has the keys of the file, `point` those of a point, `types` their words; `device_profile` spells out
and checks.
"""

from qilu.contract.profile.device_profile import DeviceProfile
from qilu.contract.profile.model import AddressRange, DeviceLimits, Structure
from qilu.contract.profile.point import Factor, Flag, Label, Limits, NormalBand, ParameterRef, Point, PointRef
from qilu.contract.profile.types import (
    SERVE_COUNTER,
    TABLES_BY_FUNCTION,
    DataType,
    Name,
    ProfileName,
    ScaleNumber,
    Table,
)

__all__ = [
    "SERVE_COUNTER",
    "TABLES_BY_FUNCTION",
    "AddressRange",
    "DataType",
    "DeviceLimits",
    "DeviceProfile",
    "Factor",
    "Flag",
    "Label",
    "Limits",
    "Name",
    "NormalBand",
    "ParameterRef",
    "Point",
    "PointRef",
    "ProfileName",
    "ScaleNumber",
    "Structure",
    "Table",
]
