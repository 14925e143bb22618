"""The picture of quality against cost: every chosen row once, on an axis that can be read."""

from __future__ import annotations

import math
import re

import pytest

from idto3d_dashboard.drawing.across import Across
from idto3d_dashboard.drawing.quality_cost import quality_cost
from idto3d_eval.quality_cost import Panel, Point

NAMES = ("first", "<b>second</b>", "third")


def panel(costs: tuple[float, ...] = (1.0, 10.0, 100.0)) -> Panel:
    rows = zip(NAMES, costs, (0.2, 0.5, 0.4), (math.nan, 0.4, 0.3), (True, True, False), strict=True)
    points = tuple(
        Point(name, cost, value, low, value + (value - low), "photos", ranked)
        for name, cost, value, low, ranked in rows
    )
    return Panel("Identity", "seconds a head", points, (("oracle", 0.9), ("truth", 0.901)))


def places(html: str, kind: str) -> list[float]:
    return [float(at) for at in re.findall(rf'class="{kind}[^"]*" style="left:([\d.]+)%', html)]


def test_chosen_rows_stand_by_their_cost_with_whiskers_where_there_is_an_interval() -> None:
    html, rows = quality_cost(panel(), NAMES, NAMES[:2])
    left = places(html, "mark")
    assert left == sorted(left)
    assert len(left) == rows.height == 2
    assert len(places(html, "whisker")) == 1
    assert "<b>second" not in html
    assert "oracle, truth" in html


def test_the_line_joins_the_best_of_all_rows_and_unranked_ones_are_faint() -> None:
    html, _ = quality_cost(panel(), NAMES, NAMES)
    ((outline,),) = [re.findall(r'class="line" style="[^"]*polygon\(([^)]+(?:\)[^)"]*)*)\)', html)]
    assert outline.count("calc(") == 2 * 2 * 3  # first, its step, second, there and back
    assert html.count(" faint") == 1


def test_a_row_that_costs_nothing_has_a_place() -> None:
    html, _ = quality_cost(panel((0.0, 10.0, 100.0)), NAMES, NAMES)
    assert "logarithmic" not in html
    assert len(places(html, "mark")) == 3


@pytest.mark.parametrize(
    ("low", "high"), [(5.0, 5.0), (50.0, 90.0), (1.0, 1000.0), (0.003, 70_000.0), (58.0, 160.0)]
)
def test_the_axis_has_ticks_that_fit(low: float, high: float) -> None:
    across = Across.of_costs([low, high])
    assert 2 <= len(across.columns()) <= 9
    assert all(0 <= place <= 100 for place, _ in across.columns())
    assert 0 < across.place(low) <= across.place(high) < 100
