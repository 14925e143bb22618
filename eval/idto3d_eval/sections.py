"""Sections that a report has beside its tables, given as plain data, and who gives them.

A section is `{title, note, columns, rows}`: rows are lists of texts and numbers, a column each; `units` may
name a unit for each column. A curve is `{title, x, y, series}`: `series` names lists of [x, y] points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from idto3d_eval.cost_sections import cost_sections, stability_sections
from idto3d_eval.geometry_curves import now_curves
from idto3d_eval.identity_sections import breakdown_sections, true_head_sections, yaw_curves
from idto3d_eval.preference_sections import preference_sections
from idto3d_eval.protocol_sections import protocol_sections
from idto3d_eval.scored import Scored

Section = Mapping[str, Any]
Giver = Callable[[Scored], Sequence[Section]]

# Each returns what it has to show for a run, or an empty list.
SECTIONS: tuple[Giver, ...] = (
    preference_sections,
    true_head_sections,
    breakdown_sections,
    protocol_sections,
    stability_sections,
    cost_sections,
)
CURVES: tuple[Giver, ...] = (yaw_curves, now_curves)


def added(scored: Scored) -> dict[str, list[Section]]:
    """All sections and curves of a run.

    Raises:
        ValueError: a section or a curve that is not of the form that this module's first lines say.
    """
    found = {
        "sections": [one for give in SECTIONS for one in give(scored)],
        "curves": [one for give in CURVES for one in give(scored)],
    }
    for section in found["sections"]:
        _require(section, "title", "note", "columns", "rows")
        if any(len(row) != len(section["columns"]) for row in section["rows"]):
            raise ValueError(
                f"Found rows of another length than the {len(section['columns'])} columns in the section "
                f"{section['title']!r}, expected one cell a column."
            )
    for curve in found["curves"]:
        _require(curve, "title", "x", "y", "series")
    return found


def _require(section: Section, *names: str) -> None:
    lacking = [name for name in names if name not in section]
    if lacking:
        raise ValueError(f"Found a section without {lacking[0]!r}, expected {', '.join(names)} in each.")
