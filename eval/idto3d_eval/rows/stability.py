"""Rows of stability: over seeds, over sessions, and over renderings of a stored head."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from idto3d.expressions import presets
from idto3d_eval.environments import (
    FILE,
    FIRST,
    LIGHT_AXIS,
    RENDERER_AXIS,
    RESOLUTION_AXIS,
    EnvironmentReadings,
    load_environments,
)
from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.identity import (
    MINIMUM_IMPOSTORS,
    calibrated_identity,
    identity_counted,
    identity_similarity,
)
from idto3d_eval.metrics.reliability import Reliability, icc_one_way, icc_two_way
from idto3d_eval.metrics.stability import same_votes, spread
from idto3d_eval.rows.context import Floats, Head, Measures, RowWriter
from idto3d_eval.sessions import FILE as SESSION_FILE
from idto3d_eval.sessions import load_session

ENVIRONMENTS, SESSIONS = "environments", "sessions"
ENVIRONMENT_ROWS = ("resolution_spread", "light_spread", "renderer_shift", "environment_vote")
SESSION_ROWS = ("session_same_bytes", "session_distance", "session_pixels")
ONE_SEED = "the protocol has one seed, expected 2 or more"
ONE_SESSION = "the row has one session, expected another that differs in repeat or threads alone"
IS_FIRST = "it is the first session, with which the others are compared"


def head_rows(writer: RowWriter, head: Head, measures: Measures) -> None:
    """Spread over renderings, and how far the head is from the first session's."""
    found = _environment_figures(head, measures)
    for name in ENVIRONMENT_ROWS:
        writer.write(name, found[name])
    for name, measured in zip(SESSION_ROWS, _session_figures(head, measures), strict=True):
        writer.write(name, measured)


def method_rows(writer: RowWriter, heads: Sequence[Head], measures: Measures) -> None:
    """Intra-class correlations over environments and sessions of one seed's heads, and the shift of "
    "identity."""
    table = [_environment_similarity(head, measures) for head in heads]
    rows = [row for row in table if not isinstance(row, str)]
    if rows:
        widest = max(len(row) for row in rows)
        _icc_rows(writer, "environments", icc_two_way(np.stack([row for row in rows if len(row) == widest])))
    else:
        reason = next((row for row in table if isinstance(row, str)), "the method made no head")
        _icc_rows(writer, "environments", reason)
    seed = {head.seed for head in heads}
    sessions = {
        label: {head.identity: _parts(head, measures) for head in own if head.seed in seed}
        for label, own in measures.sessions.items()
    }
    _icc_rows(writer, "sessions", _session_icc(sessions))
    writer.write("session_identity_shift", _identity_shift(sessions, measures))


def seed_rows(writer: RowWriter, heads: Sequence[Head], measures: Measures) -> None:
    """Spread over seeds of every identity, and the intra-class correlation over them."""
    seeds = sorted({head.seed for head in heads})
    people = sorted({head.identity for head in heads})
    found = {(head.identity, head.seed): _parts(head, measures)[0] for head in heads}
    table = np.array([[found.get((who, seed), math.nan) for seed in seeds] for who in people])
    for who, row in zip(people, table, strict=True):
        measured = Measurement(math.nan, ONE_SEED) if len(seeds) < 2 else spread(row, "seed")
        writer.write("seed_spread", measured, identity=who)
    _icc_rows(writer, "seeds", ONE_SEED if len(seeds) < 2 else icc_one_way(table))


def _icc_rows(writer: RowWriter, over: str, found: Reliability | str) -> None:
    for ending, part in (("", "value"), ("_low", "low"), ("_high", "high")):
        measured = (
            Measurement(math.nan, found)
            if isinstance(found, str)
            else Measurement(float(getattr(found, part)))
        )
        writer.write(f"icc_{over}{ending}", measured)


def _parts(head: Head, measures: Measures) -> tuple[float, float, float]:
    """A head's similarity, with its floor and ceiling where a true head exists; NaN where unread."""
    reference, features = measures.references[head.identity], head.features
    if features is None:
        return (math.nan,) * 3
    chosen = [features.expression(name) for name in measures.expressions]
    similarity = identity_similarity(features.embeddings[chosen], reference.photos)
    if reference.floor is None or reference.ceiling is None:
        read = similarity[np.isfinite(similarity)]
        return (float(read.mean()) if read.size else math.nan), math.nan, math.nan
    rows = [reference.expressions.index(name) for name in measures.expressions]
    return identity_counted(similarity, reference.floor[rows], reference.ceiling[rows])


def _session_icc(sessions: Mapping[str, Mapping[str, tuple[float, float, float]]]) -> Reliability | str:
    if len(sessions) < 2:
        return ONE_SESSION
    people = sorted(next(iter(sessions.values())))
    return icc_two_way(np.array([[own[who][0] for own in sessions.values()] for who in people]))


def _identity_shift(
    sessions: Mapping[str, Mapping[str, tuple[float, float, float]]], measures: Measures
) -> Measurement:
    """|calibrated identity − the first session's| over the people that both have."""
    if len(sessions) < 2:
        return Measurement(math.nan, ONE_SESSION)
    labels = list(sessions)
    if measures.session == labels[0]:
        return Measurement(math.nan, IS_FIRST)
    own, first = (np.array([sessions[label][who] for who in sorted(sessions[label])]) for label in
                  (measures.session, labels[0]))  # fmt: skip
    if any(reference.impostors < MINIMUM_IMPOSTORS for reference in measures.references.values()):
        return Measurement(
            math.nan,
            f"fewer than {MINIMUM_IMPOSTORS} impostors stand behind a floor, so that nothing is calibrated",
        )
    both = np.isfinite(own).all(axis=1) & np.isfinite(first).all(axis=1)
    calibrated = [calibrated_identity(*(table[both].T)) for table in (own, first)]
    undefined = next((found for found in calibrated if found.reason), None)
    return undefined or Measurement(abs(calibrated[0].value - calibrated[1].value))


def _session_figures(head: Head, measures: Measures) -> tuple[Measurement, Measurement, Measurement]:
    if head.features is None:
        return (head.missing(),) * 3
    folder = head.readings.get(SESSIONS)
    if folder is None:
        alone = ONE_SESSION if len(measures.sessions) < 2 else IS_FIRST
        return (Measurement(math.nan, head.unread.get(SESSIONS, alone)),) * 3
    gap = load_session(folder / SESSION_FILE)
    return Measurement(float(gap.same_bytes)), Measurement(gap.distance), Measurement(gap.pixels)


def _environment_figures(head: Head, measures: Measures) -> dict[str, Measurement]:
    """The figures of `ENVIRONMENT_ROWS`; NaN with a reason where the head was not drawn elsewhere."""
    read = _environments(head)
    if isinstance(read, str):
        return dict.fromkeys(ENVIRONMENT_ROWS, Measurement(math.nan, read))
    found = {"environment_vote": same_votes(_votes(read))}
    means = _means(read, measures.references[head.identity].photos)
    if isinstance(means, str):
        return {**dict.fromkeys(ENVIRONMENT_ROWS, Measurement(math.nan, means)), **found}
    axes = np.array(read.axes)
    figures: dict[str, Callable[[Floats], Measurement]] = {
        RESOLUTION_AXIS: lambda own: spread(own, "resolution"),
        LIGHT_AXIS: lambda own: spread(own, "light"),
        # The depth buffer is the first of the other renderers, and everywhere there.
        RENDERER_AXIS: lambda own: Measurement(float(abs(own[1] - own[0]))),
    }
    for name, (axis, figure) in zip(ENVIRONMENT_ROWS, figures.items(), strict=False):
        found[name] = figure(means[(axes == FIRST) | (axes == axis)])
    return found


def _environment_similarity(head: Head, measures: Measures) -> Floats | str:
    read = _environments(head)
    return read if isinstance(read, str) else _means(read, measures.references[head.identity].photos)


def _environments(head: Head) -> EnvironmentReadings | str:
    if head.features is None:
        return head.missing().reason
    folder = head.readings.get(ENVIRONMENTS)
    if folder is None:
        return head.unread.get(ENVIRONMENTS, "the head was not drawn in other environments")
    return load_environments(folder / FILE)


def _means(read: EnvironmentReadings, photos: np.ndarray) -> Floats | str:
    """[N] mean similarity in each environment, over the expressions that are read in all of them."""
    similarity = identity_similarity(read.embeddings, photos)  # [N, E]
    everywhere = np.isfinite(similarity).all(axis=0)
    if not everywhere.any():
        return "no expression has a readable face in all environments"
    means: Floats = similarity[:, everywhere].mean(axis=1)
    return means


def _votes(read: EnvironmentReadings) -> np.ndarray:
    """[N, E] which preset the reader's actions are nearest to, -1 where no face was read."""
    table = presets().astype(np.float64)
    distance = np.linalg.norm(read.actions[:, :, None].astype(np.float64) - table, axis=-1)
    finite = np.isfinite(distance).all(axis=-1)
    return np.where(finite, np.where(finite[..., None], distance, 0.0).argmin(axis=-1), -1)
