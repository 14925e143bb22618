"""Geometry: where heads lie beside the true one, in colour on the head, as curves and by region."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from idto3d_dashboard.choice import EVERYBODY, NO_METHODS, Choice, choose_seed
from idto3d_dashboard.drawing.curves import Curve, bar_chart, line_chart
from idto3d_dashboard.drawing.distance_legend import distance_legend
from idto3d_dashboard.drawing.head_figures import HeadFigures, Told, figures_rows, figures_table
from idto3d_dashboard.reading.errors import GeometryError, geometry_error, has_truth
from idto3d_dashboard.reading.heads import head_of
from idto3d_dashboard.reading.values import by_people, group_means, means_by, person_rows, reasons_of
from idto3d_dashboard.sheet import Sheet
from idto3d_dashboard.viewer import ShownHead
from idto3d_eval.metrics.geometry_now import CURVE_MM
from idto3d_eval.metrics.geometry_regions import REGIONS
from idto3d_eval.metrics.table import METRICS

if TYPE_CHECKING:
    import polars

TITLE, PATH = "Geometry", "geometry"
MEDIAN, CURVE = "now_median", "now_curve"
TOLD = tuple(Told(f"region_{name}", name, "mm") for name in REGIONS)
ALONE, TOGETHER = "this person", "the group"


def show(choice: Choice, sheet: Sheet) -> None:
    """The page."""
    sheet.title(f"{choice.identity}: geometry")
    if not choice.methods:
        sheet.empty(NO_METHODS)
        return
    medians = by_people(choice.run, choice.methods, choice.people, MEDIAN)
    measured = any(medians[label].is_not_null().any() for label in choice.methods)
    if not measured and not has_truth(choice.run, choice.identity):
        sheet.empty(
            f"No true head of {choice.identity} is known, so nothing can be measured against it; runs of "
            "synthetic people, or of people with a scan, have one."
        )
        return
    # The heads take seconds the first time: what is below them is there before.
    heads, curves = sheet.places(2)
    _people(choice, sheet, medians)
    _regions(choice, sheet)
    found = _heads(choice, sheet, heads)
    with curves:
        _curves(choice, sheet, found)


def _heads(choice: Choice, sheet: Sheet, place: AbstractContextManager[Any]) -> Mapping[str, GeometryError]:
    """The true head, coloured by its distance to each method's."""
    run, person, expression = choice.run, choice.identity, choice.expression
    with place:
        sheet.heading(f"Distance from the true head, {expression.replace('_', ' ')}")
        seed = choose_seed(run, sheet)
        sheet.note(
            "The true head's outer skin, coloured by its distance to the method's head, which is laid on it "
            "as for NoW's median: scale free, by the face alone."
        )
        sheet.html(distance_legend())
        found, shown = {}, []
        for label in choice.methods:
            with sheet.waiting(f"Measuring {label} …"):
                head = head_of(run, label, person, expression, seed)
                found[label] = geometry_error(run, head, person, expression)
            if found[label].glb:
                note = f"median of the whole head {found[label].median:.2f} mm"
                shown.append(ShownHead(label, found[label].glb, head.strip, note))
        if not sheet.shows.heads:
            sheet.empty("Heads are left out here.")
        elif shown:
            sheet.heads(shown, "errors")
        for label, error in found.items():
            if error.reason:
                sheet.empty(f"No heat map of {label}: {error.reason}.")
    return found


def _curves(choice: Choice, sheet: Sheet, found: Mapping[str, GeometryError]) -> None:
    """Shares of points within a distance: of all people together where all are chosen, and of this one."""
    run, everybody = choice.run, choice.group == EVERYBODY
    title = f"{METRICS[CURVE].title}:"
    pooled: Mapping[str, Sequence[tuple[float, float]]] = next(
        (curve["series"] for curve in run.summary.get("curves", ()) if curve["title"].startswith(title)), {}
    )
    curves = []
    for label in choice.methods:
        if everybody and label in pooled:
            mm, share = zip(*pooled[label], strict=True)
            curves.append(Curve(label, mm, share))
        own = found[label].curve
        if own is not None:
            curves.append(Curve(label, [0.0, *CURVE_MM.tolist()], [0.0, *own.tolist()], choice.identity))
    sheet.heading("NoW curve")
    if not everybody:
        sheet.note(
            f"A run stores the curve of all its people together, so there is none of {choice.group}; the "
            "medians below are theirs alone."
        )
    if not curves:
        sheet.empty("No head could be laid on a true one, so there is no curve.")
        return
    together = "solid, of all people of the run together with a neutral face; dotted, " if everybody else ""
    sheet.note(
        f"The share of the face region's points that lie within a distance of the head: {together}of "
        f"{choice.identity} with {choice.expression.replace('_', ' ')}."
    )
    sheet.html(line_chart(curves, run.labels, x="distance, mm", y="share of points", marks=False))
    rows = _curve_rows(curves, "all people", "mm", "share_of_points")
    sheet.download(rows, f"{choice.identity}-now-curve")


def _people(choice: Choice, sheet: Sheet, medians: polars.DataFrame) -> None:
    """The share of the group's people at or below a median."""
    sheet.heading("NoW median over people")
    whose = "all people of the run" if choice.group == EVERYBODY else f"the group {choice.group}"
    curves = []
    for label in choice.methods:
        values = sorted(medians[label].drop_nulls().to_list())
        if values:
            shares = [at / len(values) for at in range(len(values) + 1)]
            curves.append(Curve(label, [0.0, *values], shares))
    if not curves:
        sheet.empty(f"None of {whose} has a NoW median with the chosen methods.")
        return
    sheet.note(f"The share of {whose} with at most so large a NoW median.")
    x, y = "NoW median, mm", "share of people"
    sheet.html(line_chart(curves, choice.run.labels, x=x, y=y, marks=False, steps=True))
    sheet.download(_curve_rows(curves, whose, "now_median_mm", "share_of_people"), "now-median-over-people")


def _regions(choice: Choice, sheet: Sheet) -> None:
    """Mean distances by region: of this person with the chosen expression, or of the group."""
    sheet.heading("By region")
    whose = sheet.choose("Of", (ALONE, TOGETHER), "of", side_by_side=True)
    names = [one.name for one in TOLD]
    values: Mapping[tuple[str, str], float]
    why: dict[str, Mapping[str, str]] = {}
    if whose == TOGETHER:
        values = group_means(choice.run, choice.methods, choice.people, names)
        told = f"Mean over {choice.group} and all expressions"
    else:
        rows = person_rows(choice.run, choice.methods, choice.identity)
        rows = rows.filter(rows["expression"] == choice.expression)
        values = {
            (label, name): mean for name in names for (label, _), mean in means_by(rows, name, "view").items()
        }
        why = {name: reasons_of(rows, name) for name in names}
        told = f"{choice.identity} with {choice.expression.replace('_', ' ')}"
    figures = [
        HeadFigures(
            label,
            {name: values.get((label, name), math.nan) for name in names},
            {name: own[label] for name, own in why.items() if label in own},
        )
        for label in choice.methods
    ]
    sheet.note(f"{told}: mean distance of the true head's points to the method's head, mm.")
    bars = {one.label: [_known(one.values[name]) for name in names] for one in figures}
    if drawn := bar_chart(bars, REGIONS, choice.run.labels, y="mean distance, mm"):
        sheet.html(drawn)
    sheet.html(figures_table(figures, TOLD))
    sheet.download(figures_rows(figures, TOLD), f"{choice.identity if whose == ALONE else 'group'}-regions")


def _curve_rows(curves: Sequence[Curve], first: str, x: str, y: str) -> polars.DataFrame:
    import polars

    lines = [
        (curve.label, curve.other or first, at, value)
        for curve in curves
        for at, value in zip(curve.x, curve.y, strict=True)
    ]
    schema = {"method": polars.String, "people": polars.String, x: polars.Float64, y: polars.Float64}
    return polars.DataFrame(lines, schema, orient="row")


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
