"""How values are shown to people: colours, terms in Chinese and English, units, decimals and durations. Pure.

The console, Grafana's dashboards and `qilu status` show the same value in the same way because all of them
ask here. Nothing in this package is stored or sent: stores keep the units and codes of the profiles.
"""

from qilu.contract.display.durations import duration_text
from qilu.contract.display.numbers import decimals, number_text
from qilu.contract.display.palette import HATCHED_STATES, QUALITY_COLORS, STATE_COLORS
from qilu.contract.display.states import STATES, machine_state, machine_states
from qilu.contract.display.units import DisplayUnit, display_unit
from qilu.contract.display.vocabulary import QUALITIES, REASONS, TERMS, Language

__all__ = [
    "HATCHED_STATES",
    "QUALITIES",
    "QUALITY_COLORS",
    "REASONS",
    "STATES",
    "STATE_COLORS",
    "TERMS",
    "DisplayUnit",
    "Language",
    "decimals",
    "display_unit",
    "duration_text",
    "machine_state",
    "machine_states",
    "number_text",
]
