"""How rows and fields are printed: a table on a terminal, JSON for a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import TaskID

PIPE_WIDTH = 200  # columns where the output is no terminal and a narrow table would break words


def print_rows(rows: Sequence[Mapping[str, str]], as_json: bool = False) -> None:
    """Print rows that share their columns."""
    if as_json:
        print(json.dumps(list(map(dict, rows)), indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in rows[0] if rows else ():
        table.add_column(column)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row.values()))
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
    console.print(table if rows else "There is none.")


def print_fields(fields: Mapping[str, Any] | str, as_json: bool = False) -> None:
    """Print one thing's fields, or a text as it is."""
    if isinstance(fields, str):
        print(json.dumps(fields) if as_json else fields.rstrip())
        return
    if as_json:
        print(json.dumps(dict(fields), indent=2, ensure_ascii=False, default=str))
        return
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        for index, line in enumerate(_lines(value)):
            print(f"{name if index == 0 else '':<{width}}  {line}".rstrip())


def print_report(
    folder: Path, kind: str | None = None, metrics: Sequence[str] | None = None, markdown: bool = False
) -> None:
    """Print a finished run's table and its report's path, or one table in a format, or the whole as Markdown.

    Figures are computed anew from `scores.parquet` only where they do not follow from it and from today's
    code; stderr then says so.

    Raises:
        UserError: the folder holds no finished run; a format or a metric that there is not.
    """
    from rich.console import Console

    from idto3d_eval.results import refresh
    from idto3d_eval.store import Store
    from idto3d_eval.table_files import one_table
    from idto3d_eval.terminal import ResultTable

    store = Store(folder)
    summary, why = refresh(store)
    if why:
        print(f"Figures computed anew from the rows, since {why}.", file=sys.stderr)
    if markdown:
        print((folder / "report.md").read_text(encoding="utf-8").rstrip())
        return
    if kind is not None or metrics is not None:
        text, path = one_table(store, summary, kind or "markdown", metrics)
        print(text.rstrip())
        print(f"Written to {path}", file=sys.stderr)
        return
    Console().print(ResultTable(summary))
    print(f"Report: {folder / 'report.html'}")


@contextmanager
def drawing_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr while pictures are drawn, gone once a set is done; yields what moves it."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)
            if done >= total:
                bar.remove_task(tasks.pop(what))

        yield advance


def _lines(value: Any) -> list[str]:
    """A value as the lines that stand beside its name."""
    if isinstance(value, Mapping):
        return [f"{key}: {_inline(item)}" for key, item in value.items()] or ["none"]
    if isinstance(value, list | tuple):
        return [_inline(item) for item in value] or ["none"]
    return [_inline(value)]


def _inline(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
