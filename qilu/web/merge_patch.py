"""The difference of two JSON objects as a merge patch (RFC 7396); pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge_patch(previous: Mapping[str, Any], current: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What turns `previous` into `current`; None where they are equal.

    Null removes a key: in a topic, a key with null and a key that is absent mean the same.
    """
    patch: dict[str, Any] = {key: None for key in previous if key not in current}
    for key, value in current.items():
        before = previous.get(key)
        if value is before:
            continue  # parts that do not change are often the same object
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            if (inner := merge_patch(before, value)) is not None:
                patch[key] = inner
        elif value != before:
            patch[key] = value
    return patch or None
