"""Whether a run's score table can be read: of the columns that runs write, bounded; if not, one sentence.

Parquet packs equal rows into almost nothing, so the number of rows is looked at before any is read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from idto3d.errors import UserError

if TYPE_CHECKING:
    import polars

MAX_ROWS = 20_000_000  # 500 people, ten methods, 13 expressions and seven views are half of it
MAX_BYTES = 2 * 2**30
TEXTS = ("protocol", "method", "identity", "expression", "view", "metric", "reason")
NAMES = ("method", "identity", "metric")  # what every row says


def scan_scores(path: Path) -> polars.LazyFrame:
    """The rows of a `scores.parquet`, scanned after its form was found to be that of a run's.

    Raises:
        UserError: it is damaged, too long, or of other columns or types.
    """
    import polars

    if not 0 < (size := path.stat().st_size if path.is_file() else 0) <= MAX_BYTES:
        raise _refused(path, f"{size} bytes")
    with damage_told(path):
        lazy = polars.scan_parquet(path)
        schema = lazy.collect_schema()
        for name in (*TEXTS, "seed", "value"):
            if name not in schema:
                raise _refused(path, f"no column {name}")
            if not _fits(name, schema[name]):
                raise _refused(path, f"the column {name} of type {schema[name]}")
        rows = int(lazy.select(polars.len()).collect().item())
        if rows > MAX_ROWS:
            raise _refused(path, f"{rows} rows")
        unnamed = lazy.select(polars.col(NAMES).null_count()).collect(engine="streaming")
        if any(unnamed.row(0)):
            raise _refused(path, "rows without a method, an identity or a metric")
    return lazy


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Tells in one sentence what polars finds wrong in a file while it is read.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        yield
    except BaseException as error:  # a panic of polars is no Exception
        if not _of_polars(error):
            raise
        told = " ".join(str(error).split())[:160].rstrip(".") or type(error).__name__
        raise UserError(
            f"Found a damaged table at {path} ({told}), expected it as its run wrote it; run its protocol "
            "again, and what is finished stays."
        ) from None


def _of_polars(error: BaseException) -> bool:
    """Without importing polars, which a page that reads no table should not wait for."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(
        error, (polars.exceptions.PolarsError, polars.exceptions.PanicException)
    )


def _fits(name: str, kind: polars.DataType) -> bool:
    import polars

    if name == "value":
        return kind.is_float()
    return kind.is_integer() if name == "seed" else kind in (polars.String, polars.Categorical, polars.Enum)


def _refused(path: Path, found: str) -> UserError:
    return UserError(
        f"Found {found} in {path}, expected the rows that a run writes, at most {MAX_ROWS}; run its protocol "
        "again, and what is finished stays."
    )
