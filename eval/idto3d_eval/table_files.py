"""The tables of a run in its folder: the headline and each family of metrics, in every format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from idto3d.errors import UserError
from idto3d_eval.store import Store
from idto3d_eval.table_formats import FORMATS
from idto3d_eval.table_of import family_tables, table_of

FOLDER = "tables"


def write_tables(store: Store, summary: Mapping[str, Any]) -> list[Path]:
    """Writes `tables/NAME.tex`, `.md`, `.csv` and `.json` of the headline and of each family."""
    return [
        store.write(f"{FOLDER}/{table.name}{ending}", write(table))
        for table in family_tables(summary)
        for ending, write in FORMATS.values()
    ]


def one_table(
    store: Store, summary: Mapping[str, Any], kind: str, metrics: Sequence[str] | None
) -> tuple[str, Path]:
    """A table of the headline, or of chosen metrics, in one format; written into the run's folder too.

    Returns:
        Its text, and where it lies.

    Raises:
        UserError: a format or a metric that there is not.
    """
    if kind not in FORMATS:
        raise UserError(f"Found the format {kind!r}, expected one of {', '.join(FORMATS)}.")
    ending, write = FORMATS[kind]
    table = table_of(summary, metrics)
    text = write(table)
    return text, store.write(f"{FOLDER}/{table.name}{ending}", text)
