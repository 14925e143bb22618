"""Expressions: one person's heads with each expression, what is read on them, and the way between two."""

from __future__ import annotations

from collections.abc import Mapping

from idto3d.expressions import EXPRESSIONS
from idto3d_dashboard.choice import EVERYBODY, NO_METHODS, Choice, choose_seed
from idto3d_dashboard.drawing.pictures import Shown, matrix_of
from idto3d_dashboard.drawing.read_matrix import read_columns, read_rows, read_table
from idto3d_dashboard.reading.blends import NEUTRAL, blend_of
from idto3d_dashboard.reading.heads import frontal_view, head_of, view_names
from idto3d_dashboard.reading.pictures import picture
from idto3d_dashboard.reading.values import means_by, person_rows
from idto3d_dashboard.sheet import Sheet, in_columns
from idto3d_dashboard.viewer import ShownHead

TITLE, PATH = "Expressions", "expressions"
THUMB_SIDE = 192  # pixels of a picture in the matrix, shown at about 112


def show(choice: Choice, sheet: Sheet) -> None:
    """The page."""
    sheet.title(f"{choice.identity}: expressions")
    if not choice.methods:
        sheet.empty(NO_METHODS)
        return
    seed = choose_seed(choice.run, sheet)
    _pictures(choice, sheet, seed)
    _read(choice, sheet)
    if sheet.live:
        sheet.heading("Blend")
        sheet.alone(lambda: _blend(choice, sheet, seed))


def _pictures(choice: Choice, sheet: Sheet, seed: int) -> None:
    if not sheet.shows.heads:
        sheet.empty("Pictures of heads are left out here.")
        return
    run = choice.run
    views = view_names(run)
    view = sheet.choose("View", views, "view", start=views.index(frontal_view(run)))
    read = means_by(person_rows(run, choice.methods, choice.identity), "expression_read", "expression")
    cells = {}
    for label in choice.methods:
        for expression in run.expressions:
            head = head_of(run, label, choice.identity, expression, seed)
            place = f"{head.job.replace('heads/', 'views/', 1)}/{expression}/{view}.png"
            found = picture(run.folder, place, THUMB_SIDE)
            cells[expression, label] = Shown(
                found.source,
                f"{label}'s head of {choice.identity} with {expression}, view {view}",
                _told(read, label, expression, len(run.protocol.seeds)),
                head.missing or found.reason,
            )
    sheet.html(
        matrix_of(
            run.expressions, choice.methods, cells, "Views of the heads, expressions down, methods across"
        )
    )
    sheet.note("Below each: the expression that the scoring reader finds, ✓ where it is the one asked for.")


def _told(read: Mapping[tuple[str, str], float], label: str, expression: str, seeds: int) -> str:
    """What the reader found; a mean over several seeds says nothing."""
    at = read.get((label, expression))
    if at is None:
        return "unread"
    if at not in range(len(EXPRESSIONS)) or seeds > 1:
        return ""
    name = EXPRESSIONS[int(at)]
    return f"{'✓' if name == expression else '✗'} {name.replace('_', ' ')}"


def _read(choice: Choice, sheet: Sheet) -> None:
    sheet.heading("Asked and read")
    matrices = choice.run.summary.get("expression_matrices", {})
    shown = [label for label in choice.methods if label in matrices]
    if not shown:
        sheet.empty("No expression was read on the heads of the chosen methods.")
        return
    whose = "" if choice.group == EVERYBODY else f" The group {choice.group} is not counted apart."
    sheet.note(
        "The share of heads of an asked expression that are read as each, over all people of the run; frames "
        f"mark where a head belongs.{whose}"
    )
    columns = read_columns(matrices, shown)
    for label, place in zip(shown, in_columns(sheet, 2), strict=False):
        with place:
            sheet.html(read_table(label, matrices[label], columns))
    sheet.download(read_rows(matrices, shown), "asked-and-read")


def _blend(choice: Choice, sheet: Sheet, seed: int) -> None:
    """Run alone when the slider moves: the heads stay as they are, and only weights are sent."""
    run = choice.run
    others = [name for name in run.expressions if name != NEUTRAL]
    if NEUTRAL not in run.expressions or not others:
        sheet.empty("The run asked for no expression besides neutral, or for no neutral to blend from.")
        return
    expression = choice.expression if choice.expression != NEUTRAL else others[0]
    weight = sheet.share(f"From neutral to {expression.replace('_', ' ')}", "weight")
    heads, refused, plain = [], [], []
    for label in choice.methods:
        neutral, posed = (head_of(run, label, choice.identity, name, seed) for name in (NEUTRAL, expression))
        blend = blend_of(neutral, posed, expression)
        if blend.reason:
            refused.append(f"{label} cannot be blended: {blend.reason}.")
            continue
        heads.append(ShownHead(label, blend.glb, neutral.strip, neutral.note))
        if blend.plain:
            plain.append(label)
    if heads:
        sheet.heads(heads, "blend", weights={expression: weight})
    if plain:
        sheet.note(
            f"With neutral's colours, since those of {expression.replace('_', ' ')} lie on another layout: "
            f"{', '.join(plain)}."
        )
    for sentence in refused:
        sheet.note(sentence)
