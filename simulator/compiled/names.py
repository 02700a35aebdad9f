"""Which variables hold the numbers of a step: few, and the most used ones first.

Python reaches the first 256 variables of a function by shorter code than the others, and the numbers of a
step should stay in the processor's nearest cache.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

_VARIABLE = re.compile(r"\b[a-eostxDE]\d*\b")
_TEMPORARY = re.compile(r"\bt\d+\b")
_NUMBERED = re.compile(r"\b[st]\d+\b")


def in_place(lines: Sequence[str], moves: Sequence[tuple[str, str]], indent: str) -> list[str]:
    """Straight code and after it `moves` of temporaries into states.

    What becomes a state is put there at once where the old number is no longer used.
    """
    last = {name: at for at, line in enumerate(lines) for name in _NUMBERED.findall(line)}
    defined = {_target(line): at for at, line in reversed([*enumerate(lines)])}
    sources = {then for _, then in moves}
    into: dict[str, str] = {}
    for state, then in moves:
        free = state not in sources and last.get(state, -1) <= defined.get(then, -1)
        if then.startswith("t") and free and then not in into:
            into[then] = state
    left = [(state, into.get(then, then)) for state, then in moves if into.get(then) != state]
    overwritten = {state for state, _ in left}
    return [
        *(_renamed(line, into) for line in lines),
        *(f"{indent}old_{then} = {then}" for _, then in left if then in overwritten),
        *(f"{indent}{state} = {f'old_{then}' if then in overwritten else then}" for state, then in left),
    ]


def with_few_names(lines: Sequence[str]) -> list[str]:
    """The same straight code, in which a temporary is used again when its number is no longer needed."""
    last = {name: at for at, line in enumerate(lines) for name in _TEMPORARY.findall(line)}
    free: list[str] = []
    slots: dict[str, str] = {}
    renamed: list[str] = []
    for at, line in enumerate(lines):
        own = dict.fromkeys(_TEMPORARY.findall(line))
        target = _target(line)
        free.extend(slots[name] for name in own if name != target and last[name] == at)
        if target in own and target not in slots:
            slots[target] = free.pop() if free else f"t{len(set(slots.values()))}"
        renamed.append(_renamed(line, slots))
        if target in own and last[target] == at:
            free.append(slots[target])
    return renamed


def by_use(lines: Sequence[str]) -> list[str]:
    """The variables of straight code, the most used ones first."""
    used = Counter(name for line in lines for name in _VARIABLE.findall(line))
    return [name for name, _ in used.most_common()]


def _target(line: str) -> str:
    return line.split(" = ", 1)[0].strip()


def _renamed(line: str, names: Mapping[str, str]) -> str:
    return _NUMBERED.sub(lambda match: names.get(match[0], match[0]), line)
