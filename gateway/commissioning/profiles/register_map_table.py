"""The register map of a profile as a table to print: HTML for A4 paper, or CSV. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Literal, NamedTuple

from qilu.contract.modicon import TableAddress, short_modicon
from qilu.contract.profile import DeviceProfile, ParameterRef, Point, PointRef
from qilu.contract.text_escaping import plain_cell
from qilu.contract.units import format_duration

Language = Literal["en", "zh"]

_HEADINGS: Mapping[Language, Sequence[str]] = {
    "en": (
        "Table", "Address", "Modicon", "Registers", "Name", "Label", "Type",
        "Scale", "Unit", "Range", "Access", "Poll group", "Codes",
    ),
    "zh": (
        "区", "地址（从 0 开始）", "Modicon 地址", "长度", "点位", "名称", "数据类型",
        "系数", "单位", "量程", "读写", "采集组", "代码",
    ),
}  # fmt: skip
_TABLES: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "coil": "coil",
        "discrete": "discrete input",
        "input": "input register",
        "holding": "holding register",
    },
    "zh": {"coil": "线圈", "discrete": "离散输入", "input": "输入寄存器", "holding": "保持寄存器"},
}
_ACCESS: Mapping[Language, Mapping[str, str]] = {
    "en": {"read": "read", "write": "write", "read_write": "read, write"},
    "zh": {"read": "只读", "write": "只写", "read_write": "读写"},
}
_NOTES: Mapping[Language, str] = {
    "en": "Addresses count from 0 as on the wire; in the Modicon column they count from 1, after the table.",
    "zh": "“地址”从 0 开始，与报文一致；“Modicon 地址”从 1 开始，首位表示所在的区。",
}
_STYLE = """\
@page { size: A4 landscape; margin: 12mm }
body { font: 9pt/1.35 "Noto Sans CJK SC", "Microsoft YaHei", Arial, sans-serif; color: #000 }
h1 { font-size: 14pt; margin: 0 0 2mm } p { margin: 0 0 3mm }
table { border-collapse: collapse; width: 100% } thead { display: table-header-group }
tr { break-inside: avoid } th, td { border: 0.2mm solid #999; padding: 0.8mm 1.2mm; text-align: left }
th { background: #eee } td.number { text-align: right; font-variant-numeric: tabular-nums }
"""
_NUMBER_COLUMNS = frozenset({1, 2, 3})


class RegisterMap(NamedTuple):
    """The title, notes, headings and rows of a profile's register map."""

    language: Language
    title: str
    notes: Sequence[str]
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def register_map(profile: DeviceProfile, language: Language) -> RegisterMap:
    """A row for each point, by table and address."""
    points = sorted(profile.points, key=lambda point: (list(_TABLES["en"]).index(point.table), point.address))
    title = profile.title.text(language) or profile.profile
    groups = ", ".join(f"{name} {format_duration(period)}" for name, period in profile.groups.items())
    notes = [_NOTES[language], groups, *([profile.source] if profile.source else [])]
    rows = [_row(point, language) for point in points]
    return RegisterMap(language, f"{title} ({profile.profile})", notes, _HEADINGS[language], rows)


def as_csv(table: RegisterMap) -> str:
    text = io.StringIO()
    rows = (map(_csv_cell, row) for row in (table.headings, *table.rows))
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _csv_cell(cell: str) -> str:
    """A number as it is, and a text that no spreadsheet runs."""
    try:
        float(cell)
    except ValueError:
        return plain_cell(cell)
    return cell


def as_html(table: RegisterMap) -> str:
    """One page of HTML that needs nothing else and prints on A4."""
    heads = "".join(f"<th>{escape(heading)}</th>" for heading in table.headings)
    rows = "\n".join(f"<tr>{''.join(map(_cell, range(len(row)), row))}</tr>" for row in table.rows)
    notes = "\n".join(f"<p>{escape(note)}</p>" for note in table.notes)
    return f"""\
<!doctype html>
<html lang="{table.language}">
<head><meta charset="utf-8"><title>{escape(table.title)}</title><style>
{_STYLE}</style></head>
<body>
<h1>{escape(table.title)}</h1>
{notes}
<table>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


def _cell(column: int, text: str) -> str:
    kind = ' class="number"' if column in _NUMBER_COLUMNS else ""
    return f"<td{kind}>{escape(text)}</td>"


def _row(point: Point, language: Language) -> list[str]:
    bit = "" if point.bit is None else f".{point.bit}"
    codes = "; ".join(f"{code} {label.text(language)}".strip() for code, label in point.enum.items())
    return [
        _TABLES[language][point.table],
        f"{point.address}{bit}",
        short_modicon(TableAddress(point.table, point.address)) + bit,
        str(point.size),
        point.name,
        point.label.text(language),
        _type(point),
        _scale(point),
        point.unit,
        _range(point),
        _ACCESS[language][point.access],
        point.group,
        codes,
    ]


def _type(point: Point) -> str:
    order = "" if point.size == 1 or point.word_order == "big" else f", word order {point.word_order}"
    swapped = ", bytes swapped" if point.byte_order == "little" else ""
    return f"{point.type}{order}{swapped}"


def _scale(point: Point) -> str:
    factors = (point.scale, point.offset)
    scale, offset = (
        f"10^{factor.point}" if isinstance(factor, PointRef)
        else factor.parameter if isinstance(factor, ParameterRef)
        else f"{factor:g}"
        for factor in factors
    )  # fmt: skip
    return scale if offset == "0" else f"{scale} + {offset}"


def _range(point: Point) -> str:
    low, high = point.limits.min, point.limits.max
    if low is None and high is None:
        return ""
    return f"{'' if low is None else f'{low:g}'} ... {'' if high is None else f'{high:g}'}".strip()
