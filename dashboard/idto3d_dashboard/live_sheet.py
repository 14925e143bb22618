"""A page that Streamlit shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit

from idto3d_dashboard import address
from idto3d_dashboard.drawing.people_table import people_table
from idto3d_dashboard.drawing.tables import facts_table
from idto3d_dashboard.sheet import Facts, Shows

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars

    from idto3d_dashboard.viewer import ShownHead

T = TypeVar("T")
MINUS_BAR = {"displaylogo": False, "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"]}


class LiveSheet:
    """A `Sheet` whose reader can choose."""

    live = True
    shows = Shows()

    def title(self, text: str) -> None:
        streamlit.title(text)

    def heading(self, text: str) -> None:
        streamlit.subheader(text)

    def text(self, text: str) -> None:
        streamlit.markdown(text)

    def note(self, text: str) -> None:
        streamlit.caption(text)

    def empty(self, sentence: str) -> None:
        streamlit.info(sentence, icon=":material/info:")

    def html(self, text: str) -> None:
        streamlit.html(text)

    def code(self, text: str) -> None:
        streamlit.code(text, language=None, wrap_lines=True)  # its colours of a language are too faint

    def facts(self, facts: Facts) -> None:
        streamlit.html(facts_table(facts))

    def table(self, data: polars.DataFrame, name: str) -> None:
        streamlit.dataframe(data, hide_index=True, key=f"table-{name}")
        self.download(data, name)

    def chart(self, figure: go.Figure, data: polars.DataFrame | None, name: str) -> None:
        streamlit.plotly_chart(figure, key=f"chart-{name}", config=MINUS_BAR)
        if data is not None:
            self.download(data, name)

    def download(self, data: polars.DataFrame, name: str) -> None:
        streamlit.download_button(
            "CSV",
            data=lambda: data.write_csv().encode(),
            file_name=f"{name}.csv",
            mime="text/csv",
            key=f"csv-{name}",
            on_click="ignore",
            type="tertiary",
            icon=":material/download:",
            help=f"The data of this chart or table: {name}.csv",
        )

    def picture(self, path: Path, told: str) -> None:
        streamlit.image(str(path), caption=told, width="stretch", alt=told)

    def heads(
        self,
        heads: Sequence[ShownHead],
        name: str,
        *,
        look: str = "colour",
        weights: Mapping[str, float] | None = None,
    ) -> None:
        from idto3d_dashboard.viewer import show_heads

        show_heads(heads, key=name, look=look, weights=weights)

    def choose(
        self,
        label: str,
        options: Sequence[T],
        key: str,
        *,
        told: Callable[[T], str] = str,
        start: int = 0,
        side_by_side: bool = False,
    ) -> T:
        address.begin(key, options, options[start])
        if side_by_side:
            given = streamlit.segmented_control(label, options, required=True, format_func=told, key=key)
        else:
            given = streamlit.selectbox(label, options, format_func=told, key=key)
        chosen = options[start] if given is None else given
        address.note(key, chosen, options[start])
        return chosen

    def share(self, label: str, key: str) -> float:
        address.begin_share(key)
        share = streamlit.slider(label, 0.0, 1.0, step=0.05, key=key)
        address.note(key, share, 1.0)
        return float(share)

    def alone(self, write: Callable[[], None]) -> None:
        streamlit.fragment(write)()

    def people(self, table: polars.DataFrame, now: str, name: str) -> None:
        streamlit.caption("Tick a row to look at that person.")
        people_table(table, now, name, _go_to)

    def places(self, count: int) -> Sequence[AbstractContextManager[Any]]:
        return [streamlit.container() for _ in range(count)]

    def waiting(self, text: str) -> AbstractContextManager[Any]:
        return streamlit.spinner(text)

    def folded(self, title: str) -> AbstractContextManager[Any]:
        return streamlit.expander(title)

    def columns(self, count: int) -> Sequence[AbstractContextManager[Any]]:
        return streamlit.columns(count)


def _go_to(person: str) -> None:
    """Choose a person, as if in the sidebar."""
    streamlit.session_state["identity"] = person
