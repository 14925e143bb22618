"""Rows of identity as other recognisers read the same crops: beside the scoring one's, deciding nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from idto3d_eval.rows import identity
from idto3d_eval.rows.context import ALL, Head, Measures, RowWriter
from idto3d_eval.tables import ScoreRow


def write_rows(
    wanted: frozenset[str], heads: Sequence[Head], measures: Measures, rows: list[ScoreRow]
) -> None:
    """All rows of identity of all heads, for each other recogniser in `measures`."""
    for name, others in measures.others.items():
        read = [read_by(head, name, others) for head in heads]
        for head in read:
            identity.head_rows(RowWriter(head.identity, head.seed, wanted, rows, name), head, others)
        for seed in sorted({head.seed for head in read}):
            own = [head for head in read if head.seed == seed]
            identity.method_rows(RowWriter(ALL, seed, wanted, rows, name), own, others)


def read_by(head: Head, recogniser: str, measures: Measures) -> Head:
    """The head with another recogniser's embeddings; without any, with the reason."""
    if head.features is None:
        return head
    if len(measures.references[head.identity].photos) == 0:
        return replace(head, features=None, failure=f"{recogniser} read no photo of the identity")
    if recogniser not in head.others:
        return replace(
            head, features=None, failure=f"{recogniser} did not read this head; see the run's logs"
        )
    return replace(head, features=head.others[recogniser])
