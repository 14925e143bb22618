"""The pages, by group. Each is a module with a title, its place in the address and `show(choice, sheet)`,
which only arranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType

from idto3d_dashboard.pages import (
    efficiency,
    expressions,
    failures,
    generalisation,
    geometry,
    identity,
    metric_cards,
    overview,
    preferences,
    provenance,
    stability,
)

GROUPS: Mapping[str, Sequence[ModuleType]] = {
    "Result": [overview, failures, preferences],
    "Heads": [identity, expressions],
    "Measured": [geometry, generalisation, stability, efficiency],
    "Behind it": [metric_cards, provenance],
}
OF_ONE_PERSON = frozenset({identity, expressions, geometry})
"""Pages that show a single person, of which a bundle has one a person."""
