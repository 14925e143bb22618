"""What rows are written from and with: a method's heads, what they are measured against, the writer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.features import HeadFeatures
from idto3d_eval.metrics import METRICS
from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.recognisers import BY_OTHERS, name_by
from idto3d_eval.metrics.retrieval import template
from idto3d_eval.reference import Gallery, Reference
from idto3d_eval.tables import ScoreRow
from idto3d_eval.views import ViewSpec

ALL = ""  # over all identities, expressions or views
ALL_SEEDS = -1  # over all seeds
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Head:
    """One head that a method made: whose, by which seed, and what is known of it.

    `features` is None where there is no head; `failure` then says why. `asset` and `views` serve geometry;
    `guidance_calls` (None where nobody knows) and `trainable_share` come from the asset's manifest; `others`
    are the same readings with the embeddings of other recognisers, by their names. `readings` are the folders
    of what else was read of it, by stage (`family_stages`), `unread` why one is not there.
    """

    identity: str
    seed: int
    features: HeadFeatures | None
    failure: str = ""
    asset: Path | None = None
    views: tuple[ViewSpec, ...] = ()
    guidance_calls: int | None = 0
    trainable_share: float | None = None
    readings: Mapping[str, Path] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, HeadFeatures] = field(default_factory=dict)

    def missing(self) -> Measurement:
        """NaN, with the reason why there is no head."""
        return Measurement(math.nan, self.failure or "the method made no head")


@dataclass(frozen=True)
class Measures:
    """What all heads of a run are measured against.

    Attributes:
        references: by identity.
        gallery: None where the population has none.
        expressions: the protocol's, in order.
        looks: identity -> folder of what its heads' looks are held against.
        sessions: label -> heads of every session of this row, the first one first; one label where there are
            no others.
        others: the same as other recognisers read it, by their names.
    """

    references: Mapping[str, Reference]
    gallery: Gallery | None
    expressions: Sequence[str]
    looks: Mapping[str, Path] = field(default_factory=dict)
    sessions: Mapping[str, Sequence[Head]] = field(default_factory=dict)
    session: str = ""
    others: Mapping[str, Measures] = field(default_factory=dict)

    def other_templates(self, identity: str) -> Floats | None:
        """Templates [G, D] of the gallery and of the protocol's other people; None without a gallery."""
        if self.gallery is None:
            return None
        own = (row for name, row in self._templates.items() if name != identity)
        rows = [
            self.gallery.templates.astype(np.float64),
            *(row[None] for row in own if np.isfinite(row).all()),
        ]
        return np.concatenate(rows)

    @cached_property
    def _templates(self) -> dict[str, Floats]:
        """Identity -> template [D] of its scoring photos, by name; asked for by every head."""
        return {name: template(self.references[name].photos) for name in sorted(self.references)}


@dataclass(frozen=True)
class RowWriter:
    """Appends rows that share identity and seed, of the families that were asked for; with a `recogniser`,
    those of `BY_OTHERS` as it reads them."""

    identity: str
    seed: int
    wanted: frozenset[str]
    rows: list[ScoreRow]
    recogniser: str = ""

    def by(self, recogniser: str) -> RowWriter:
        """A writer of the same rows as another recogniser reads them."""
        return replace(self, recogniser=recogniser)

    def write(
        self,
        metric: str,
        measured: Measurement,
        expression: str = ALL,
        view: str = ALL,
        identity: str | None = None,
    ) -> None:
        if metric not in METRICS:
            raise KeyError(f"Found the metric {metric!r}, expected one of METRICS; give it a card first.")
        if METRICS[metric].family not in self.wanted or (self.recogniser and metric not in BY_OTHERS):
            return
        value, reason = measured
        if math.isnan(value) != bool(reason):
            raise ValueError(
                f"Found {metric} = {value} with the reason {reason!r}, expected NaN with one, or neither."
            )
        who = self.identity if identity is None else identity
        name = name_by(metric, self.recogniser)
        self.rows.append(ScoreRow(who, expression, view, self.seed, name, value, reason))
