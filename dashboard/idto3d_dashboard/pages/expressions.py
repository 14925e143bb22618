"""Expressions: one person's heads with each expression, what is read on them, and the way between two."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit

from idto3d.expressions import EXPRESSIONS
from idto3d_dashboard.choice import EVERYBODY, Choice, choose_seed
from idto3d_dashboard.drawing.heads import ShownHead, show_heads
from idto3d_dashboard.drawing.parts import MINUS_BAR, put_download, put_empty
from idto3d_dashboard.drawing.pictures import Shown, matrix_of
from idto3d_dashboard.drawing.read_matrix import read_chart, read_columns, read_rows
from idto3d_dashboard.reading.blends import NEUTRAL, blend_of
from idto3d_dashboard.reading.heads import frontal_view, head_of, view_names
from idto3d_dashboard.reading.pictures import picture
from idto3d_dashboard.reading.values import means_by, person_rows

TITLE, PATH = "Expressions", "expressions"
NO_METHODS = "No methods are chosen; choose one or more under Methods."
THUMB_SIDE = 192  # pixels of a picture in the matrix, shown at about 112


def show(choice: Choice) -> None:
    """The page."""
    streamlit.title(f"{choice.identity}: expressions")
    if not choice.methods:
        put_empty(NO_METHODS)
        return
    _pictures(choice)
    _read(choice)
    streamlit.subheader("Blend")
    _blend(choice)


def _pictures(choice: Choice) -> None:
    run = choice.run
    seed = choose_seed(run)
    views = view_names(run)
    view = streamlit.selectbox(
        "View", views, index=views.index(frontal_view(run)), key="view", bind="query-params"
    )
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
    streamlit.html(
        matrix_of(
            run.expressions, choice.methods, cells, "Views of the heads, expressions down, methods across"
        )
    )
    streamlit.caption(
        "Below each: the expression that the scoring reader finds, ✓ where it is the one asked for."
    )


def _told(read: Mapping[tuple[str, str], float], label: str, expression: str, seeds: int) -> str:
    """What the reader found; several seeds have no one answer."""
    at = read.get((label, expression))
    if at is None or (seeds > 1 and at != int(at)):
        return "" if at is not None else "unread"
    name = EXPRESSIONS[int(at)]
    return f"{'✓' if name == expression else '✗'} {name.replace('_', ' ')}"


def _read(choice: Choice) -> None:
    streamlit.subheader("Asked and read")
    matrices = choice.run.summary.get("expression_matrices", {})
    shown = [label for label in choice.methods if label in matrices]
    if not shown:
        put_empty("No expression was read on the heads of the chosen methods.")
        return
    whose = "" if choice.group == EVERYBODY else f" The group {choice.group} is not counted apart."
    streamlit.caption(
        "The share of heads of an asked expression that are read as each, over all people of the run; frames "
        f"mark where a head belongs.{whose}"
    )
    columns = read_columns(matrices, shown)
    places = streamlit.columns(2) if len(shown) > 1 else [streamlit.container()]
    for at, label in enumerate(shown):
        with places[at % len(places)]:
            streamlit.plotly_chart(
                read_chart(label, matrices[label], columns), key=f"read-{label}", config=MINUS_BAR
            )
    put_download(read_rows(matrices, shown), "asked-and-read")


@streamlit.fragment
def _blend(choice: Choice) -> None:
    """Run alone when the slider moves: the heads stay as they are, and only weights are sent."""
    run = choice.run
    others = [name for name in run.expressions if name != NEUTRAL]
    if NEUTRAL not in run.expressions or not others:
        put_empty("The run asked for no expression besides neutral, or for no neutral to blend from.")
        return
    expression = choice.expression if choice.expression != NEUTRAL else others[0]
    weight = streamlit.slider(
        f"From neutral to {expression.replace('_', ' ')}",
        0.0,
        1.0,
        1.0,
        0.05,
        key="weight",
        bind="query-params",
    )
    seed = int(streamlit.session_state.get("seed", run.protocol.seeds[0]))
    heads, refused, plain = [], [], []
    for label in choice.methods:
        neutral, posed = (head_of(run, label, choice.identity, name, seed) for name in (NEUTRAL, expression))
        blend = blend_of(neutral, posed, expression)
        if blend.reason:
            refused.append(f"{label} cannot be blended: {blend.reason}.")
            continue
        heads.append(ShownHead(label, blend.glb, neutral.strip, neutral.note))
        if blend.other_colours:
            plain.append(label)
    if heads:
        show_heads(heads, key="blend", weights={expression: weight})
    if plain:
        streamlit.caption(f"With neutral's colours, which {expression}'s differ from: {', '.join(plain)}.")
    for sentence in refused:
        streamlit.caption(sentence)
