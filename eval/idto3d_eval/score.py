"""From readings to rows: every measurement of a method's heads, or NaN with the reason why there is none.

A row's `expression` or `view` is "" where the number is over all of them; `identity` is "" where it is over
all people. Rows hold no times and come out sorted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from idto3d_eval.reference import Gallery, Reference
from idto3d_eval.rows import appearance, cost, expression, identity, light, mesh, recognisers, stability
from idto3d_eval.rows.context import ALL, ALL_SEEDS, Head, Measures, RowWriter
from idto3d_eval.rows.geometry import GeometryRows
from idto3d_eval.tables import ScoreRow


def score_method(
    heads: Sequence[Head],
    references: Mapping[str, Reference],
    gallery: Gallery | None,
    expressions: Sequence[str],
    families: Iterable[str] = ("identity", "expression", "geometry", "cost"),
    *,
    looks: Mapping[str, Path] | None = None,
    sessions: Mapping[str, Sequence[Head]] | None = None,
    session: str = "",
    others: Mapping[str, Measures] | None = None,
) -> list[ScoreRow]:
    """All rows of one method.

    Args:
        heads: one for each identity and seed, also those that failed.
        references: by identity.
        gallery: None where the population has none.
        expressions: the protocol's, in order.
        families: which metrics, by the names that a protocol says.
        looks: identity -> folder of what appearance is held against.
        sessions: label -> heads of every session of this method, the first one first.
        session: label of this one among them.
        others: references and gallery as other recognisers read them, by their names.

    Returns:
        Sorted rows, one for each key.
    """
    wanted = frozenset(families)
    rows: list[ScoreRow] = []
    as_asked = {
        label: [_as_asked(head, expressions) for head in own] for label, own in (sessions or {}).items()
    }
    measures = Measures(references, gallery, expressions, looks or {}, as_asked, session, others or {})
    geometry = GeometryRows()
    of_head = {
        "identity": identity.head_rows,
        "expression": expression.head_rows,
        "geometry": geometry.head_rows,
        "mesh": mesh.head_rows,
        "light": light.head_rows,
        "cost": cost.head_rows,
        "appearance": appearance.head_rows,
        "stability": stability.head_rows,
    }
    of_method = {
        "identity": identity.method_rows,
        "geometry": geometry.method_rows,
        "light": light.method_rows,
        "appearance": appearance.method_rows,
        "stability": stability.method_rows,
        "expression": expression.method_rows,
    }
    of_all_seeds = {"expression": expression.all_seeds_rows}
    asked = [_as_asked(head, expressions) for head in heads]
    for head in sorted(asked, key=lambda head: (head.identity, head.seed)):
        writer = RowWriter(head.identity, head.seed, wanted, rows)
        for family, write in of_head.items():
            if family in wanted:
                write(writer, head, measures)
    for seed in sorted({head.seed for head in asked}):
        own = [head for head in asked if head.seed == seed]
        writer = RowWriter(ALL, seed, wanted, rows)
        for family, write_all in of_method.items():
            if family in wanted:
                write_all(writer, own, measures)
    if "stability" in wanted and asked:
        writer = RowWriter(ALL, min(head.seed for head in asked), wanted, rows)
        stability.seed_rows(writer, asked, measures)
    for family, write_all in of_all_seeds.items():
        if family in wanted:
            write_all(RowWriter(ALL, ALL_SEEDS, wanted, rows), asked, measures)
    if "identity" in wanted:
        recognisers.write_rows(wanted, asked, measures, rows)
    return sorted(rows, key=lambda row: (row.identity, row.expression, row.view, row.seed, row.metric))


def _as_asked(head: Head, expressions: Sequence[str]) -> Head:
    """The head with a row for every expression asked for, those that it lacks as NaN."""
    if head.features is None:
        return head
    others = {name: read.asked(expressions) for name, read in head.others.items()}
    return replace(head, features=head.features.asked(expressions), others=others)
