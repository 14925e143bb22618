"""Asked against read: for one method, which expression its heads show when one is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from idto3d.expressions import EXPRESSIONS
from idto3d_dashboard.drawing.style import set_chart
from idto3d_eval.breakdowns import UNREAD

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars

# Dark means many on light and on dark paper alike; ColorBrewer's PuBu, without its white end.
SCALE = [[0.0, "#d0d1e6"], [0.5, "#3690c0"], [1.0, "#023858"]]
CELL, AROUND = 26, 150  # pixels


def read_columns(matrices: Mapping[str, Any], chosen: Sequence[str]) -> tuple[str, ...]:
    """What was asked of any of the chosen methods or read on its heads, in the list's order."""
    named: set[str] = set()
    for label in chosen:
        for asked, shares in matrices.get(label, {}).get("shares", {}).items():
            named |= {asked, *shares}
    return tuple(name for name in (*EXPRESSIONS, UNREAD) if name in named)


def read_chart(label: str, found: Mapping[str, Any], columns: Sequence[str]) -> go.Figure:
    """One method's matrix; frames mark where a head belongs.

    Args:
        label: of the method.
        found: {"heads": of each asked expression, "shares": asked -> read -> share}.
        columns: what may be read.
    """
    import plotly.graph_objects as go

    shares = found["shares"]
    asked, read = list(shares), [name.replace("_", " ") for name in columns]
    values = [[shares[row].get(column) for column in columns] for row in asked]
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=read,
            y=[name.replace("_", " ") for name in asked],
            zmin=0.0,
            zmax=1.0,
            colorscale=SCALE,
            showscale=False,
            xgap=2,
            ygap=2,
            texttemplate="%{z:.0%}" if len(columns) <= 8 else "",
            hovertemplate="asked %{y}, read %{x}: %{z:.0%} of heads<extra></extra>",
            hoverongaps=False,
        )
    )
    places = {name: at for at, name in enumerate(columns)}
    frames = [(places[name], row) for row, name in enumerate(asked) if name in places]
    line = {"color": "#8C8C8C", "width": 1.5}
    shapes = [
        {"type": "rect", "line": line, "x0": x - 0.5, "x1": x + 0.5, "y0": y - 0.5, "y1": y + 0.5}
        for x, y in frames
    ]
    figure.update_layout(shapes=shapes)
    figure.update_xaxes(title="read", tickangle=-45, showgrid=False)
    figure.update_yaxes(title="asked", autorange="reversed", showgrid=False)
    heads = max(found["heads"].values(), default=0)
    figure.update_layout(title={"text": f"{label}, {heads} heads a row", "font": {"size": 14}})
    return set_chart(figure, AROUND + CELL * len(asked))


def read_rows(matrices: Mapping[str, Any], chosen: Sequence[str]) -> polars.DataFrame:
    """What the chosen methods' matrices hold, a line a cell that is not empty, for a download."""
    import polars

    lines = [
        {"method": label, "asked": asked, "read": read, "share": share, "heads": own["heads"][asked]}
        for label in chosen
        if (own := matrices.get(label)) is not None
        for asked, shares in own["shares"].items()
        for read, share in shares.items()
    ]
    schema = {
        "method": polars.String,
        "asked": polars.String,
        "read": polars.String,
        "share": polars.Float64,
        "heads": polars.Int64,
    }
    return polars.DataFrame(lines, schema)
