"""Rows of many people: what of a score takes long is measured by a job a person, and the row's job joins it.

A row's score takes seconds a person, nearly all of them for surfaces (NoW, regions, mesh health, what moves
that should keep still, seams, baked light). In one job, five hundred people are an hour at the end of a run,
in which all other workers have nothing left to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from idto3d_eval.rows import appearance, expression, light, mesh
from idto3d_eval.rows.context import ALL, Head, Measures, RowWriter
from idto3d_eval.rows.geometry import GeometryRows
from idto3d_eval.stage import Facts, StageCall

if TYPE_CHECKING:
    from idto3d_eval.reference import Reference
    from idto3d_eval.tables import ScoreRow
    from idto3d_protocols.schema import Protocol

SHAPES = "shapes"  # the stage, and the folder of its jobs
JOINED = "score_joined"  # the stage of the rows that they are joined into
SPLIT_FROM = 50
"""People from whom on a row is scored person by person; below, one job takes minutes."""
FAMILIES = frozenset({"geometry", "mesh"})
SURFACES = frozenset(
    {"still_drift", "still_albedo_drift", "seam_visibility", "baked_light", "baked_light_excess"}
)
"""What is measured by person of other families: those metrics that read a head's meshes."""
COST = "cost"
OWN, PUBLISHED = "own", "published"  # which distances of a head a file holds


def splits(protocol: Protocol) -> bool:
    """Whether a protocol's rows are scored person by person."""
    return len(protocol.population.identities) >= SPLIT_FROM and not FAMILIES.isdisjoint(protocol.metrics)


def measure_shapes(call: StageCall) -> Facts | None:
    """Measures all heads that a method made of one person, by seed: their rows, and NoW's distances."""
    from idto3d_eval.scoring_inputs import heads_of
    from idto3d_eval.tables import write_rows

    rows: list[ScoreRow] = []
    shapes = _Shapes(call.protocol, rows)
    references = {name: _reference(call, name) for name in call.parameters["scored_as"].values()}
    for head in heads_of(call, references):
        shapes.measure(head, Measures(references, None, call.protocol.expressions))
        for kind, distances in shapes.distances_of(head).items():
            np.save(call.out / f"{kind}-{head.seed}.npy", distances, allow_pickle=False)
    write_rows(call.out, rows)
    return None


def score_joined(call: StageCall) -> Facts | None:
    """Scores all heads of a method row as `score_row` does, their shapes from the jobs that measured them."""
    from idto3d_eval.score import score_method
    from idto3d_eval.scoring_inputs import (
        gallery_of,
        heads_of,
        looks_of,
        others_of,
        references_of,
        sessions_of,
    )
    from idto3d_eval.tables import read_rows, write_rows

    references = references_of(call)
    heads = heads_of(call, references)
    families = [family for family in call.protocol.metrics if family not in {*FAMILIES, COST}]
    rows = score_method(
        [replace(head, asset=None) for head in heads],
        references,
        gallery_of(call),
        call.protocol.expressions,
        families,
        looks=looks_of(call),
        sessions=sessions_of(call, references),
        session=call.parameters["heads"],
        others=others_of(call),
    )
    rows = [row for row in rows if row.metric not in SURFACES]
    if COST in call.protocol.metrics:  # which asks how large a head's files are
        rows += score_method(heads, references, None, call.protocol.expressions, [COST])
    shapes, measures = _Shapes(call.protocol, rows), Measures(references, None, call.protocol.expressions)
    for made_for, own in _by_person(call, heads):
        job = f"{SHAPES}/{call.label}/{made_for}"
        folder = call.inputs.get(job)
        for head in own:
            if folder is None:
                failed = head.failure or call.failures.get(job, "")
                shapes.measure(Head(head.identity, head.seed, None, failed), measures)
            else:
                shapes.know(
                    head,
                    np.load(folder / f"{OWN}-{head.seed}.npy", allow_pickle=False),
                    np.load(folder / f"{PUBLISHED}-{head.seed}.npy", allow_pickle=False),
                )
        if folder is not None:
            rows += read_rows(folder)
    shapes.join(heads, measures)
    write_rows(call.out, rows)
    return None


class _Shapes(GeometryRows):
    """Writes rows of what is measured here, of single heads and over all of them."""

    def __init__(self, protocol: Protocol, rows: list[ScoreRow]) -> None:
        super().__init__()
        self._wanted, self._rows = frozenset(protocol.metrics), rows

    def measure(self, head: Head, measures: Measures) -> None:
        """The rows of one head."""
        writer = RowWriter(head.identity, head.seed, self._wanted, self._rows)
        if head.features is not None:
            head = replace(head, features=head.features.asked(measures.expressions))
        if "geometry" in self._wanted:
            self.head_rows(writer, head, measures)
        if "mesh" in self._wanted:
            mesh.head_rows(writer, head, measures)
        others: list[ScoreRow] = []
        for family in (expression, light, appearance):
            family.head_rows(replace(writer, rows=others), head, measures)
        self._rows += [row for row in others if row.metric in SURFACES]

    def distances_of(self, head: Head) -> Mapping[str, np.ndarray]:
        """NoW's distances [N] mm of a head, of our variant and as published; none of one not measured."""
        nothing = np.zeros(0), np.zeros(0)
        return dict(
            zip((OWN, PUBLISHED), self._distances.get((head.identity, head.seed), nothing), strict=True)
        )

    def know(self, head: Head, own: np.ndarray, published: np.ndarray) -> None:
        """Distances of a head that was measured elsewhere."""
        self._distances[head.identity, head.seed] = own, published

    def join(self, heads: list[Head], measures: Measures) -> None:
        """The rows over all people, of each seed."""
        if "geometry" not in self._wanted:
            return
        for seed in sorted({head.seed for head in heads}):
            writer = RowWriter(ALL, seed, self._wanted, self._rows)
            self.method_rows(writer, [head for head in heads if head.seed == seed], measures)


def _reference(call: StageCall, identity: str) -> Reference:
    """As `references_of` has it of everyone; that list does not stand in the key of one person's job."""
    from idto3d_eval.features import load_photo_embeddings
    from idto3d_eval.reading_stages import FEATURES_FILE
    from idto3d_eval.reference import Reference, load_reference

    reference, photos = (call.inputs.get(f"{kind}/{identity}") for kind in ("references", "photos"))
    if reference is not None:
        return load_reference(reference / FEATURES_FILE)
    if photos is not None:
        return Reference(load_photo_embeddings(photos / FEATURES_FILE))
    return Reference(np.zeros((0, 1), dtype=np.float32))


def _by_person(call: StageCall, heads: list[Head]) -> Iterator[tuple[str, list[Head]]]:
    """The heads by whom they were made for, in the order of `heads_of`: all seeds of one after the other."""
    seeds = len(call.protocol.seeds)
    for place, made_for in enumerate(call.parameters["scored_as"]):
        yield made_for, heads[place * seeds : (place + 1) * seeds]
