"""The pages, by group. Each is a module with a title, its place in the address, an icon and `show(choice)`,
which only arranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType

from idto3d_dashboard.pages import expressions, geometry, identity, overview

GROUPS: Mapping[str, Sequence[ModuleType]] = {
    "Result": [overview],
    "Heads": [identity, expressions],
    "Measured": [geometry],
}
