"""The words, colours and units of pages, as the API gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from qilu.contract.display.palette import (
    HATCHED_STATES,
    LEVEL_COLORS,
    QUALITY_COLORS,
    SERIES_COLORS,
    STATE_COLORS,
)
from qilu.contract.display.states import STATES
from qilu.contract.display.units import DisplayUnit, display_unit
from qilu.contract.display.vocabulary import QUALITIES, REASONS, TERMS
from qilu.contract.profile import Label


def vocabulary(units: Iterable[str], overrides: Mapping[str, DisplayUnit]) -> Mapping[str, Any]:
    """`units`: those of the profiles; only those that are shown differently are in the result."""
    return {
        "states": {
            name: {
                "label": label_value(label),
                "color": STATE_COLORS[name],
                "hatched": name in HATCHED_STATES,
            }
            for name, label in STATES.items()
        },
        "qualities": {
            quality.value: {"label": label_value(label), "color": QUALITY_COLORS[quality]}
            for quality, label in QUALITIES.items()
        },
        "reasons": {reason.value: label_value(label) for reason, label in REASONS.items()},
        "terms": {name: label_value(label) for name, label in TERMS.items()},
        "levels": dict(LEVEL_COLORS),
        "series_colors": list(SERIES_COLORS),
        "units": _units(units, overrides),
    }


def _units(units: Iterable[str], overrides: Mapping[str, DisplayUnit]) -> Mapping[str, Any]:
    shown = {}
    for unit in sorted(set(units)):
        zh, en = display_unit(unit, "zh", overrides), display_unit(unit, "en", overrides)
        if zh != DisplayUnit(unit) or en != DisplayUnit(unit):
            shown[unit] = {"zh": zh._asdict(), "en": en._asdict()}
    return shown


def label_value(label: Label) -> Mapping[str, str]:
    return {"zh": label.zh, "en": label.en}
