"""What a page writes on. The same page is shown by Streamlit (`live_sheet`), where its reader chooses, and
written into a folder of plain HTML (`bundle`), where the first choice stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars

    from idto3d_dashboard.viewer.heads import ShownHead

T = TypeVar("T")
Facts = Sequence[tuple[str, Any]]


@dataclass(frozen=True)
class Shows:
    """What of people's faces a page may show.

    Attributes:
        photos: their photographs.
        heads: heads made from those, and pictures of these.
    """

    photos: bool = True
    heads: bool = True


class Sheet(Protocol):
    """A page, written from top to bottom."""

    live: bool  # whether a reader can choose
    shows: Shows

    def title(self, text: str) -> None:
        """The page's own title, once."""

    def heading(self, text: str) -> None:
        """A part's title."""

    def text(self, text: str) -> None:
        """A paragraph."""

    def note(self, text: str) -> None:
        """A paragraph in small letters."""

    def empty(self, sentence: str) -> None:
        """What stands where there is nothing to show: a sentence that says what to do."""

    def html(self, text: str) -> None:
        """HTML whose parts from outside are escaped already."""

    def code(self, text: str) -> None:
        """Text as it is."""

    def facts(self, facts: Facts) -> None:
        """Names and values, a line each."""

    def table(self, data: polars.DataFrame, name: str) -> None:
        """A long table, which scrolls and sorts where there is a reader."""

    def chart(self, figure: go.Figure, data: polars.DataFrame | None, name: str) -> None:
        """A chart, and its data to download below it.

        Args:
            figure: the chart.
            data: its rows; None where they are offered elsewhere.
            name: of the file, without its ending; unique on the page.
        """

    def download(self, data: polars.DataFrame, name: str) -> None:
        """A table to download as CSV."""

    def picture(self, path: Path, told: str) -> None:
        """A picture with what it shows."""

    def heads(
        self,
        heads: Sequence[ShownHead],
        name: str,
        *,
        look: str = "colour",
        weights: Mapping[str, float] | None = None,
    ) -> None:
        """Heads side by side in 3D, under one camera and one light."""

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
        """What the reader has chosen, the one at `start` until then; in the page's address under its key."""

    def share(self, label: str, key: str) -> float:
        """A share from 0 to 1 that the reader moves, 1 until then; in the page's address under its key."""

    def alone(self, write: Callable[[], None]) -> None:
        """A part that is written again alone when something is chosen in it."""

    def people(self, table: polars.DataFrame, now: str, name: str) -> None:
        """A table of people down and methods across, which leads from one person to another.

        Args:
            table: first column the person, then a column a method; null where there is no value.
            now: the person that is looked at.
            name: unique on the page.
        """

    def places(self, count: int) -> Sequence[AbstractContextManager[Any]]:
        """Parts below each other that may be filled in another order."""

    def waiting(self, text: str) -> AbstractContextManager[Any]:
        """Says what takes its time meanwhile."""

    def folded(self, title: str) -> AbstractContextManager[Any]:
        """A part that is closed until a reader opens it."""

    def columns(self, count: int) -> Sequence[AbstractContextManager[Any]]:
        """So many columns side by side, below each other on a phone."""


def put_all(sheet: Sheet, folded: Mapping[str, Facts]) -> None:
    """Facts under titles, each folded."""
    for title, facts in folded.items():
        with sheet.folded(title):
            sheet.facts(facts)


def in_columns(sheet: Sheet, count: int) -> Iterator[AbstractContextManager[Any]]:
    """Places without end, so many side by side; a row each, so that a phone has them in their order."""
    while True:
        yield from sheet.columns(count)
