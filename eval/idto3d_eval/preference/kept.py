"""The analysis of a study as its run keeps it, for the run's report and dashboard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from idto3d_eval.preference.study import PREFERENCES

SCHEMA_VERSION = 1


def read_preferences(run: Path) -> dict[str, Any] | None:
    """What people prefer of a run; None where no study of it was analysed, or by another version."""
    try:
        found = json.loads((run / PREFERENCES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("schema_version") == SCHEMA_VERSION else None
