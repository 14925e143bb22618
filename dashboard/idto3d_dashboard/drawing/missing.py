"""What has no value: reasons as a table, and views in which nothing could be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit

if TYPE_CHECKING:
    import polars

    from idto3d_dashboard.reading.failures import UnreadView

MOST_VIEWS = 24


def titled(counted: polars.DataFrame, metrics: Mapping[str, Mapping[str, Any]]) -> polars.DataFrame:
    """Reasons, with each metric by its title."""
    import polars

    titles = {name: metric["title"] for name, metric in metrics.items()}
    return counted.with_columns(polars.col("metric").replace(titles))


def put_view(view: UnreadView) -> None:
    """A view with whose it is and why it has no value."""
    told = f"{view.label}, {view.expression}, {view.view}, seed {view.seed}: {'; '.join(view.reasons)}"
    if view.picture is None:
        streamlit.caption(f"No picture. {told}")
        return
    streamlit.image(str(view.picture), caption=told, width="stretch", alt=told)
