"""Two runs beside each other, kept as long as neither file changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit

from idto3d_dashboard.reading.files import Stamp, stamp
from idto3d_eval.run_folder import SCORES

if TYPE_CHECKING:
    from idto3d_eval.compare import Compared


def compare(first: Path, second: Path) -> Compared:
    """What differs between two runs.

    Raises:
        UserError: they cannot be compared: other protocols, versions or rows.
    """
    stamps = (stamp(first / SCORES), stamp(second / SCORES))
    return _compared(str(first), str(second), stamps)


@streamlit.cache_resource(max_entries=8, show_spinner="Pairing the two runs …")
def _compared(first: str, second: str, stamps: tuple[Stamp, ...]) -> Compared:
    from idto3d_eval.compare import compare_runs

    del stamps  # a part of the key alone: other scores, compared anew
    return compare_runs(Path(first), Path(second))
