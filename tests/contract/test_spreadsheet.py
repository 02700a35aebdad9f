"""A table for a spreadsheet has the units of the reader, and nothing that a spreadsheet would run."""

from qilu.contract.display.spreadsheet import SheetColumn, sheet
from qilu.contract.profile import Label, Point
from qilu.contract.reading import Reason

PRESSURE = Point.model_validate(
    {
        "name": "pressure",
        "label": {"zh": "排气压力", "en": "Discharge pressure"},
        "table": "input",
        "address": 0,
        "type": "uint16",
        "scale": 0.01,
        "unit": "bar",
    }
)
STATE = Point.model_validate(
    {
        "name": "state",
        "table": "input",
        "address": 1,
        "type": "uint16",
        "enum": {1: {"zh": "运行"}, 2: "=run"},
    }
)


def test_a_heading_has_label_and_unit_and_values_are_in_that_unit() -> None:
    lines = list(
        sheet(
            [SheetColumn("pressure", PRESSURE, "zh")],
            [(7, {"pressure": (7.18, None)})],
            lambda time: f"t{time}",
        )
    )
    assert lines == ["时间,排气压力 (MPa),质量,原因\r\n", "t7,0.718,好,\r\n"]
    lines = list(sheet([SheetColumn("pressure", PRESSURE, "en")], [], str))
    assert lines == ["time,Discharge pressure (bar),quality,reason\r\n"]


def test_a_bad_value_is_empty_with_its_reason_and_a_missing_one_without() -> None:
    columns = [SheetColumn("pressure", PRESSURE, "zh"), SheetColumn("other", None, "zh")]
    (_, line) = sheet(columns, [(1, {"pressure": (None, Reason.TIMEOUT)})], str)
    assert line == "1,,坏,超时,,,\r\n"


def test_a_code_is_its_text_and_a_text_is_never_a_formula() -> None:
    column = SheetColumn("state", STATE, "zh")
    assert column.cells((1, None))[0] == "运行"
    assert column.cells((2.0, None))[0] == "'=run"
    assert column.cells((9, None))[0] == 9
    assert SheetColumn("note", None, "en").cells(("+cmd", None))[0] == "'+cmd"
    assert SheetColumn("=1+1", None, "en").headings[0] == "'=1+1"
    assert Label(zh="运行").text("en") == "运行"
