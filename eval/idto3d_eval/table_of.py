"""A table of chosen metrics, before it is written in any format: figures, corrected over just these."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from idto3d.errors import UserError
from idto3d_eval.figures import ALPHA
from idto3d_eval.statistics import holm
from idto3d_eval.told_apart import sets

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class MetricTable:
    """Some metrics of a run, by the summary's own entries.

    Attributes:
        name: of its files, such as "headline".
        metrics: entries of the summary, in the order of the columns.
        rows: entries of the summary, in the order of the blocks.
        cells: (label, metric) -> figure, ties corrected by Holm over this table's metrics.
        sets: (block, metric) -> runs of methods in which no pair can be told apart, the best first.
        summary: where all of it is from.
    """

    name: str
    metrics: tuple[Entry, ...]
    rows: tuple[Entry, ...]
    cells: Mapping[tuple[str, str], Entry]
    sets: Mapping[tuple[str, str], tuple[tuple[str, ...], ...]]
    summary: Entry

    def by_block(self) -> list[tuple[str, str, list[Entry]]]:
        """Blocks that have rows: name, title, rows."""
        titles: Mapping[str, str] = self.summary["blocks"]
        found = [
            (name, title, [row for row in self.rows if row["block"] == name])
            for name, title in titles.items()
        ]
        return [entry for entry in found if entry[2]]

    @property
    def level(self) -> str:
        """The level of the intervals, such as "95%"."""
        return f"{self.summary['protocol']['statistics']['level']:.0%}"


def table_of(summary: Entry, names: Sequence[str] | None = None, name: str = "") -> MetricTable:
    """A table of some metrics.

    Args:
        summary: as `summary.json` holds it.
        names: of metrics; None for the headline.
        name: of the table; "headline" or "chosen" by default.

    Raises:
        UserError: a metric that the run does not have, or that failed its self-check.
    """
    known = {metric["name"]: metric for metric in summary["metrics"]}
    refused = {entry["metric"]: entry["reason"] for entry in summary.get("refused", ())}
    for asked in names or ():
        if asked in refused:
            raise UserError(
                f"Found {asked!r} among the metrics that failed their self-check ({refused[asked]}), "
                f"expected one that is reported: {', '.join(known)}."
            )
        if asked not in known:
            raise UserError(f"Found no metric called {asked!r} in this run, expected {', '.join(known)}.")
    chosen = names if names is not None else [key for key, metric in known.items() if metric["headline"]]
    cells = {
        (row["label"], key): row["cells"][key]
        for row in summary["rows"]
        for key in chosen
        if key in row["cells"]
    }
    return MetricTable(
        name or ("headline" if names is None else "chosen"),
        tuple(known[key] for key in chosen),
        tuple(summary["rows"]),
        _corrected(summary, chosen, cells),
        _sets(summary, chosen),
        summary,
    )


def family_tables(summary: Entry) -> list[MetricTable]:
    """The headline, then each family of metrics whole."""
    families: dict[str, list[str]] = {}
    for metric in summary["metrics"]:
        families.setdefault(metric["family"], []).append(metric["name"])
    return [table_of(summary), *(table_of(summary, names, family) for family, names in families.items())]


def _corrected(
    summary: Entry, chosen: Sequence[str], cells: Mapping[tuple[str, str], Entry]
) -> dict[tuple[str, str], Entry]:
    """The cells with p and ties by Holm over the metrics of this table, block by block."""
    found = dict(cells)
    for block in summary["blocks"]:
        labels = [row["label"] for row in summary["rows"] if row["block"] == block]
        tests = [
            (label, key)
            for key in chosen
            for label in labels
            if (label, key) in cells and cells[label, key].get("to_best")
        ]
        raw = [cells[test]["to_best"]["p"] for test in tests]
        adjusted = holm([math.nan if p is None else p for p in raw])
        tied = dict.fromkeys(chosen, False)
        for test, p in zip(tests, adjusted, strict=True):
            alike = not p < ALPHA
            tied[test[1]] |= alike
            found[test] = {**cells[test], "p_holm": None if math.isnan(p) else p, "tied": alike}
        for label in labels:
            for key in chosen:
                if (label, key) in found and found[label, key]["best"]:
                    found[label, key] = {**found[label, key], "tied": tied[key]}
    return found


def _sets(summary: Entry, chosen: Sequence[str]) -> dict[tuple[str, str], tuple[tuple[str, ...], ...]]:
    """What cannot be told apart: p of the pairs, times the number of metrics that are tested beside."""
    block_of = {row["label"]: row["block"] for row in summary["rows"]}
    asked = [pairs for pairs in summary.get("pairs", ()) if pairs["metric"] in chosen]
    found = {}
    for pairs in asked:
        order, block = pairs["order"], block_of[pairs["order"][0]]
        beside = sum(block_of[other["order"][0]] == block for other in asked)
        p = np.ones((len(order), len(order)))
        for at, row in enumerate(pairs["p"]):
            p[at, at + 1 :] = p[at + 1 :, at] = np.minimum(1.0, np.array(row, dtype=np.float64) * beside)
        runs = sets(range(len(order)), p, ALPHA)
        found[block, pairs["metric"]] = tuple(tuple(order[at] for at in run) for run in runs)
    return found
