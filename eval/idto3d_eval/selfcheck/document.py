"""The page of all metrics, `metrics.md`, and a drawing of each one's curves: from the cards and a record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from idto3d.whole_file import write_whole
from idto3d_eval.metrics import METRICS, MetricCard
from idto3d_eval.scene import standalone_svg
from idto3d_eval.selfcheck.check import Graded
from idto3d_eval.selfcheck.curves import draw_curves
from idto3d_eval.selfcheck.record import Record, read_records, shipped_file
from idto3d_eval.selfcheck.shown import known_line

PAGE, FOLDER = "metrics.md", "metrics"
RENEW = "idto3d-eval metrics selfcheck --ship --docs docs"
_OPENING = f"""# Metrics

What each figure of a report is, in which unit, and how it misleads; then what the self-check found of it.
This page is written by `idto3d-eval metrics document`, from the cards in `eval/idto3d_eval/metrics/` and the
record in `eval/idto3d_eval/selfcheck.json`; `{RENEW}` checks all metrics again and renews both.

A self-check holds each metric to cases whose answer is known (a truth against itself, a closed form, what
must not matter: rigid motion, triangulation, order, batch size) and to damage that grows, under which it must
go one way, step by step: true heads of validation people are drawn, damaged, read by the networks that score
and scored as a run's heads are. **A metric that fails is not reported.** One whose code or network changed
since its check is reported with that mark. `idto3d-eval metrics show NAME` shows the same with the weights'
sha256.
"""


def write_document(folder: Path, record: Path | None = None) -> list[Path]:
    """Write the page and its drawings.

    Args:
        folder: of the documentation; drawings go into `metrics/` in it.
        record: of checks; the shipped one where None.

    Returns:
        The files that were written.
    """
    files = document(read_records(record or shipped_file()))
    for name, text in files.items():
        write_whole(folder / name, text)
    return [folder / name for name in files]


def document(records: Mapping[str, Record]) -> dict[str, str]:
    """The page and its drawings as text, by path below the documentation's folder."""
    pages = [_OPENING, _index(records)]
    files: dict[str, str] = {}
    for family, cards in groupby(METRICS.values(), key=lambda card: card.family):
        pages.append(f"## {family.capitalize()}\n")
        for card in cards:
            record = records.get(card.name)
            curves = [] if record is None else [each for each in record.checks if isinstance(each, Graded)]
            drawing = f"{FOLDER}/{card.name}.svg" if curves else ""
            if drawing:
                files[drawing] = standalone_svg(draw_curves(card.name, curves))
            pages.append(_section(card, record, drawing))
    return {PAGE: "\n".join(pages).rstrip() + "\n", **files}


def _index(records: Mapping[str, Record]) -> str:
    lines = [
        "| metric | family | unit | range | better | one row is | self-check |",
        "|---|---|---|---|---|---|---|",
    ]
    for card in METRICS.values():
        lines.append(
            f"| [`{card.name}`](#{_anchor(card)}) | {card.family} | {card.unit} | {range_of(card)} | "
            f"{card.better} | {card.level} | {_verdict(records.get(card.name))} |"
        )
    return "\n".join(lines) + "\n"


def _section(card: MetricCard, record: Record | None, drawing: str) -> str:
    networks = ", ".join(f"`{name}`" for name in card.networks) or "none"
    lines = [
        f"### {card.title}: `{card.name}`\n",
        f"{card.definition}\n",
        f"- Unit {card.unit}; range {range_of(card)}; better: {card.better}; one row a {card.level}; "
        f"a method's figure is the {card.statistic.replace('_', ' ')}.",
        f"- Source: {card.source}",
        f"- Preprocessing: {card.preprocessing}",
        f"- Networks: {networks}.",
        *(f"- Misleads: {mode}" for mode in card.failure_modes),
    ]
    if record is None:
        return "\n".join([*lines, "- Self-check: none yet.\n"])
    curves = sum(isinstance(each, Graded) for each in record.checks)
    found = f"{_verdict(record)} on {record.date}: {known_line(list(record.checks))}, {curves} curves."
    lines.append(f"- Self-check: {found}" + (f" {record.why}" if record.why else ""))
    if drawing:
        lines.append(f"\n![{card.title} under graded damage]({drawing})")
    return "\n".join(lines) + "\n"


def _verdict(record: Record | None) -> str:
    return "none" if record is None else "passed" if record.passed else "**failed**"


def range_of(card: MetricCard) -> str:
    """Its least and its largest value, in words."""
    if math.isinf(card.high):
        return "unbounded" if math.isinf(card.low) else f"{card.low:g} or more"
    return f"{card.low:.3g} to {card.high:.3g}"


def _anchor(card: MetricCard) -> str:
    """GitHub's anchor of a metric's heading."""
    kept = "".join(sign for sign in f"{card.title}: {card.name}".lower() if sign.isalnum() or sign in " -_")
    return kept.replace(" ", "-")
