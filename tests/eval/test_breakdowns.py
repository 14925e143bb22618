"""Breakdowns: each figure is the mean it says, curves lie between their brackets, matrices count heads."""

from __future__ import annotations

import math
from typing import Any

import polars
import pytest

from idto3d.expressions import EXPRESSIONS
from idto3d_eval import expression_matrix
from idto3d_eval.breakdowns import (
    against_true_heads,
    expression_matrices,
    similarity_breakdowns,
    similarity_by_yaw,
)
from idto3d_eval.identity_table import measure
from idto3d_eval.scene import inline_svg, png, standalone_svg
from idto3d_protocols.loader import load_protocol
from idto3d_protocols.schema import Protocol

PEOPLE = ("a", "b", "c", "d")
QUALITY = {"method": 0.5, "truth": 0.9}
YAW = {"front-even": 0.0, "left20-side": 20.0, "left40-even": 40.0}


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    smoke = load_protocol("smoke")
    extra = smoke.views[0].model_copy(update={"camera": "left40", "frontal": False})
    return smoke.model_copy(update={"views": (*smoke.views, extra), "recognisers": ("other",)})


def row(method: str, identity: str, metric: str, value: float, expression: str = "", view: str = "") -> Any:
    return {
        "method": method,
        "identity": identity,
        "expression": expression,
        "view": view,
        "seed": 0,
        "metric": metric,
        "value": value,
        "reason": "" if math.isfinite(value) else "no face",
    }


@pytest.fixture(scope="module")
def scores() -> polars.DataFrame:
    rows = []
    for method, quality in QUALITY.items():
        for place, person in enumerate(PEOPLE):
            for view, yaw in YAW.items():
                value = quality - yaw / 200 + place / 100
                for metric, own in (("counted", value), ("floor", 0.1), ("ceiling", 0.9 - yaw / 200)):
                    rows.append(row(method, person, f"identity_{metric}_view", own, view=view))
                for expression in ("neutral", "smile"):
                    unread = method == "method" and (person, view, expression) == ("a", "front-even", "smile")
                    rows.append(
                        row(
                            method,
                            person,
                            "identity_similarity",
                            math.nan if unread else value,
                            expression,
                            view,
                        )
                    )
                    rows.append(row(method, person, "identity_similarity.other", 0.3, expression, view))
            for expression in ("neutral", "smile"):
                read = 0 if method == "method" else EXPRESSIONS.index(expression)
                code = math.nan if (method, person, expression) == ("method", "d", "smile") else float(read)
                rows.append(row(method, person, "expression_read", code, expression))
            rows.append(row(method, person, "identity_drift", 1.0 - quality + place / 50, "smile"))
    return polars.DataFrame(rows)


def test_a_breakdown_is_the_mean_over_people_of_its_cells(
    scores: polars.DataFrame, protocol: Protocol
) -> None:
    found = similarity_breakdowns(scores, protocol)
    assert list(found) == ["identity_similarity", "identity_similarity.other"]
    own = found["identity_similarity"]["truth"]
    assert own["views"]["left40-even"]["value"] == pytest.approx(0.9 - 0.2 + 0.015)
    assert own["lights"]["side"]["value"] == pytest.approx(0.9 - 0.1 + 0.015)
    assert set(own["expressions"]) == {"neutral", "smile"}
    assert own["views"]["left40-even"]["low"] <= own["views"]["left40-even"]["value"]
    unread = found["identity_similarity"]["method"]["views"]["front-even"]
    assert (unread["valid"], unread["total"]) == (7, 8)
    assert unread["value"] == pytest.approx(0.515)


def test_the_curve_falls_with_yaw_and_carries_its_brackets(
    scores: polars.DataFrame, protocol: Protocol
) -> None:
    curves = similarity_by_yaw(scores, protocol)
    points = curves["identity_similarity"]["method"]
    assert [point["yaw_deg"] for point in points] == [0.0, 20.0, 40.0]
    for point in points:
        assert point["value"] == pytest.approx(0.515 - point["yaw_deg"] / 200)
        assert point["floor"] == pytest.approx(0.1)
        assert point["ceiling"] == pytest.approx(0.9 - point["yaw_deg"] / 200)
    other = curves["identity_similarity.other"]["method"]
    assert all(point["floor"] is None and point["value"] == pytest.approx(0.3) for point in other)


def test_a_matrix_counts_heads_by_what_was_asked_and_read(
    scores: polars.DataFrame, protocol: Protocol
) -> None:
    found = expression_matrices(scores, protocol)
    assert found["truth"]["shares"] == {"neutral": {"neutral": 1.0}, "smile": {"smile": 1.0}}
    assert found["method"]["shares"]["smile"] == {"neutral": 0.75, "unread": 0.25}
    assert found["method"]["heads"] == {"neutral": 4, "smile": 4}


def test_what_a_method_has_more_of_than_the_true_heads(scores: polars.DataFrame, protocol: Protocol) -> None:
    entries = against_true_heads(measure(scores), "truth", ["method", "truth"], protocol.statistics)
    (entry,) = entries
    assert (entry["metric"], entry["method"]) == ("identity_drift", "method")
    assert entry["value"] == pytest.approx(0.4)
    assert entry["true_heads"]["value"] == pytest.approx(0.13)
    assert entry["true_heads"]["low"] < 0.13 < entry["true_heads"]["high"]
    assert against_true_heads(measure(scores), None, ["method"], protocol.statistics) == []


def test_the_picture_has_a_panel_a_method(scores: polars.DataFrame, protocol: Protocol) -> None:
    summary = {
        "protocol": protocol.model_dump(mode="json"),
        "expression_matrices": expression_matrices(scores, protocol),
        "rows": [{"label": label} for label in ("truth", "method", "failed")],
    }
    sheet = expression_matrix.sheet(summary)
    assert png(sheet).startswith(b"\x89PNG")
    text = standalone_svg(sheet)
    assert ">method<" in text
    assert ">truth<" in text
    assert text.index(">truth<") < text.index(">method<")  # as the table has them
    assert expression_matrix.figures(summary).count("<figure>") == 2
    statue = inline_svg(expression_matrix.panel("method", summary["expression_matrices"]["method"]))
    assert statue.count("var(--s1)") > 0  # discs where they do not belong
    empty = {**summary, "expression_matrices": {}}
    assert expression_matrix.figures(empty) == ""
    assert png(expression_matrix.sheet(empty)).startswith(b"\x89PNG")
