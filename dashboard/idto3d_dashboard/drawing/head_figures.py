"""The figures that stand under a head, and the table of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from idto3d_dashboard.drawing.tables import html_table
from idto3d_eval.figures_text import number

if TYPE_CHECKING:
    import polars


@dataclass(frozen=True)
class HeadFigures:
    """One head's values by metric (NaN where there is none), why they are missing, and what to say of it."""

    label: str
    values: Mapping[str, float]
    reasons: Mapping[str, str]
    note: str = ""


@dataclass(frozen=True)
class Told:
    """A figure: its metric's name, its title here, and its unit."""

    name: str
    title: str
    unit: str = "1"


def line(figures: HeadFigures, told: Sequence[Told]) -> str:
    """The figures on one line, those that there are."""
    parts = [
        f"{one.title} {number(value, one.unit)}{' mm' if one.unit == 'mm' else ''}"
        for one in told
        if math.isfinite(value := figures.values.get(one.name, math.nan))
    ]
    return ", ".join([*([figures.note] if figures.note else []), *parts])


def figures_table(heads: Sequence[HeadFigures], told: Sequence[Told]) -> str:
    """Heads down, figures across; a figure that is missing says why."""
    body = [
        [
            f"<b>{escape(head.label)}</b>" + (f"<small>{escape(head.note)}</small>" if head.note else ""),
            *(_cell(head, one) for one in told),
        ]
        for head in heads
    ]
    titles = [f"{one.title}, mm" if one.unit == "mm" else one.title for one in told]
    return html_table(["method", *titles], body)


def figures_rows(heads: Sequence[HeadFigures], told: Sequence[Told]) -> polars.DataFrame:
    """The same for a download: a line a figure."""
    import polars

    lines = [
        (
            head.label,
            one.name,
            value if math.isfinite(value := head.values.get(one.name, math.nan)) else None,
            head.reasons.get(one.name, ""),
        )
        for head in heads
        for one in told
    ]
    schema = {
        "method": polars.String,
        "metric": polars.String,
        "value": polars.Float64,
        "reason": polars.String,
    }
    return polars.DataFrame(lines, schema, orient="row")


def _cell(head: HeadFigures, one: Told) -> str:
    value = head.values.get(one.name, math.nan)
    if math.isfinite(value):
        return number(value, one.unit)
    reason = head.reasons.get(one.name, "not measured")
    return f'–<small style="white-space:normal">{escape(reason)}</small>'
