"""Charts of a study: strengths with intervals, who won against whom, metrics beside people."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from idto3d_dashboard.drawing.plane import GREY
from idto3d_dashboard.drawing.style import colours, set_chart, symbols

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars

Entry = Mapping[str, Any]
Drawn = tuple["go.Figure", "polars.DataFrame"]
AROUND, ROW, TALL_ROW, CELL = 96, 28, 34, 34  # pixels
# ColorBrewer's PuBu, paler in its lower half, so that black is read on it and white on the rest.
WON = [[0.0, "#f1eef6"], [0.5, "#a6bddb"], [1.0, "#023858"]]
DARK_FROM, LEGIBLE = 0.74, 10  # where white is read better than black; methods whose cells hold a text
WIDE = 24  # letters of a line beside an axis


def strength_chart(result: Entry, labels: Sequence[str], chosen: Sequence[str]) -> Drawn:
    """Strengths of one question, the strongest on top.

    Args:
        result: of one question, as `preferences.json` holds it.
        labels: all rows of the run, which colours follow.
        chosen: of them, those to draw.
    """
    import polars

    tones, marks = colours(labels), symbols(labels)
    rows = [row for row in result["methods"] if row["method"] in chosen]
    figure = _whiskers(
        [row["method"] for row in rows],
        [(row["strength"], row["low"], row["high"]) for row in rows],
        [tones.get(row["method"], GREY) for row in rows],
        [marks.get(row["method"], "circle") for row in rows],
        [
            f"{row['method']}: {row['strength']:.2f}, rank {row['rank']} of {len(result['methods'])}, "
            f"may be {row['best_rank']} to {row['worst_rank']}"
            for row in rows
        ],
    )
    figure.add_vline(x=0.0, line_width=1, line_color=GREY)
    figure.update_xaxes(title="strength, log-odds")
    figure.update_layout(title=result["question"].capitalize())
    names = (
        "method",
        "strength",
        "low",
        "high",
        "rank",
        "best_rank",
        "worst_rank",
        "won",
        "neither",
        "votes",
    )
    table = polars.DataFrame([{name: row[name] for name in names} for row in rows], infer_schema_length=None)
    return set_chart(figure, AROUND + ROW * max(len(rows), 2)), table


def win_chart(result: Entry, chosen: Sequence[str]) -> Drawn:
    """Of the votes on two methods, the share that the row won, a tie half to each."""
    import plotly.graph_objects as go
    import polars

    places = [at for at, row in enumerate(result["methods"]) if row["method"] in chosen]
    names = [result["methods"][at]["method"] for at in places]
    values = [[result["win_matrix"][row][column] for column in places] for row in places]
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=names,
            y=names,
            zmin=0.0,
            zmax=1.0,
            colorscale=WON,
            showscale=False,
            xgap=2,
            ygap=2,
            hovertemplate="%{y} won %{z:.0%} against %{x}<extra></extra>",
            hoverongaps=False,
        )
    )
    if len(names) <= LEGIBLE:
        for y, row in zip(names, values, strict=True):
            for x, value in zip(names, row, strict=True):
                if value is not None:
                    tone = "#000000" if value < DARK_FROM else "#ffffff"
                    figure.add_annotation(
                        x=x, y=y, text=f"{value:.0%}", showarrow=False, font={"color": tone, "size": 12}
                    )
    figure.update_xaxes(title="against", tickangle=-45, showgrid=False, automargin=True)
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True)
    figure.update_layout(title=f"{result['question'].capitalize()}: won by the row")
    lines = [
        {"method": one, "against": other, "won": values[row][column]}
        for row, one in enumerate(names)
        for column, other in enumerate(names)
        if row != column
    ]
    schema = {"method": polars.String, "against": polars.String, "won": polars.Float64}
    return set_chart(figure, 150 + CELL * max(len(names), 3)), polars.DataFrame(lines, schema)


def accuracy_chart(question: str, metrics: Sequence[Entry]) -> Drawn:
    """How often metrics prefer what people prefer, in the given order; a line stands at chance.

    Args:
        question: that was asked.
        metrics: with an accuracy, as `preferences.json` holds them.
    """
    figure = _whiskers(
        ["<br>".join(textwrap.wrap(row["title"], WIDE)) for row in metrics],
        [tuple(row["accuracy"][name] for name in ("value", "low", "high")) for row in metrics],
        ["#0072B2" if row["headline"] else "#56B4E9" for row in metrics],
        ["circle" if row["headline"] else "circle-open" for row in metrics],
        [f"{row['title']}: {row['accuracy']['value']:.1%} of {row['votes']} votes" for row in metrics],
    )
    figure.add_vline(x=0.5, line_dash="dash", line_width=1.5, line_color=GREY)
    figure.update_xaxes(title="share of decided votes", tickformat=".0%")
    figure.update_layout(title=question.capitalize())
    return set_chart(figure, AROUND + TALL_ROW * max(len(metrics), 2)), agreement_rows(metrics)


def agreement_rows(metrics: Sequence[Entry]) -> polars.DataFrame:
    """Metrics beside people, a line each, for a table that sorts and a download."""
    import polars

    lines = [
        (
            row["title"],
            *(row["accuracy"][name] for name in ("value", "low", "high")),
            *(row["tau"][name] for name in ("value", "low", "high")),
            row["votes"],
            row["identities"],
            row["accuracy"]["reason"] or row["tau"]["reason"],
        )
        for row in metrics
    ]
    numbers = ("accuracy", "low", "high", "tau", "tau low", "tau high")
    schema: dict[str, Any] = {"metric": polars.String, **dict.fromkeys(numbers, polars.Float64)}
    schema |= {"votes": polars.Int64, "people": polars.Int64, "why not": polars.String}
    return polars.DataFrame(lines, schema, orient="row")


def _whiskers(
    names: Sequence[str],
    values: Sequence[Sequence[Any]],
    tones: Sequence[str],
    marks: Sequence[str],
    told: Sequence[str],
) -> go.Figure:
    """Values with their intervals, from the top down; one without an interval is a mark alone.

    Args:
        names: beside the axis.
        values: value, low and high of each.
        tones, marks: colours and symbols.
        told: what hovering says.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    known = [low is not None and high is not None for _, low, high in values]
    # Two traces: whiskers of no length would show as ticks.
    for whiskered in (True, False):
        places = [at for at, own in enumerate(known) if own == whiskered]
        error = {
            "array": [values[at][2] - values[at][0] for at in places if whiskered],
            "arrayminus": [values[at][0] - values[at][1] for at in places if whiskered],
            "thickness": 2,
            "color": GREY,
        }
        figure.add_scatter(
            x=[values[at][0] for at in places],
            y=[names[at] for at in places],
            error_x=error if whiskered else None,
            mode="markers",
            marker={
                "color": [tones[at] for at in places],
                "symbol": [marks[at] for at in places],
                "size": 10,
            },
            text=[told[at] for at in places],
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_yaxes(categoryorder="array", categoryarray=list(names))
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_layout(showlegend=False)
    return figure
