"""One step of a plant as a generator of plain numbers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.compiled.code import Code, with_few_names
from simulator.compiled.graph import Graph, Node
from simulator.compiled.symbols import Symbols
from simulator.compiled.traced_objects import Path, TracedNoise, TracedObjects, element_at
from simulator.plant.environment import Moment
from simulator.plant.works import Works

Numbers = Sequence[Any]
Step = Generator[tuple[Numbers, Numbers, Numbers | None] | None, tuple[Any, ...] | None, None]
"""Takes (course of the environment with the tick, severities, draws, whether values are wanted); gives codes
of state and alarm, good parts, and the values."""


@dataclass(frozen=True)
class Layout:
    """What the flat sequences of a step hold, machine by machine of each model."""

    codes: Sequence[Sequence[str]]  # of each model: of `state` and `alarm`, those that it has
    values: Sequence[Mapping[str, Any]]  # of each model and point the array that it always is, or None
    makes_parts: Sequence[bool]
    severities: Sequence[np.ndarray[Any, Any]]
    noises: Sequence[TracedNoise]


@dataclass(frozen=True)
class CompiledStep:
    """The step of a plant from its present state on."""

    run: Step
    layout: Layout

    def draws(self, steps: int) -> list[list[float]]:
        blocks = [
            noise.noise.ahead(steps, len(noise.normals), len(noise.uniforms)).reshape(steps, -1)
            for noise in self.layout.noises
        ]
        drawn: list[list[float]] = np.concatenate([np.empty((steps, 0)), *blocks], axis=1).tolist()
        return drawn


def compile_step(works: Works, dt: float) -> CompiledStep:
    """UntraceableError: the code of a model cannot be written down."""
    graph = Graph()
    traced = TracedObjects(graph)
    copy: Works = traced.copy(works, ())
    kinds = {"second_of_day": float, "day_of_year": int, "working": bool}
    course = Moment(**{name: traced.scalar(name, kinds.get(name, float)) for name in Moment._fields})  # type: ignore[arg-type]
    copy.step(course, traced.scalar("tick", int), dt)  # type: ignore[arg-type]
    return _Compiler(traced, copy).compiled()


class _Compiler:
    def __init__(self, traced: TracedObjects, works: Works) -> None:
        self._traced = traced
        self._works = works
        self._codes: list[Node] = []
        self._parts: list[Node] = []
        self._values: list[Node] = []
        self._layout = self._outputs()
        self._invariant: dict[int, bool] = {}
        self._sort_inputs()

    def _outputs(self) -> Layout:
        codes: list[list[str]] = []
        values, makes_parts = [], []
        for row in self._works.groups:
            of_row: dict[str, Any] = dict(row.machines.values())
            codes.append([name for name in ("state", "alarm") if name in of_row])
            for name in codes[-1]:
                self._codes.extend(_flat(self._traced.graph, of_row[name], len(row.places)))
            fixed: dict[str, Any] = {}
            for name, value in of_row.items():
                fixed[name] = None if isinstance(value, Symbols) else np.asarray(value)
                if fixed[name] is None:
                    self._values.extend(_flat(self._traced.graph, value, len(row.places)))
            values.append(fixed)
            passed = row.machines.passes()
            makes_parts.append(passed is not None)
            if passed is not None:
                self._parts.extend(_flat(self._traced.graph, passed[1], len(row.places)))
        severities = [array for path, array in self._traced.arrays.items() if "severity" in path]
        return Layout(codes, values, makes_parts, severities, self._traced.noises)

    def _sort_inputs(self) -> None:
        """Which numbers change from step to step, and which never do."""
        self._states: list[tuple[str, Node, Node, float]] = []  # name, before, after, at first
        self._constants: list[tuple[Node, Any]] = []
        self._severities: list[Node] = []
        needed = _reachable([*self._codes, *self._parts, *self._values])
        waiting = list(self._traced.inputs.items())
        while True:
            rest = []
            for path, nodes in waiting:
                if not any(id(node) in needed for node in nodes.ravel()):
                    rest.append((path, nodes))
                    continue
                needed |= self._sorted(path, nodes)
            if len(rest) == len(waiting):
                break
            waiting = rest
        self._severities = [
            node
            for path, nodes in self._traced.inputs.items()
            if "severity" in path
            for node in nodes.ravel()
        ]

    def _sorted(self, path: Path, nodes: Any) -> set[int]:
        if "severity" in path:
            return set()
        after = element_at(self._works, path)
        array: Any = self._traced.arrays[path]
        nodes_after = after.nodes if isinstance(after, Symbols) else _constants(self._traced.graph, after)
        following: Any = np.broadcast_to(nodes_after, array.shape)
        new: list[Node] = []
        for index in np.ndindex(array.shape):
            node, then = nodes[index], following[index]
            if then is node:
                self._constants.append((node, array[index].item()))
            else:
                self._states.append((f"s{len(self._states)}", node, then, array[index].item()))
                new.append(then)
        return _reachable(new)

    def compiled(self) -> CompiledStep:
        source, functions = self._source()
        space: dict[str, Any] = dict(functions)
        # our own code, written from the models' arithmetic; nothing of it comes from a file
        exec(compile(source, "<step of the plant>", "exec"), space)  # noqa: S102
        make: Callable[..., Step] = space["make"]
        run = make([value for _, value in self._constants], [state[3] for state in self._states])
        next(run)
        return CompiledStep(run, self._layout)

    def _source(self) -> tuple[str, Mapping[str, Callable[..., Any]]]:
        known = {id(node): f"p{number}" for number, (node, _) in enumerate(self._constants)}
        known |= {id(state[1]): state[0] for state in self._states}
        known |= {id(node): f"e{number}" for number, node in enumerate(self._severities)}
        draws = [
            node for noise in self._traced.noises for row in (*noise.normals, *noise.uniforms) for node in row
        ]
        known |= {id(node): f"d{number}" for number, node in enumerate(draws)}
        course = [self._traced.graph.input(name) for name in (*Moment._fields, "tick")]
        known |= {id(node): f"c{number}" for number, node in enumerate(course)}
        common = [*(state[2] for state in self._states), *self._codes, *self._parts]
        hoisted = self._hoisted([*common, *self._values], {id(node) for node, _ in self._constants})
        before = Code("    ", known)
        before.count(hoisted)
        before.add(hoisted, prefix="h")
        body = Code("            ", before.names)
        body.count([*common, *common, *self._values])
        following = body.add([state[2] for state in self._states])
        codes, parts = body.add(self._codes), body.add(self._parts)
        ready = len(body.lines)
        shown = body.add(self._values, indent="    ")
        show_lines = body.lines[ready:]
        straight = [
            *body.lines[:ready],
            f"            out = ({_tuple(codes)}, {_tuple(parts)}, None)",
            "            if show:",
            *show_lines,
            f"                out = (out[0], out[1], {_tuple(shown)})",
            *self._moves(following),
        ]
        lines = [
            "def make(P, S):",
            f"    {_names('p', len(self._constants))} = P",
            f"    {_names('s', len(self._states))} = S",
            *before.lines,
            "    def run(S):",
            f"        {_names('s', len(self._states))} = S",
            "        x = yield",
            "        while True:",
            f"            {_names('c', len(course))}, E, D, show = x",
            "            if E is not None:",
            f"                {_names('e', len(self._severities))} = E",
            f"            {_names('d', len(draws))} = D",
            *with_few_names(straight),
            "            x = yield out",
            "    return run(S)",
        ]
        return "\n".join(lines), before.functions | body.functions

    def _moves(self, following: Sequence[str]) -> Iterable[str]:
        """The states of the next step; one that is another's of before is put aside first."""
        names = {state[0] for state in self._states}
        pairs = [(state[0], then) for state, then in zip(self._states, following, strict=True)]
        yield from (f"            old_{then} = {then}" for _, then in pairs if then in names)
        for name, then in pairs:
            yield f"            {name} = {f'old_{then}' if then in names else then}"

    def _hoisted(self, roots: Sequence[Node], constant: set[int]) -> list[Node]:
        """What depends on constants alone and is used by something that does not."""
        order: list[Node] = []
        seen: set[int] = set()
        stack = [(node, False) for node in roots]
        while stack:
            node, ready = stack.pop()
            if ready:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack.extend((arg, False) for arg in node.args)
        fixed: set[int] = set(constant)
        for node in order:
            if node.is_constant or (node.args and all(id(arg) in fixed for arg in node.args)):
                fixed.add(id(node))
        hoisted: dict[int, Node] = {}
        for node in order:
            if id(node) not in fixed:
                hoisted |= {
                    id(arg): arg for arg in node.args if id(arg) in fixed and arg.args and not arg.is_constant
                }
        hoisted |= {id(node): node for node in roots if id(node) in fixed and node.args}
        return list(hoisted.values())


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
