"""A page as plain HTML, where the first choice stands; looks of heads can still be changed there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from idto3d_dashboard.bundle.files import BundleFiles, plain_name
from idto3d_dashboard.drawing.tables import facts_table, html_table
from idto3d_dashboard.sheet import Facts, Shows
from idto3d_dashboard.viewer.heads import ShownHead, head_spec

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars

T = TypeVar("T")


class StillSheet:
    """A `Sheet` in a folder of plain files.

    Args:
        files: of the bundle.
        page: its name, which those of its charts and tables begin with.
        shows: what it may show.
    """

    live = False

    def __init__(self, files: BundleFiles, page: str, shows: Shows) -> None:
        self._files, self._page, self.shows = files, page, shows
        self._parts: list[str] = []
        self.scripts: list[str] = []  # that the page loads: its charts

    def body(self) -> str:
        """All that was written, as HTML."""
        return "".join(self._parts)

    def title(self, text: str) -> None:
        self._put(f"<h1>{escape(text)}</h1>")

    def heading(self, text: str) -> None:
        self._put(f"<h2>{escape(text)}</h2>")

    def text(self, text: str) -> None:
        self._put(f"<p>{escape(text)}</p>")

    def note(self, text: str) -> None:
        self._put(f'<p class="note">{escape(text)}</p>')

    def empty(self, sentence: str) -> None:
        self._put(f'<p class="empty">{escape(sentence)}</p>')

    def html(self, text: str) -> None:
        self._put(text)

    def code(self, text: str) -> None:
        self._put(f'<pre tabindex="0">{escape(text)}</pre>')

    def facts(self, facts: Facts) -> None:
        self._put(facts_table(facts))

    def table(self, data: polars.DataFrame, name: str) -> None:
        rows = [["–" if cell is None else escape(_told(cell)) for cell in row] for row in data.iter_rows()]
        texts = [at for at, kind in enumerate(data.dtypes) if not kind.is_numeric()]
        self._put(f'<div class="long">{html_table(data.columns, rows, texts)}</div>')
        self.download(data, name)

    def chart(self, figure: go.Figure, data: polars.DataFrame | None, name: str) -> None:
        known = f"{self._page}-{name}"
        self.scripts.append(self._files.chart(figure, known))
        told = escape(str(figure.layout.title.text or name))
        height = figure.layout.height or 360
        self._put(
            f'<div class="chart" role="img" aria-label="{told}" data-chart="{escape(known)}" '
            f'style="height:{height}px"></div>'
        )
        if data is not None:
            self.download(data, name)

    def download(self, data: polars.DataFrame, name: str) -> None:
        path = self._files.csv(data, f"{self._page}-{name}")
        self._put(f'<p class="download"><a href="{escape(path)}" download>CSV</a></p>')

    def picture(self, path: Path, told: str) -> None:
        if not self.shows.heads:
            self.note(told)
            return
        source = self._files.picture(path)
        self._put(
            f'<figure><img loading="lazy" src="{escape(source)}" alt="{escape(told)}">'
            f"<figcaption>{escape(told)}</figcaption></figure>"
        )

    def heads(
        self,
        heads: Sequence[ShownHead],
        name: str,
        *,
        look: str = "colour",
        weights: Mapping[str, float] | None = None,
    ) -> None:
        if not self.shows.heads:
            self.empty("Heads are left out here.")
            return
        spec = head_spec(heads, look=look, weights=weights, place=self._files.place)
        told = json.dumps(spec).replace("<", "\\u003c")
        self._put(
            f'<div class="heads" data-name="{escape(name)}">'
            f'<script type="application/json">{told}</script></div>'
        )

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
        del label, key, told, side_by_side
        return options[start]

    def share(self, label: str, key: str) -> float:
        del label, key
        return 1.0

    def alone(self, write: Callable[[], None]) -> None:
        write()

    def people(self, table: polars.DataFrame, now: str, name: str) -> None:
        del name
        of = self._page.split("-", 1)[0]
        lines = [
            [
                f'<a href="{of}-{plain_name(who)}.html">{escape(who)}</a>' if who != now else escape(who),
                *("–" if value is None else _told(value) for value in values),
            ]
            for who, *values in table.iter_rows()
        ]
        self._put(f'<div class="long">{html_table(table.columns, lines)}</div>')

    def places(self, count: int) -> Sequence[AbstractContextManager[Any]]:
        return [self._place() for _ in range(count)]

    def waiting(self, text: str) -> AbstractContextManager[Any]:
        del text
        return nullcontext()

    def _place(self) -> AbstractContextManager[Any]:
        """Whatever is written within stands here."""
        at = len(self._parts)
        self._parts.append("")

        @contextmanager
        def filled() -> Iterator[None]:
            around, self._parts = self._parts, []
            yield
            around[at] += "".join(self._parts)
            self._parts = around

        return filled()

    @contextmanager
    def folded(self, title: str) -> Iterator[None]:
        self._put(f"<details><summary>{escape(title)}</summary>")
        yield
        self._put("</details>")

    def columns(self, count: int) -> Sequence[AbstractContextManager[Any]]:
        """Parts that follow each other stand side by side where the page is wide enough."""
        return [_Column(self._put) for _ in range(count)]

    def _put(self, text: str) -> None:
        self._parts.append(text)


class _Column:
    """A part of the width, as often as it is entered."""

    def __init__(self, put: Callable[[str], None]) -> None:
        self._put = put

    def __enter__(self) -> None:
        self._put('<div class="column">')

    def __exit__(self, *error: object) -> None:
        self._put("</div>")


def _told(cell: Any) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
