"""What has no value: reasons as a table, and views in which nothing could be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars

    from idto3d_dashboard.reading.failures import UnreadView
    from idto3d_dashboard.sheet import Sheet

MOST_VIEWS = 24


def titled(counted: polars.DataFrame, metrics: Mapping[str, Mapping[str, Any]]) -> polars.DataFrame:
    """Reasons, with each metric by its title."""
    import polars

    titles = {name: metric["title"] for name, metric in metrics.items()}
    return counted.with_columns(polars.col("metric").replace(titles))


def put_view(sheet: Sheet, view: UnreadView) -> None:
    """A view with whose it is and why it has no value."""
    told = f"{view.label}, {view.expression}, {view.view}, seed {view.seed}: {'; '.join(view.reasons)}"
    if view.picture is None:
        sheet.note(f"No picture. {told}")
        return
    sheet.picture(view.picture, told)
