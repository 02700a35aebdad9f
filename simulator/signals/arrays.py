"""The operations of formulas on arrays, one element for each machine."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np

from qilu.contract.expressions import NUMBERS, Operations

_LOGICAL = {
    "less", "less_equal", "greater", "greater_equal", "equal", "not_equal",
    "logical_and", "logical_or", "logical_not",
}  # fmt: skip


def _as_number(operation: Callable[..., Any]) -> Callable[..., Any]:
    """True is 1.0."""
    return lambda *operands: np.asarray(operation(*operands), dtype=np.float64)


ARRAYS: Operations = MappingProxyType(
    {name: _as_number(getattr(np, name)) if name in _LOGICAL else getattr(np, name) for name in NUMBERS}
)
"""The operations of `NUMBERS` on arrays; use them inside `np.errstate(all="ignore")`."""
