"""A table of people down and methods across, in which ticking a row chooses that person."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit

if TYPE_CHECKING:
    import polars


def people_table(table: polars.DataFrame, now: str, name: str, choose: Callable[[str], None]) -> None:
    """The table; the chosen person's row comes first.

    Args:
        table: first column the person, then a column a method; null where there is no value.
        now: the person that is chosen.
        name: of the table, unique on the page.
        choose: called with the person whose row is ticked.
    """
    people = table.columns[0]
    ordered = table.filter(table[people] == now).vstack(table.filter(table[people] != now))
    key = f"{name}-{now}"  # another person, another table: no row of it is ticked

    def ticked() -> None:
        rows = streamlit.session_state[key]["selection"]["rows"]
        if rows:
            choose(str(ordered[people][rows[0]]))

    streamlit.dataframe(
        ordered,
        key=key,
        hide_index=True,
        on_select=ticked,
        selection_mode="single-row",
        column_config={
            column: streamlit.column_config.NumberColumn(format="%.3f") for column in table.columns[1:]
        },
        placeholder="–",
    )
