"""The names seen outside the programs, from their source: topics, points, reasons, columns, files.

The names of before are in tests/cases/outer-names-before.csv. This command wrote them, in a clone that has
the commit before the renames:

    python -m tests.project.outer_names 2721337 > tests/cases/outer-names-before.csv
"""

from __future__ import annotations

import ast
import csv
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
COLUMNS = ("kind", "name")


class Place(NamedTuple):
    """Where names stand: a class, a function or a constant of a file; `prefix` is put before each of them."""

    kind: str
    file: str
    where: str
    prefix: str = ""


class OuterName(NamedTuple):
    """A name and its kind, as in docs/renames.csv."""

    kind: str
    name: str


PRESENT = (
    Place("topic", "qilu/contract/topics.py", "Topics"),
    Place("wire", "qilu/contract/record_codec.py", "_Record", "record."),
    Place("wire", "qilu/contract/record_codec.py", "_Reading", "reading."),
    Place("wire", "qilu/contract/messages.py", "_AckPayload", "ack."),
    Place("wire", "qilu/contract/messages.py", "Announcement", "announcement."),
    Place("wire", "qilu/contract/messages.py", "Status", "status."),
    Place("wire", "simulator/control/commands.py", "status", "control reply."),
    Place("metric", "gateway/health.py", "POINTS", "status."),
    Place("metric", "qilu/contract/accounting.py", "COUNTS_POINTS", "counts."),
    Place("metric", "qilu/contract/accounting.py", "EDGE_COUNTS_POINTS", "edge counts."),
    Place("metric", "qilu/contract/accounting.py", "RECOUNT_POINTS", "recount."),
    Place("metric", "qilu/contract/accounting.py", "SCHEDULE_POINTS", "schedule."),
    Place("metric", "qilu/contract/accounting.py", "EVENT_POINTS", "events."),
    Place("metric", "qilu/contract/edge_info.py", "POINTS", "edge info."),
    Place("metric", "qilu/contract/cloud_reports.py", "INGESTER_POINTS", "ingester."),
    Place("metric", "qilu/contract/cloud_reports.py", "FLEET_POINTS", "fleet."),
    Place("metric", "qilu/contract/cloud_reports.py", "AUDIT_POINTS", "audit."),
    Place("event", "qilu/contract/accounting.py", "EventKind"),
    Place("reason", "qilu/contract/reading.py", "Reason"),
    Place("reason", "qilu/contract/accounting.py", "DropReason"),
    Place("cause", "cloud/audit/causes.py", "Cause"),
    Place("output", "qilu_cli/commands/audit.py", "_as_json", "audit."),
    Place("output", "qilu_cli/commands/audit.py", "_table", "audit."),
    Place("output", "qilu_cli/commands/query.py", "DEVICE_COLUMNS", "query."),
    Place("output", "qilu_cli/commands/query.py", "POINT_COLUMNS", "query."),
    Place("output", "qilu_cli/commands/samples.py", "SAMPLE_COLUMNS", "query."),
    Place("output", "qilu_cli/commands/spool/show.py", "_summary_fields", "spool."),
    Place("output", "qilu_cli/commands/spool/show.py", "_streams", "spool."),
    Place("output", "qilu_cli/commands/spool/show.py", "_dropped", "spool."),
    Place("output", "qilu_cli/commands/read_plan.py", "_COLUMNS", "plan."),
    Place("output", "qilu_cli/commands/probe/output.py", "match_json", "probe."),
    Place("output", "qilu_cli/commands/probe/output.py", "dump_json", "probe."),
    Place("output", "simulator/ground_truth/log.py", "REQUESTS"),
    Place("output", "simulator/ground_truth/log.py", "EVENTS"),
    Place("output", "simulator/ground_truth/log.py", "WIRE"),
    Place("file", "gateway/spool/checkpoint.py", "CHECKPOINT"),
    Place("file", "gateway/spool/ages.py", "AGES"),
    Place("file", "gateway/spool/edges.py", "ADOPTED"),
    Place("file", "gateway/spool/spool_epoch.py", "EPOCH"),
    Place("file", "gateway/spool/filesystem.py", "OWNER"),
    Place("file", "gateway/spool/drop_log.py", "JOURNAL"),
    Place("file", "gateway/spool/drop_log.py", "_write", "dropped.jsonl: "),
    Place("file", "gateway/spool/drop_log.py", "mark_reported", "dropped.jsonl: "),
    Place("file", "gateway/spool/segment.py", "SEGMENT"),
    Place("file", "gateway/spool/segment.py", "QUARANTINE"),
    Place("file", "gateway/app.py", "_CLOCK_FILE"),
    Place("file", "gateway/app.py", "_LEDGER_FILE"),
    Place("file", "gateway/timekeeping/corrections.py", "CORRECTIONS"),
    Place("file", "gateway/sources/modbus/learning/store.py", "LEARNED_FOLDER"),
    Place("file", "gateway/sources/modbus/learning/store.py", "LearnedLimitsFile", "learned limits: "),
)
_BEFORE = (
    Place("topic", "qilu/contract/topics.py", "Topics"),
    Place("wire", "qilu/contract/wire.py", "_Record", "record."),
    Place("wire", "qilu/contract/wire.py", "_Reading", "reading."),
    Place("wire", "qilu/contract/notices.py", "_Answer", "ack."),
    Place("wire", "qilu/contract/notices.py", "Announcement", "announcement."),
    Place("wire", "qilu/contract/notices.py", "Status", "status."),
    Place("wire", "simulator/control/commands.py", "status", "control reply."),
    Place("metric", "gateway/status.py", "POINTS", "status."),
    Place("metric", "qilu/contract/completeness.py", "COUNTS_POINTS", "counts."),
    Place("metric", "qilu/contract/completeness.py", "SCHEDULE_POINTS", "schedule."),
    Place("metric", "qilu/contract/completeness.py", "EVENT_POINTS", "events."),
    Place("event", "qilu/contract/completeness.py", "EventKind"),
    Place("reason", "qilu/contract/reading.py", "Reason"),
    Place("reason", "qilu/contract/completeness.py", "DropReason"),
    Place("cause", "cloud/audit/verdict.py", "of_account"),
    Place("cause", "cloud/audit/verdict.py", "_down"),
    Place("cause", "cloud/audit/verdict.py", "_after_spooling"),
    Place("cause", "cloud/audit/verdict.py", "_uncounted"),
    Place("cause", "cloud/audit/verdict.py", "_unheard"),
    Place("cause", "cloud/audit/verdict.py", "UNEXPLAINED"),
    Place("output", "qilu/command/audit.py", "_as_json", "audit."),
    Place("output", "qilu/command/audit.py", "_table", "audit."),
    Place("output", "qilu/command/query.py", "query", "query."),
    Place("output", "qilu/command/spool.py", "_told", "spool."),
    Place("output", "qilu/command/spool.py", "_streams", "spool."),
    Place("output", "qilu/command/spool.py", "_dropped", "spool."),
    Place("output", "qilu/command/read_plan.py", "_COLUMNS", "plan."),
    Place("output", "qilu/command/probe/showing.py", "match_json", "probe."),
    Place("output", "qilu/command/probe/showing.py", "dump_json", "probe."),
    Place("output", "simulator/truth/log.py", "REQUESTS"),
    Place("output", "simulator/truth/log.py", "EVENTS"),
    Place("output", "simulator/truth/log.py", "WIRE"),
    Place("file", "gateway/spool/forgotten.py", "FORGOTTEN"),
    Place("file", "gateway/spool/files.py", "OWNER"),
    Place("file", "gateway/spool/losses.py", "JOURNAL"),
    Place("file", "gateway/spool/losses.py", "add", "dropped.jsonl: "),
    Place("file", "gateway/spool/losses.py", "reported", "dropped.jsonl: "),
    Place("file", "gateway/spool/disk.py", "QUARANTINE"),
    Place("file", "gateway/app.py", "_CLOCK_FILE"),
    Place("file", "gateway/sources/modbus/plans/memory.py", "LEARNT_FOLDER"),
    Place("file", "gateway/sources/modbus/plans/memory.py", "LearntFile", "learned limits: "),
)


def present() -> set[OuterName]:
    """The outer names of the present source."""
    return {
        name for place in PRESENT for name in _names(place, (ROOT / place.file).read_text(encoding="utf-8"))
    }


def before(commit: str) -> list[OuterName]:
    """The outer names of the commit before the renames."""
    names: dict[OuterName, None] = {}
    for place in _BEFORE:
        source = subprocess.run(
            ("git", "show", f"{commit}:{place.file}"), check=True, capture_output=True, text=True, cwd=ROOT
        ).stdout
        names |= dict.fromkeys(_names(place, source))
    return list(names)


def _names(place: Place, source: str) -> list[OuterName]:
    node = _definition(ast.parse(source), place.where)
    match place.kind, node:
        case "topic", ast.ClassDef():
            texts: Iterable[str] = _topics(node)
        case "cause", ast.FunctionDef():
            texts = _causes(node)
        case _, ast.ClassDef() if any(map(_is_member, node.body)):
            texts = _members(node)
        case _, ast.ClassDef():
            texts = (ast.unparse(item.target) for item in node.body if isinstance(item, ast.AnnAssign))
        case _, ast.FunctionDef() | ast.AsyncFunctionDef():
            texts = _keys(node)
        case _:
            assert isinstance(node, ast.expr)
            texts = _constant(node)
    names = [OuterName(place.kind, place.prefix + text) for text in texts]
    assert names, f"{place.file}: {place.where} has no names: correct tests/project/outer_names.py"
    return names


def _definition(tree: ast.Module, where: str) -> ast.AST:
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if name == where:
                    return node
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == where:
                return value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if name == where:
                return value
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for target, value in zip(names, values, strict=True):
                    if isinstance(target, ast.Name) and target.id == where:
                        return value
    raise AssertionError(f"{where} is not there: correct tests/project/outer_names.py")


def _is_member(item: ast.stmt) -> bool:
    return isinstance(item, ast.Assign) and isinstance(item.value, ast.Constant)


def _topics(node: ast.ClassDef) -> Iterator[str]:
    for text in ast.walk(node):
        if isinstance(text, ast.JoinedStr) and (name := _rendered(text)).startswith("PREFIX/"):
            yield name.rstrip("/")


def _rendered(text: ast.AST) -> str:
    """A text; what is put into an f-string stands as the last part of its name, in capitals."""
    if isinstance(text, ast.Constant):
        return str(text.value)
    if isinstance(text, ast.FormattedValue):
        return ast.unparse(text.value).rpartition(".")[2].upper()
    assert isinstance(text, ast.JoinedStr)
    return "".join(map(_rendered, text.values))


def _members(node: ast.ClassDef) -> Iterator[str]:
    """The values of an enumeration of texts, the names of one of numbers."""
    for item in node.body:
        if isinstance(item, ast.Assign) and isinstance(item.value, ast.Constant):
            value, name = item.value.value, ast.unparse(item.targets[0])
            yield value if isinstance(value, str) else name.lower()


def _keys(node: ast.AST) -> Iterator[str]:
    """The keys of the mappings that a function makes, and its tuples of texts: the heads of tables."""
    for item in ast.walk(node):
        if isinstance(item, ast.Dict | ast.Tuple):
            texts = item.keys if isinstance(item, ast.Dict) else item.elts
            values = [text.value for text in texts if isinstance(text, ast.Constant)]
            if isinstance(item, ast.Dict) or len(values) == len(texts):
                yield from (value for value in values if isinstance(value, str))


def _causes(node: ast.FunctionDef) -> Iterator[str]:
    """Causes were texts."""
    for item in ast.walk(node):
        match item:
            case ast.Call(func=ast.Name(id="_Cause"), args=[text, *_]):
                texts = [text]
            case ast.Call(func=ast.Name(id="Missing"), args=[_, text, *_]):
                texts = [text]
            case ast.Assign(targets=[ast.Name(id="why")], value=ast.IfExp(body=body, orelse=orelse)):
                texts = [body, orelse]
            case ast.Assign(targets=[ast.Name(id="why")], value=text):
                texts = [text]
            case _:
                continue
        yield from (_rendered(text) for text in texts if isinstance(text, ast.Constant | ast.JoinedStr))


def _constant(node: ast.expr) -> Iterator[str]:
    """One text, or those of a tuple, or the keys of a mapping; of a table its file and `FILE: COLUMN`."""
    texts = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [node])
    file = ""
    for text in texts:
        if isinstance(text, ast.Constant):
            value = str(text.value)
            columns = value.strip().split(",") if value.endswith("\n") else []
            yield from [f"{file}: {column}" for column in columns] or [value]
            file = file or value


if __name__ == "__main__":
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerows([COLUMNS, *before(sys.argv[1])])
