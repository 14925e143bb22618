"""A run's scores as whoever adds a section to its report gets them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from idto3d_eval.identity_table import Measured
from idto3d_eval.store import Store

if TYPE_CHECKING:
    import polars

    from idto3d_protocols.schema import Protocol


@dataclass(frozen=True)
class Scored:
    """What is known of a run once it is scored.

    Attributes:
        protocol: of the run.
        scores: rows of `scores.parquet`, scanned and not read.
        measured: one mean an identity of every method and metric, of these rows.
        store: the run's folder.
    """

    protocol: Protocol
    scores: polars.LazyFrame
    measured: Measured
    store: Store
