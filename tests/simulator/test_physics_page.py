"""docs/physics.md: our figures are measured anew, those of the literature are the same on the page."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.physics_report import FIGURES, Figure, head, literature

PAGE = Path(__file__).parents[2] / "docs" / "physics.md"


def line(figure: Figure) -> str:
    """That of the figure on the page."""
    [found] = [line for line in PAGE.read_text().splitlines() if line.startswith(head(figure))]
    return found


@pytest.mark.parametrize("figure", FIGURES, ids=[figure.quantity for figure in FIGURES])
def test_a_figure_is_what_the_page_and_the_literature_have(figure: Figure) -> None:
    low, high = np.quantile(figure.measure(), [0.05, 0.95])
    inside = figure.lowest <= low and (figure.highest is None or high <= figure.highest)
    assert inside is not figure.known_gap
    ours, literal = line(figure).removeprefix(head(figure)).split("|", 1)
    assert literal.strip(" |") == literature(figure)
    shown = [float(number) for number in ours.removesuffix(" (outside) ").split(" to ")]
    assert shown == pytest.approx([low, high], rel=0.1)
    assert ("(outside)" in ours) is figure.known_gap


def test_the_page_has_no_figure_that_is_not_measured() -> None:
    rows = [text for text in PAGE.read_text().splitlines() if text.startswith("| ")][1:]
    assert len(rows) == len(FIGURES)
