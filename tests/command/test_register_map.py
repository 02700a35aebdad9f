"""The printed register map has every point once, with both notations of its address."""

import csv
import io
from html.parser import HTMLParser

import pytest

from gateway.commissioning.profiles.register_map_table import Language, as_csv, as_html, register_map
from qilu.config.profiles import known_profiles, profile_of
from qilu.contract.modicon import parse_modicon
from qilu.contract.profile import DeviceProfile


class Cells(HTMLParser):
    """The texts of all cells of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        self._open = tag in ("td", "th")
        if self._open:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = False

    def handle_data(self, data: str) -> None:
        if self._open:
            self.rows[-1][-1] += data


def test_no_cell_is_a_formula_and_numbers_stay_numbers() -> None:
    profile = DeviceProfile.model_validate(
        {
            "profile": "meter",
            "points": [
                {"name": "a", "table": "input", "address": 0, "type": "int16", "label": {"en": "=1+1"},
                 "limits": {"min": -40, "max": 200}},
            ],
        }
    )  # fmt: skip
    cells = [cell for row in csv.reader(io.StringIO(as_csv(register_map(profile, "en")))) for cell in row]
    assert "'=1+1" in cells
    assert not [cell for cell in cells if cell.startswith("=")]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", known_profiles())
def test_both_forms_have_every_point_with_both_addresses(name: str, language: Language) -> None:
    profile = profile_of(name)
    table = register_map(profile, language)
    page = Cells()
    page.feed(as_html(table))
    rows = list(csv.reader(io.StringIO(as_csv(table))))
    assert page.rows == [[cell.removeprefix("'") for cell in row] for row in rows]  # -40 ... 200 has one
    assert sorted(row[4] for row in rows[1:]) == sorted(point.name for point in profile.points)
    for row in rows[1:]:
        point = profile.point(row[4])
        assert int(row[1].split(".")[0]) == point.address
        assert parse_modicon(row[2].split(".")[0]) == (point.table, point.address)
        assert row[8] == point.unit


def test_labels_are_text_and_no_markup() -> None:
    profile = profile_of("eastron-sdm630")
    label = profile.points[0].label.model_copy(update={"en": "<b>&</b>"})
    points = (profile.points[0].model_copy(update={"label": label}), *profile.points[1:])
    page = as_html(register_map(profile.model_copy(update={"points": points}), "en"))
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;&lt;/b&gt;" in page
