"""All faults of the wire by their names, and how one is read from a file or from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, GetJsonSchemaHandler, SerializeAsAny
from pydantic_core import CoreSchema

from qilu.config.error_texts import did_you_mean, nearest
from qilu.config.renames import explain_key, renamed_value
from qilu.contract.validation import Problem, display, raise_problems, validation_error
from simulator.network_faults.connections import ClientLimit, HalfOpen, IdleClose, PowerCycle, Reset
from simulator.network_faults.fault import NetworkFault
from simulator.network_faults.frames import (
    BadLength,
    CrossedMasters,
    Garbage,
    Truncate,
    WrongTransaction,
    WrongUnit,
)
from simulator.network_faults.registers import (
    CounterGlitch,
    CounterReset,
    CounterRollover,
    Frozen,
    Sentinel,
    ShiftedAddress,
    TornRead,
    WordSwap,
)
from simulator.network_faults.replies import (
    BlockLimit,
    ByteCount,
    DeadUnit,
    Exception_,
    NoLimits,
    NoRead,
    PartialIllegal,
    UnitZeroOnly,
    WriteEcho,
    WriteNotApplied,
    WrongFunction,
)
from simulator.network_faults.timing import Coalesce, LateReply, NeedsGap, OutOfOrder, Slow, Split

FAMILIES: Mapping[str, tuple[type[NetworkFault], ...]] = {
    "replies": (
        Exception_,
        PartialIllegal,
        BlockLimit,
        NoRead,
        NoLimits,
        DeadUnit,
        UnitZeroOnly,
        ByteCount,
        WrongFunction,
        WriteEcho,
        WriteNotApplied,
    ),
    "timing": (Slow, LateReply, Split, Coalesce, OutOfOrder, NeedsGap),
    "frames": (WrongTransaction, WrongUnit, CrossedMasters, Truncate, BadLength, Garbage),
    "connections": (Reset, HalfOpen, IdleClose, ClientLimit, PowerCycle),
    "registers": (
        WordSwap,
        ShiftedAddress,
        Sentinel,
        CounterRollover,
        CounterReset,
        CounterGlitch,
        TornRead,
        Frozen,
    ),
}
"""In the order of docs/faults.md."""

FAULTS: Mapping[str, type[NetworkFault]] = {
    str(kind.model_fields["fault"].default): kind for kinds in FAMILIES.values() for kind in kinds
}


def network_fault(raw: object) -> NetworkFault:
    """The fault that a mapping describes; ValidationError (a ValueError) that names key and remedy."""
    if isinstance(raw, NetworkFault):
        return raw
    if not isinstance(raw, Mapping):
        raise validation_error(f"{display(raw)} is not a fault", "write {fault: NAME} and its parameters")
    name = raw.get("fault")
    if not isinstance(name, str) or name not in FAULTS:
        listed = f"there are: {', '.join(sorted(FAULTS))}"
        present = renamed_value("network_faults[].fault", str(name))
        close = present or nearest(str(name), FAULTS)
        problem = "is missing" if name is None else f"no fault of the wire {display(name)}"
        raise_problems([Problem(("fault",), problem, f"did you mean {close}? {listed}" if close else listed)])
    kind = FAULTS[str(name)]
    raise_problems(_unknown_key(kind, str(key)) for key in raw if key not in kind.model_fields)
    return kind.model_validate(raw)


def _unknown_key(kind: type[NetworkFault], key: str) -> Problem:
    renamed = explain_key(f"network_faults[]({kind.model_fields['fault'].default})", key)
    if renamed is not None:
        return Problem((key,), *renamed)
    remedy = did_you_mean(key, kind.model_fields, f"known here: {', '.join(sorted(kind.model_fields))}")
    return Problem((key,), "unknown key", remedy)


class _AnyFault:
    """Has an editor know the parameters of every fault."""

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [handler(kind.__pydantic_core_schema__) for kind in FAULTS.values()]}


AnyNetworkFault = Annotated[SerializeAsAny[NetworkFault], BeforeValidator(network_fault), _AnyFault()]
"""A field of this type takes any of them."""
