"""Identity: one person's photos, each method's head of them, and how alike they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from idto3d_dashboard.choice import NO_METHODS, Choice, choose_seed
from idto3d_dashboard.drawing.curves import Curve, line_chart
from idto3d_dashboard.drawing.head_figures import HeadFigures, Told, figures_rows, figures_table, line
from idto3d_dashboard.drawing.pictures import Shown, row_of
from idto3d_dashboard.reading.heads import Head, conditioning_of, head_of, view_names
from idto3d_dashboard.reading.pictures import folder_of, picture
from idto3d_dashboard.reading.values import (
    by_people,
    means_by,
    person_calibrated,
    person_means,
    person_rows,
    reasons_of,
)
from idto3d_dashboard.sheet import Sheet
from idto3d_dashboard.viewer import LOOKS, ShownHead
from idto3d_eval.figures_text import heading

if TYPE_CHECKING:
    import polars

TITLE, PATH = "Identity", "identity"
SIMILARITY = "identity_similarity"
CALIBRATED = "calibrated_identity"
TOLD = (
    Told(SIMILARITY, "similarity"),
    Told(CALIBRATED, "calibrated"),
    Told("rank1", "rank-1"),
    Told("now_median", "NoW", "mm"),
)
PHOTO_SIDE = 264  # pixels: twice what a photo is shown at, for fine screens


def show(choice: Choice, sheet: Sheet) -> None:
    """The page."""
    sheet.title(choice.identity)
    _photos(choice, sheet)
    if not choice.methods:
        sheet.empty(NO_METHODS)
        return
    _heads(choice, sheet)
    _views(choice, sheet)
    _people(choice, sheet)


def _photos(choice: Choice, sheet: Sheet) -> None:
    if not sheet.shows.photos:
        sheet.empty("Photographs are left out here.")
        return
    run, person = choice.run, choice.identity
    for kind, heading_text, told in (
        ("conditioning", "Photos that heads are made from", "a photo that heads are made from"),
        ("scoring", "Photos that heads are scored by", "a photo that heads are scored by"),
    ):
        sheet.heading(heading_text)
        places = folder_of(run.folder, f"identities/{person}/{kind}")
        shown = []
        for number, place in enumerate(places, 1):
            found = picture(run.folder, place, PHOTO_SIDE)
            name = place.rsplit("/", 1)[1]
            shown.append(
                Shown(found.source, f"{person}, {told}, {number} of {len(places)}", name, found.reason)
            )
        if shown:
            sheet.html(row_of(shown))
        else:
            sheet.empty(f"The run holds no such photos of {person}.")
    others: dict[str, list[str]] = {}
    for label in choice.methods:
        given = conditioning_of(run, label, person)
        if given != person:
            others.setdefault(given, []).append(label)
    for given, labels in others.items():
        sheet.note(f"Made from photos of {given} instead: {', '.join(labels)}.")


def _heads(choice: Choice, sheet: Sheet) -> None:
    run = choice.run
    sheet.heading(f"Heads, {choice.expression.replace('_', ' ')}")
    seed = choose_seed(run, sheet)
    look = sheet.choose("Look", LOOKS, "look", side_by_side=True)
    heads = [head_of(run, label, choice.identity, choice.expression, seed) for label in choice.methods]
    figures = _figures(choice, heads)
    shown = [
        ShownHead(head.label, head.glb, head.strip, line(own, TOLD))
        for head, own in zip(heads, figures, strict=True)
        if head.glb is not None
    ]
    if not sheet.shows.heads:
        sheet.empty("Heads are left out here.")
    elif shown:
        sheet.heads(shown, "heads", look=look)
    for head in heads:
        if head.glb is None:
            where = f" Its log: {head.log}." if head.log else ""
            sheet.empty(f"No head of {head.label}: {head.missing}. It belongs in {head.job}.{where}")
    sheet.html(figures_table(figures, TOLD))
    sheet.download(figures_rows(figures, TOLD), f"{choice.identity}-heads")


def _figures(choice: Choice, heads: list[Head]) -> list[HeadFigures]:
    """Means of the person over views, expressions and seeds."""
    means = person_means(choice.run, choice.methods, choice.identity)
    rows = person_rows(choice.run, choice.methods, choice.identity)
    reasons = {one.name: reasons_of(rows, one.name) for one in TOLD}
    found = []
    for head in heads:
        values = {name: mean for (label, name), mean in means.items() if label == head.label}
        values[CALIBRATED] = person_calibrated(means, head.label)
        why = {name: own[head.label] for name, own in reasons.items() if head.label in own}
        why.setdefault(CALIBRATED, "no floor and ceiling are known")
        found.append(HeadFigures(head.label, values, why, head.note))
    return found


def _views(choice: Choice, sheet: Sheet) -> None:
    run, person = choice.run, choice.identity
    rows = person_rows(run, choice.methods, person)
    values = means_by(rows, SIMILARITY, "view")
    views = view_names(run)
    sheet.heading("Similarity per view")
    if not values:
        reasons = reasons_of(rows, SIMILARITY)
        told = "; ".join(f"{label}: {reason}" for label, reason in reasons.items())
        sheet.empty(f"No view of {person} was read{f' ({told})' if told else ''}.")
        return
    curves = [
        Curve(label, views, [values.get((label, view)) for view in views])
        for label in choice.methods
        if any((label, view) in values for view in views)
    ]
    bounds = {
        name: found
        for metric, name in (
            ("identity_floor_view", "impostors' floor"),
            ("identity_ceiling_view", "true head's ceiling"),
        )
        if (found := _bound(means_by(rows, metric, "view")))
    }
    between = {name: (views, [found.get(view) for view in views]) for name, found in bounds.items()}
    sheet.note(
        f"Cosine to {person}'s scoring photos, mean over expressions; views from the person's right to left, "
        "those from above or below last."
    )
    sheet.html(line_chart(curves, run.labels, x="view", y="cosine", between=between))
    sheet.download(_view_rows(curves, between), f"{person}-similarity-by-view")


def _bound(values: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """View -> value: the same for every row, so any row's will do."""
    return {view: value for (_, view), value in values.items()}


def _view_rows(
    curves: list[Curve], between: Mapping[str, tuple[tuple[str, ...], list[float | None]]]
) -> polars.DataFrame:
    import polars

    lines = [
        (name, str(view), value)
        for name, places, values in (
            *((curve.label, curve.x, curve.y) for curve in curves),
            *((name, *points) for name, points in between.items()),
        )
        for view, value in zip(places, values, strict=True)
    ]
    schema = {"line": polars.String, "view": polars.String, "cosine": polars.Float64}
    return polars.DataFrame(lines, schema, orient="row")


def _people(choice: Choice, sheet: Sheet) -> None:
    run = choice.run
    sheet.heading("By identity")
    cards = {name: card for name, card in run.metrics.items() if card["level"] != "method"}
    if not cards:
        sheet.empty("No metric of this run has a value for each person.")
        return
    start = list(cards).index(SIMILARITY) if SIMILARITY in cards else 0
    metric = sheet.choose(
        "Metric", list(cards), "metric", told=lambda name: str(cards[name]["title"]), start=start
    )
    sheet.note(f"{heading(cards[metric])}, of {choice.group}.")
    table = by_people(run, choice.methods, choice.people, metric)
    sheet.people(table, choice.identity, f"people-{metric}")
    sheet.download(table, f"{metric}-by-identity")
    for label in choice.methods:
        cell = run.row(label)["cells"].get(metric)
        for reason, count in (cell or {}).get("why_not", ()):
            sheet.note(f"{label}: {count} without a value, because {reason}.")
