"""One run's folder, opened for looking at: its summary, means by identity, and rows as they are asked for.

What was read is kept as long as the file is the same (name, size, time of change). A run that cannot be shown
is a sentence that says why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit

from idto3d.errors import UserError
from idto3d_dashboard.reading.files import Stamp, stamp
from idto3d_eval.run_folder import BY_IDENTITY, PEOPLE, PROTOCOL_FILE, SCORES, SUMMARY, SUMMARY_SCHEMA
from idto3d_eval.score_file import damage_told, scan_scores
from idto3d_eval.summary_file import load_summary
from idto3d_protocols.schema import Protocol

if TYPE_CHECKING:
    import polars

KEPT = 8  # runs whose summaries are held at once


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: where it lies.
        summary: as `summary.json` holds it.
        protocol: that it was made by.
    """

    folder: Path
    summary: Mapping[str, Any]
    protocol: Protocol

    @property
    def name(self) -> str:
        """The folder's name, which readers know it by."""
        return self.folder.name

    @property
    def labels(self) -> tuple[str, ...]:
        """All rows of the table, in its order."""
        return tuple(row["label"] for row in self.summary["rows"])

    @property
    def identities(self) -> tuple[str, ...]:
        """All people."""
        return tuple(self.summary["protocol"]["population"]["identities"])

    @property
    def expressions(self) -> tuple[str, ...]:
        """All expressions that were asked for."""
        return tuple(self.summary["protocol"]["expressions"])

    @cached_property
    def metrics(self) -> Mapping[str, Mapping[str, Any]]:
        """Name -> the card of each metric that is shown, the headline first."""
        return {metric["name"]: metric for metric in self.summary["metrics"]}

    def row(self, label: str) -> Mapping[str, Any]:
        """A row of the table.

        Raises:
            KeyError: there is no such row.
        """
        return next(row for row in self.summary["rows"] if row["label"] == label)

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Group such as "sex: female" -> its people; empty where nothing is known of them."""
        found: dict[str, list[str]] = {}
        for person in _json(self.folder / PEOPLE, {}).get("people", ()):
            for name, group in person["groups"].items():
                found.setdefault(f"{name}: {group}", []).append(person["identity"])
        return {name: tuple(people) for name, people in sorted(found.items())}

    def by_identity(self) -> polars.LazyFrame:
        """One mean an identity: method, metric, identity, mean, valid, total."""
        import polars

        path = self.folder / BY_IDENTITY
        if path.is_file():
            return polars.scan_parquet(path)
        return _measured(stamp(self.folder / SCORES)).lazy()

    def scores(self) -> polars.LazyFrame:
        """All rows of `scores.parquet`, scanned and not read."""
        import polars

        return polars.scan_parquet(self.folder / SCORES)

    def made_of(self, label: str) -> str:
        """The row whose heads a row scores: its own but for a row that is scored a second time."""
        return str(self.row(label).get("heads_of", label))

    def made_from(self, heads_of: str, labels: Sequence[str]) -> bool:
        """Whether any of some rows scores the heads of a row."""
        return any(self.made_of(label) == heads_of for label in labels)


def open_run(folder: Path) -> Run:
    """A run that can be shown.

    Raises:
        UserError: it is empty, half finished, damaged, or of another version.
    """
    path = folder / SUMMARY
    if not (folder / PROTOCOL_FILE).is_file():
        raise UserError(
            f"Found no run in {folder.name}, expected its {PROTOCOL_FILE}; run its protocol first."
        )
    if not path.is_file() or not (folder / SCORES).is_file():
        raise UserError(
            f"Found {folder.name} not finished: {_progress(folder)}; give the same idto3d-eval run command "
            "again, and it goes on from there."
        )
    return Run(folder, *_opened(str(folder), stamp(path), stamp(folder / PROTOCOL_FILE)))


@streamlit.cache_resource(max_entries=KEPT, show_spinner=False)
def _opened(folder: str, *stamps: Stamp) -> tuple[Mapping[str, Any], Protocol]:
    del stamps  # a part of the key alone: other files, read anew
    root = Path(folder)
    summary = load_summary(root / SUMMARY)
    if summary.get("schema_version") != SUMMARY_SCHEMA:
        raise UserError(
            f"Found a summary of version {summary.get('schema_version')!r:.20} in {root.name}, expected "
            f"{SUMMARY_SCHEMA}; run its protocol again, and what is finished stays."
        )
    if not summary.get("metrics") or not summary.get("rows"):
        raise UserError(f"Found no figures in {root.name} yet; idto3d-eval report {root.name} computes them.")
    try:
        protocol = Protocol.model_validate_json((root / PROTOCOL_FILE).read_bytes(), strict=True)
    except (OSError, ValueError):
        raise UserError(
            f"Found a protocol in {root.name} that this version cannot read; run its protocol again."
        ) from None
    return summary, protocol


@streamlit.cache_resource(max_entries=KEPT, show_spinner="Means by identity …")
def _measured(scores: Stamp) -> polars.DataFrame:
    from idto3d_eval.identity_table import as_table, measure

    path = Path(scores[0])
    with damage_told(path):
        return as_table(measure(scan_scores(path)))


def _json(path: Path, otherwise: Any) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return otherwise


def _progress(folder: Path) -> str:
    done = sum(1 for _ in (folder / "index").rglob("*.json")) if (folder / "index").is_dir() else 0
    return f"{done} jobs are done so far"
