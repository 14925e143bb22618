"""Quality against cost: the front by its definition, who is a point and who a line, and names to be read."""

from __future__ import annotations

import io
import itertools
import math
import random
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from PIL import Image

from idto3d_eval.label_places import crosses, overlap, place_names
from idto3d_eval.quality_cost import Point, front, notes, panels
from idto3d_eval.quality_cost_chart import HEIGHT, WIDTH, figures, panel_scene, sheet
from idto3d_eval.scene import Dot, Line, Scene, Words, png, standalone_svg, text_width

NAMES = [
    "id_to_3d",
    "fantasia3d",
    "dreamfusion",
    "humannorm",
    "tada",
    "tada_token",
    "magic123",
    "dreamcraft3d",
    "morphable_fit",
    "photo_projection",
    "feed_forward",
    "sample_and_fit",
    "text_sds",
    "noise_sds",
    "image_fit",
    "id_to_3d_zero_steps",
    "id_to_3d_swapped",
    "id_to_3d_swapped_as_photos",
]


def point(label: str, cost: float, value: float, block: str = "photos", ranked: bool = True) -> Point:
    return Point(label, cost, value, math.nan, math.nan, block, ranked)


def cell(value: float | None, reason: str = "") -> dict[str, Any]:
    ends = (None, None) if value is None else (value - 0.08, value + 0.08)
    return {"value": value, "low": ends[0], "high": ends[1], "reason": reason}


def row(
    label: str, value: float | None, seconds: float, calls: float, kind: str = "adapted", **changes: Any
) -> dict[str, Any]:
    cells = {
        name: cell(value, "no face was read" * (value is None)) for name in ("calibrated_identity", "joint")
    }
    costs = {"seconds_a_head": seconds, "guidance_calls_a_head": calls}
    told = {"label": label, "kind": kind, "block": "photos", "unranked": "", "archived": "", "cells": cells}
    return {**told, "costs": costs, **changes}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "protocol": {"name": "p", "version": 1, "population": {"label": "synthetic", "identities": ["a"]}},
        "metrics": [
            {"name": "calibrated_identity", "title": "Calibrated identity"},
            {"name": "joint", "title": "Joint"},
        ],
        "rows": rows,
    }


def crowd(ties: bool) -> dict[str, Any]:
    """Eighteen rows and three brackets; with ties, all of one cost and few of them apart in quality."""
    rng = random.Random(5)
    rows = []
    for index, name in enumerate(NAMES):
        seconds = 45.0 if ties else 45.0 + rng.uniform(-35, 14)
        value = round(rng.uniform(-0.4, 0.6), 1 if ties else 3)
        rows.append(row(name, value, seconds, 1400.0 if ties or index % 3 else 0.0))
    rows += [row("template_mean", -0.4, 1.0, 0.0, "floor"), row("oracle", 1.0, 1.0, 0.0, "ceiling")]
    return summary([*rows, row("impostor", -0.4, 1.0, 0.0, "bracket", block="reference")])


def words(scene: Scene) -> dict[str, tuple[float, float, float, float]]:
    """Name -> its box."""
    return {
        shape.text: (
            shape.at[0],
            shape.at[1] - 9,
            shape.at[0] + text_width(shape.text, shape.size),
            shape.at[1] + 2,
        )
        for shape in scene.shapes
        if isinstance(shape, Words) and shape.text in NAMES
    }


def test_the_front_holds_what_nobody_beats_at_its_cost_or_less() -> None:
    a, b, c = point("a", 1.0, 0.2), point("b", 10.0, 0.6), point("c", 5.0, 0.1)
    same_cost_worse, same_value_dearer = point("d", 10.0, 0.5), point("e", 20.0, 0.6)
    assert front([b, same_cost_worse, c, same_value_dearer, a]) == [a, b]
    assert front([]) == []


def test_unranked_rows_and_those_of_other_blocks_are_not_on_the_front() -> None:
    own = point("own", 10.0, 0.1)
    assert front(
        [own, point("unread", 1.0, 0.9, ranked=False), point("knows", 1.0, 0.9, block="family")]
    ) == [own]


@pytest.mark.parametrize("seed", range(5))
def test_the_front_agrees_with_a_comparison_of_all_pairs(seed: int) -> None:
    rng = random.Random(seed)
    points = [point(str(n), rng.choice([1.0, 2.0, 4.0, 8.0]), rng.randint(0, 9) / 10) for n in range(20)]
    found = front(points)
    for one in points:
        beaten = any(
            other.cost <= one.cost
            and other.value >= one.value
            and (other.cost, other.value) != (one.cost, one.value)
            for other in points
        )
        twin = any((other.cost, other.value) == (one.cost, one.value) for other in found)
        assert twin == (not beaten)


def test_brackets_are_lines_and_everything_else_is_a_point() -> None:
    for panel in panels(crowd(ties=False)):
        assert {one.label for one in panel.points} == set(NAMES)
        assert {label for label, _ in panel.brackets} == {"template_mean", "impostor", "oracle"}
        dashed = [shape for shape in panel_scene(panel).shapes if isinstance(shape, Line) and shape.dash]
        assert len(dashed) == 3
        assert all(line.points[0][1] == line.points[-1][1] for line in dashed)


def test_a_row_without_a_figure_is_named_with_its_reason() -> None:
    told = summary([row("good", 0.5, 3.0, 8.0), row("blind", None, 3.0, 8.0)])
    assert {one.label for panel in panels(told) for one in panel.points} == {"good"}
    assert "Not drawn: blind: no face was read" in notes(told)
    assert "blind" in "".join(shape.text for shape in sheet(told).shapes if isinstance(shape, Words))


def test_nothing_to_draw_is_said_and_no_figure_is_made() -> None:
    for rows in ([], [row("blind", None, 3.0, 8.0)], [row("oracle", 1.0, 3.0, 8.0, "ceiling")]):
        assert figures(summary(rows)) == ""
        assert any(
            "No row" in shape.text for shape in sheet(summary(rows)).shapes if isinstance(shape, Words)
        )
        png(sheet(summary(rows)))


def test_a_cost_that_no_row_has_leaves_its_panels_out() -> None:
    told = summary([row("a", 0.5, 3.0, 0.0), row("b", 0.4, 5.0, 0.0)])
    assert {panel.cost for panel in panels(told)} == {"seconds a head"}


@pytest.mark.parametrize("ties", [False, True])
def test_eighteen_names_are_whole_inside_and_do_not_overlap(ties: bool) -> None:
    for panel in panels(crowd(ties)):
        boxes = words(panel_scene(panel))
        assert set(boxes) == set(NAMES)
        assert not [
            pair for pair in itertools.combinations(boxes, 2) if overlap(boxes[pair[0]], boxes[pair[1]])
        ]
        assert all(
            box[0] >= 0 and box[2] <= WIDTH and box[1] >= 0 and box[3] <= HEIGHT for box in boxes.values()
        )


@pytest.mark.parametrize("ties", [False, True])
def test_no_two_dots_lie_on_each_other(ties: bool) -> None:
    for panel in panels(crowd(ties)):
        dots = [shape.at for shape in panel_scene(panel).shapes if isinstance(shape, Dot)]
        assert min(math.dist(*pair) for pair in itertools.combinations(dots, 2)) >= 8.5


def test_height_is_the_value_and_cheaper_is_further_left() -> None:
    told = summary([row("a", 0.1, 1.0, 0.0), row("b", 0.3, 10.0, 7.0), row("c", 0.2, 100.0, 70.0)])
    for panel in panels(told):
        (a, b, c) = (shape.at for shape in panel_scene(panel).shapes if isinstance(shape, Dot))
        assert a[1] > c[1] > b[1]
        assert a[0] < b[0] < c[0]
    first = panels(told)[0]
    (a, b, c) = (shape.at for shape in panel_scene(first).shapes if isinstance(shape, Dot))
    assert b[0] - a[0] == pytest.approx(c[0] - b[0])  # a decade each


def test_svg_is_xml_that_asks_for_nothing_and_holds_outside_text_as_text() -> None:
    told = summary([row("<script>&'\"", 0.5, 3.0, 8.0), row("b", 0.4, 5.0, 8.0)])
    text = standalone_svg(sheet(told))
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg")
    assert "<script>" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "prefers-color-scheme:dark" in text


def test_the_png_is_two_pixels_for_one_and_the_same_again() -> None:
    scene = sheet(crowd(ties=False))
    data = png(scene)
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (round(scene.width * 4) // 2, round(scene.height * 4) // 2)
        assert len(image.convert("RGB").getcolors(1 << 20) or []) > 50
    assert png(scene) == data


def test_names_keep_off_what_is_taken_where_there_is_room() -> None:
    (name,) = place_names([(50, 50)], [(30, 10)], (0, 0, 100, 100), [(55, 40, 100, 60)], [])
    assert not overlap(name.box, (55, 40, 100, 60))
    assert crosses(((0, 5), (10, 5)), (4, 4, 6, 6))
    assert not crosses(((0, 7), (10, 7)), (4, 4, 6, 6))
