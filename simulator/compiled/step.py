"""One step of a plant as a generator of plain numbers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from simulator.compiled.code import Code
from simulator.compiled.expression_graph import Graph, Node
from simulator.compiled.names import by_use, in_place, with_few_names
from simulator.compiled.symbols import Symbols, UntraceableError
from simulator.compiled.traced_objects import Index, Path, TracedNoise, TracedObjects, element_at
from simulator.physics.noise import Array
from simulator.plant.environment import Moment
from simulator.plant.works import Works

Numbers = Sequence[Any]
Faults = AbstractSet[tuple[int, str, int]]
"""Faults that there will be: number of the model, name of the fault, number of the machine."""
SEVERITY = "severity"
Step = Generator[tuple[Numbers, Numbers, Numbers, Numbers | None] | None, tuple[Any, ...] | None, None]
"""Takes (course of the environment with the tick, severities, draws, whether values are wanted); gives codes
of state and alarm, good parts, what sensors with a lag measure, and the values."""


@dataclass(frozen=True)
class Layout:
    """What the flat sequences of a step hold, machine by machine of each model."""

    codes: Sequence[Sequence[str]]  # of each model: of `state` and `alarm`, those that it has
    values: Sequence[Mapping[str, Any]]  # of each model and point the array that it always is, or None
    makes_parts: Sequence[bool]
    noises: Sequence[TracedNoise]


@dataclass(frozen=True)
class CompiledStep:
    """The step of a plant from its present state on."""

    run: Step
    layout: Layout
    severity_places: Sequence[tuple[Array, Index]]

    def severities(self) -> list[float]:
        """Those that may change, as they are now."""
        return [float(array[index]) for array, index in self.severity_places]

    def draws(self, steps: int) -> list[list[float]]:
        blocks = [
            noise.noise.ahead(steps, len(noise.normals), len(noise.uniforms)).reshape(steps, -1)
            for noise in self.layout.noises
        ]
        drawn: list[list[float]] = np.concatenate([np.empty((steps, 0)), *blocks], axis=1).tolist()
        return drawn


def compile_step(
    works: Works, dt: float, faults: Faults | None = None, late: Sequence[tuple[int, str]] = ()
) -> CompiledStep:
    """UntraceableError: the code of a model cannot be noted.

    faults: all that there will be; None: any of any machine. late: number of the model and name of each point
    whose sensors have a lag. The step is traced twice: what the first trace
    leaves as it is, such as a parameter, is a constant in the second.
    """
    first = _traced(works, dt, late, partial(_is_constant, frozenset[tuple[Path, Index]](), faults))
    return _traced(works, dt, late, partial(_is_constant, frozenset(first.constants), faults)).compiled()


def _traced(
    works: Works, dt: float, late: Sequence[tuple[int, str]], known: Callable[[Path, Index], bool]
) -> _Compiler:
    traced = TracedObjects(Graph(), known)
    copy: Works = traced.copy(works, ())
    kinds = {"second_of_day": float, "day_of_year": int, "working": bool}
    course = Moment(**{name: traced.scalar(name, kinds.get(name, float)) for name in Moment._fields})  # type: ignore[arg-type]
    copy.step(course, traced.scalar("tick", int), dt)  # type: ignore[arg-type]
    return _Compiler(traced, copy, late)


def _is_constant(
    constants: AbstractSet[tuple[Path, Index]], faults: Faults | None, path: Path, index: Index
) -> bool:
    if SEVERITY in path:  # groups, number of the model, machines, severity, fault
        return faults is not None and (path[1], path[-1], *index) not in faults
    return (path, index) in constants


class _Compiler:
    def __init__(self, traced: TracedObjects, works: Works, late: Sequence[tuple[int, str]]) -> None:
        self._traced = traced
        self._works = works
        self._late: list[Node] = []
        self._codes: list[Node] = []
        self._parts: list[Node] = []
        self._values: list[Node] = []
        self._states: list[tuple[str, Node, Node, float]] = []  # name, before, after, at first
        self._severities: list[tuple[Node, Array, Index]] = []
        self.constants: list[tuple[Path, Index]] = []
        self._layout = self._outputs(late)
        self._sort_inputs()

    def _outputs(self, late: Sequence[tuple[int, str]]) -> Layout:
        codes: list[list[str]] = []
        values, makes_parts = [], []
        for number, row in enumerate(self._works.groups):
            of_row: dict[str, Any] = dict(row.machines.values())
            for point in (point for model, point in late if model == number):
                self._late.extend(_flat(self._traced.graph, of_row[point], len(row.places)))
            codes.append([name for name in ("state", "alarm") if name in of_row])
            for name in codes[-1]:
                self._codes.extend(_flat(self._traced.graph, of_row[name], len(row.places)))
            fixed: dict[str, Any] = {}
            for name, value in of_row.items():
                if isinstance(value, Symbols) and value.dtype.kind == "S":
                    raise UntraceableError("a text that changes")
                fixed[name] = None if isinstance(value, Symbols) else np.asarray(value)
                if fixed[name] is None:
                    self._values.extend(_flat(self._traced.graph, value, len(row.places)))
            values.append(fixed)
            passed = row.machines.passes()
            makes_parts.append(passed is not None)
            if passed is not None:
                self._parts.extend(_flat(self._traced.graph, passed[1], len(row.places)))
        return Layout(codes, values, makes_parts, self._traced.noises)

    def _sort_inputs(self) -> None:
        """Which numbers change from step to step, and which never do."""
        needed = _reachable([*self._codes, *self._parts, *self._late, *self._values])
        waiting = list(self._traced.inputs.items())
        while True:
            rest = []
            for path, nodes in waiting:
                if any(id(node) in needed for node in nodes.ravel()):
                    needed |= self._sorted(path, nodes)
                else:
                    rest.append((path, nodes))
            if len(rest) == len(waiting):
                break
            waiting = rest

    def _sorted(self, path: Path, nodes: Any) -> set[int]:
        array: Any = self._traced.arrays[path]
        places = [index for index in np.ndindex(array.shape) if not nodes[index].is_constant]
        if SEVERITY in path:
            self._severities += [(nodes[index], array, index) for index in places]
            return set()
        self.constants += [(path, index) for index in np.ndindex(array.shape) if nodes[index].is_constant]
        after = element_at(self._works, path)
        nodes_after = after.nodes if isinstance(after, Symbols) else _constants(self._traced.graph, after)
        following: Any = np.broadcast_to(nodes_after, array.shape)
        new: list[Node] = []
        for index in places:
            if following[index] is nodes[index]:
                self.constants.append((path, index))
            name = f"s{len(self._states)}"
            self._states.append((name, nodes[index], following[index], array[index].item()))
            new.append(following[index])
        return _reachable(new)

    def compiled(self) -> CompiledStep:
        source, functions = self._source()
        space: dict[str, Any] = dict(functions)
        # our own code, written from the models' arithmetic; nothing of it comes from a file
        exec(compile(source, "<step of the plant>", "exec"), space)  # noqa: S102
        run: Step = space["run"]([state[3] for state in self._states])
        next(run)
        return CompiledStep(run, self._layout, [(array, index) for _, array, index in self._severities])

    def _source(self) -> tuple[str, Mapping[str, Callable[..., Any]]]:
        known = {id(state[1]): state[0] for state in self._states}
        known |= {id(node): f"e{number}" for number, (node, _, _) in enumerate(self._severities)}
        draws = [
            node for noise in self._traced.noises for row in (*noise.normals, *noise.uniforms) for node in row
        ]
        known |= {id(node): f"d{number}" for number, node in enumerate(draws)}
        course = [self._traced.graph.input(name) for name in (*Moment._fields, "tick")]
        known |= {id(node): f"c{number}" for number, node in enumerate(course)}
        body = Code("            ", known)
        common = [*(state[2] for state in self._states), *self._codes, *self._parts, *self._late]
        body.count([*common, *common, *self._values])
        following = body.add([state[2] for state in self._states])
        codes, parts, late = (body.add(nodes) for nodes in (self._codes, self._parts, self._late))
        ready = len(body.lines)
        shown = body.add(self._values, indent="    ")
        straight = [
            f"            {_names('d', len(draws))} = D",
            *body.lines[:ready],
            f"            out = ({_tuple(codes)}, {_tuple(parts)}, {_tuple(late)}, None)",
            "            if show:",
            *body.lines[ready:],
            f"                out = (*out[:3], {_tuple(shown)})",
        ]
        moves = [(state[0], then) for state, then in zip(self._states, following, strict=True)]
        straight = with_few_names(in_place(straight, moves, "            "))
        lines = [
            "def run(S):",
            f"    {' = '.join(by_use(straight))} = None",
            f"    {_names('s', len(self._states))} = S",
            "    x = yield",
            "    while True:",
            f"            {_names('c', len(course))}, E, D, show = x",
            "            if E is not None:",
            f"                {_names('e', len(self._severities))} = E",
            *straight,
            "            x = yield out",
        ]
        return "\n".join(lines), body.functions


def _reachable(nodes: Iterable[Node]) -> set[int]:
    seen: set[int] = set()
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            stack.extend(node.args)
    return seen


def _flat(graph: Graph, value: Any, n: int) -> list[Node]:
    nodes = value.nodes if isinstance(value, Symbols) else _constants(graph, value)
    return list(np.broadcast_to(nodes, (n,)))


def _constants(graph: Graph, value: Any) -> Any:
    array = np.asarray(value)
    nodes = np.empty(array.shape, dtype=object)
    for index in np.ndindex(array.shape):
        nodes[index] = graph.constant(array[index].item())
    return nodes


def _names(letter: str, count: int) -> str:
    return "[" + ", ".join(f"{letter}{number}" for number in range(count)) + "]"


def _tuple(names: Sequence[str]) -> str:
    return "(" + "".join(f"{name}, " for name in names) + ")"
