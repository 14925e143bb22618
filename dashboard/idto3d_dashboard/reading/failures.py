"""What a run has no value for, why, and where its log and its picture lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars
import streamlit

from idto3d_dashboard.reading.files import inside
from idto3d_dashboard.reading.run import Run

LOG_BYTES = 20_000  # of a log's end
_ORDER, _FALLING = ("count", "method", "metric", "reason"), (True, False, False, False)


@dataclass(frozen=True)
class UnreadView:
    """A view in which some metric has no value."""

    label: str
    expression: str
    view: str
    seed: int
    reasons: tuple[str, ...]
    picture: Path | None


def reasons(run: Run, methods: Sequence[str], people: Sequence[str]) -> polars.DataFrame:
    """Method, metric, reason, and how many measurements lack a value for it; the most frequent first.

    Of everybody they stand in the summary already; of some people the rows are asked.
    """
    if set(people) == set(run.identities):
        lines = [
            (row["label"], metric, reason, count)
            for row in run.summary["rows"]
            if row["label"] in methods
            for metric, cell in row["cells"].items()
            for reason, count in _why_not(cell)
        ]
        schema = {"method": polars.String, "metric": polars.String, "reason": polars.String}
        table = polars.DataFrame(lines, {**schema, "count": polars.Int64}, orient="row")
        return table.sort(*_ORDER, descending=_FALLING)
    found = _missing(str(run.folder), run.summary["provenance"]["scores_sha256"], _run=run)
    asked = polars.col("method").is_in(list(methods)) & polars.col("identity").is_in(["", *people])
    return (
        found.filter(asked)
        .group_by("method", "metric", "reason")
        .agg(polars.col("count").sum())
        .sort(*_ORDER, descending=_FALLING)
    )


def _why_not(cell: Mapping[str, Any]) -> Sequence[tuple[str, int]]:
    """Reasons with their number; a figure of a whole method has one and no list of them."""
    if cell["why_not"] or cell["value"] is not None:
        return [(reason, count) for reason, count in cell["why_not"]]
    return [(cell["reason"], cell["total"] - cell["valid"])]


def views(run: Run, methods: Sequence[str], identity: str) -> list[UnreadView]:
    """The views of a person in which something has no value, in the order of the rows."""
    rows = (
        run.scores()
        .filter(
            polars.col("method").is_in(list(methods)),
            polars.col("identity") == identity,
            polars.col("view") != "",
            ~polars.col("value").is_finite().fill_null(False),
        )
        .group_by("method", "expression", "view", "seed", maintain_order=True)
        .agg(polars.col("reason").unique().sort())
        .collect()
    )
    found = []
    for label, expression, view, seed, why in rows.iter_rows():
        path = f"views/{run.made_of(label)}/{identity}/seed-{seed}/{expression}/{view}.png"
        found.append(UnreadView(label, expression, view, seed, tuple(why), inside(run.folder, path)))
    return found


def log_end(run: Run, job: str) -> str:
    """The end of a job's log; "" where it left none."""
    path = inside(run.folder, f"logs/{job}.log")
    if path is None:
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - LOG_BYTES))
        return log.read().decode(errors="replace").strip()


@streamlit.cache_data(max_entries=8, show_spinner="What has no value …")
def _missing(folder: str, scores_sha256: str, _run: Run) -> polars.DataFrame:
    """Method, metric, identity, reason and count, of the whole run: one scan, kept."""
    del folder, scores_sha256  # parts of the key alone: other scores, scanned anew
    return (
        _run.scores()
        .filter(~polars.col("value").is_finite().fill_null(False))
        .group_by("method", "metric", "identity", "reason")
        .agg(polars.len().alias("count"))
        .collect(engine="streaming")
    )
