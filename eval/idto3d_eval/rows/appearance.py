"""Rows of appearance: how a method's renders differ as a set from what they are held against, agreement of
pictures with words, and seams."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from idto3d_eval.appearance_readings import FILE, Looks, load_looks
from idto3d_eval.features import NOT_PROVIDED
from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.feature_distance import MEASURES, SPACES, fid, fid_bias, kid, kid_published
from idto3d_eval.metrics.image_text import NO_CLIP, image_text_agreement, image_text_share
from idto3d_eval.metrics.seams import seam_visibility
from idto3d_eval.reference import GEOMETRY_EXPRESSION
from idto3d_eval.rows.context import Floats, Head, Measures, RowWriter

STAGE = "appearance"
UNREAD = "the looks of its views were not read"
NO_NETWORK = "no feature network is named"


def head_rows(writer: RowWriter, head: Head, measures: Measures) -> None:
    """Agreement with words of every expression's head, and the neutral head's seams."""
    looks = _looks(head)
    for expression in measures.expressions:
        agreement, share = _with_words(head, looks, expression)
        writer.write("image_text_agreement", agreement, expression)
        writer.write("image_text_share", share, expression)
    if head.asset is None:
        seams = head.missing()
    else:
        from idto3d.asset import read_expression

        seams = seam_visibility(read_expression(head.asset, GEOMETRY_EXPRESSION))
    writer.write("seam_visibility", seams, expression=GEOMETRY_EXPRESSION)


def method_rows(writer: RowWriter, heads: Sequence[Head], measures: Measures) -> None:
    """KID with its error, the published one, and FID with its bias, in every feature space."""
    made = sorted((head for head in heads if head.features is not None), key=lambda head: head.identity)
    pairs = [(head, _looks(head), _reference(head, measures)) for head in made]
    for space in SPACES:
        people, renders, truths, reason = _sides(space.name, pairs)
        names = [name.format(space.name) for name in MEASURES]
        if not people:
            undefined = Measurement(math.nan, reason)
            _kid_rows(writer, names[0], heads, {}, reason)
            for name in names[1:]:
                writer.write(name, undefined)
            continue
        found = kid(renders, truths)
        if isinstance(found, str):
            _kid_rows(writer, names[0], heads, {}, found)
            writer.write(names[1], Measurement(math.nan, found))
        else:
            rows = dict(zip(people, found.pseudo_values, strict=True))
            _kid_rows(writer, names[0], heads, rows, "no view of this person could be compared")
            writer.write(names[1], Measurement(found.error))
        together = np.concatenate(renders), np.concatenate(truths)
        writer.write(names[2], kid_published(*together))
        writer.write(names[3], fid(*together))
        writer.write(names[4], fid_bias(renders, truths))


def _kid_rows(
    writer: RowWriter, name: str, heads: Sequence[Head], values: dict[str, float], reason: str
) -> None:
    """One row a person: the pseudo-value, or why there is none."""
    for head in heads:
        if head.identity in values:
            measured = Measurement(float(values[head.identity]))
        else:
            measured = head.missing() if head.features is None else Measurement(math.nan, reason)
        writer.write(name, measured, identity=head.identity)


def _sides(
    space: str, pairs: Sequence[tuple[Head, Looks | str, Looks | str]]
) -> tuple[list[str], list[Floats], list[Floats], str]:
    """People with features on both sides, both sides' [N, D] of each, and why there is nobody."""
    people: list[str] = []
    renders: list[Floats] = []
    truths: list[Floats] = []
    reason = "the method made no head"
    for head, looks, reference in pairs:
        if isinstance(reference, str) or isinstance(looks, str):
            reason = looks if isinstance(looks, str) else str(reference)
            continue
        assert head.features is not None
        given = [name for name in head.features.expressions if not head.features.lacks(name)]
        truth = reference.space(space, given)
        own = _own_faces(head) if space == "face" else looks.space(space, given)
        if own is None or truth is None:
            reason = NO_NETWORK
        elif len(own) == 0 or len(truth) == 0:
            reason = "no view with a readable face could be compared"
        else:
            scale = math.sqrt(own.shape[1]) if space == "face" else 1.0
            people.append(head.identity)
            renders.append(scale * own.astype(np.float64))
            truths.append(scale * truth.astype(np.float64))
    return people, renders, truths, reason


def _own_faces(head: Head) -> Floats:
    assert head.features is not None
    rows = head.features.embeddings.reshape(-1, head.features.embeddings.shape[-1]).astype(np.float64)
    faces: Floats = rows[np.isfinite(rows).all(axis=1)]
    return faces


def _with_words(head: Head, looks: Looks | str, expression: str) -> tuple[Measurement, Measurement]:
    if head.features is None:
        return head.missing(), head.missing()
    if head.features.lacks(expression):
        return (Measurement(math.nan, NOT_PROVIDED),) * 2
    if isinstance(looks, str):
        return (Measurement(math.nan, looks),) * 2
    if looks.cosines is None:
        return (Measurement(math.nan, NO_CLIP),) * 2
    cosines = looks.cosines[looks.expressions.index(expression)].astype(np.float64)
    asked = looks.texts.index(expression)
    return image_text_agreement(cosines, asked), image_text_share(cosines, asked)


def _looks(head: Head) -> Looks | str:
    """What was read of a head, or why nothing was."""
    folder = head.readings.get(STAGE)
    return head.unread.get(STAGE, UNREAD) if folder is None else load_looks(folder / FILE)


def _reference(head: Head, measures: Measures) -> Looks | str:
    folder = measures.looks.get(head.identity)
    return "what its looks are held against was not read" if folder is None else load_looks(folder / FILE)
