"""The one palette: a colour for each state of a machine and each quality of a value."""

from __future__ import annotations

from collections.abc import Mapping

from qilu.contract.reading import Quality

STATE_COLORS: Mapping[str, str] = {
    "running": "#4C8C6B",
    "idle": "#A8B0B8",
    "setup": "#3F7CBF",
    "fault": "#D13B3B",
    "maintenance": "#8A63B8",
    "off": "#5F6770",
    "offline": "#C9CED4",
    "unknown": "#E4E7EA",
}
"""State of a machine -> colour. A normal state is calm, and only a fault is red."""

HATCHED_STATES = frozenset(("offline",))
"""States that are drawn hatched over their colour: nothing is known of the machine."""

QUALITY_COLORS: Mapping[Quality, str] = {
    Quality.GOOD: "#4C8C6B",
    Quality.UNCERTAIN: "#B9A66A",
    Quality.BAD: "#E0A100",
}

LEVEL_COLORS: Mapping[str, str] = {
    "normal": "#4C8C6B",
    "warning": "#E0A100",
    "fault": "#D13B3B",
    "unknown": "#A8B0B8",
}
"""Level of a sentence, a device or a number of a dashboard -> colour."""

SERIES_COLORS = (
    "#3F7CBF", "#C77B30", "#4C8C6B", "#8A63B8", "#2F9AA0", "#A8577E", "#7A7F35", "#5F6770", "#6C8FD6",
    "#B05C4A",
)  # fmt: skip
"""Lines of a chart, in this order; none of them is the colour of a fault or of a bad value."""
