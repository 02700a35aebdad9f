"""A state machine as a table: the states of one thing, its events, and the transitions that may happen."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class UnlistedTransitionError(RuntimeError):
    """An event that its state does not have: a bug of the caller."""


class Transitions(Generic[S, E]):
    """The table of one kind of thing. It holds no state: the one owner of a state asks for the next one."""

    def __init__(self, name: str, start: S, table: Mapping[S, Mapping[E, S]]) -> None:
        """`table`: state → event → next state."""
        self.name = name
        self.start = start
        self.table = table

    def after(self, state: S, event: E) -> S:
        """The state that follows; UnlistedTransitionError for an event that this state does not have."""
        try:
            return self.table[state][event]
        except KeyError:
            text = f"{self.name}: no transition from {state} at {event}"
            raise UnlistedTransitionError(text) from None

    def drawing(self) -> str:
        """The table as a state diagram in the language of Mermaid."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.start}"]
        for state, events in self.table.items():
            labels: dict[S, list[str]] = {}
            for event, following in events.items():
                labels.setdefault(following, []).append(event.replace("_", " "))
            lines += [
                f"    {state} --> {following}: {', '.join(names)}" for following, names in labels.items()
            ]
        return "\n".join(lines)
