"""What is behind each figure of the report: values by identity, expression and view, then each head with its
photos, views and meshes, and each metric's card. Files are linked relative to the run's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from idto3d_eval.card_text import card_facts
from idto3d_eval.figures_text import NONE, number
from idto3d_eval.identity_table import Column, Measured
from idto3d_eval.metrics import METRICS
from idto3d_eval.report_heads import breakable, head_place
from idto3d_eval.report_tables import card_place, figure_place, table
from idto3d_eval.table_text import details, why_not
from idto3d_eval.tables import ROWS_FILE

if TYPE_CHECKING:
    from pathlib import Path

    import polars

    from idto3d_protocols.schema import Protocol

Entry = Mapping[str, Any]
Place = tuple[str, str, int, str, str]  # method, identity, seed, expression, view
MANY_PEOPLE = 40  # above, a figure shows its lowest and highest identities instead of all
MANY_HEADS = 400  # above, heads have no place of their own
MANY_ROWS = 500_000  # above, rows are not read a second time for expressions and views
_ENDS = 5
_FACTS = (
    "figure",
    "interval",
    "n",
    "why not",
    "worst and best case",
    "rank",
    "to the best",
    "effect",
    "p (Holm)",
)


def figures_behind(summary: Entry, measured: Measured, scores: polars.LazyFrame) -> str:
    """A folded place a method row, with a line a figure."""
    small = _count(scores) <= MANY_ROWS
    parts = []
    for row in summary["rows"]:
        metrics = [metric for metric in summary["metrics"] if metric["name"] in row["cells"]]
        body = _by_identity(summary, row, metrics, measured)
        body += (
            _means(row, metrics, scores, "expression") + _means(row, metrics, scores, "view") if small else ""
        )
        files = _link(f"scores/{row['label']}/{ROWS_FILE}", "its score rows")
        parts.append(
            f"<details><summary>{breakable(row['label'])}</summary>{body}<p class='faint'>As files: {files}, "
            f"{_link('scores.parquet')}, {_link('tables/', 'tables')}.</p></details>"
        )
    return "".join(parts)


def heads_behind(protocol: Protocol, summary: Entry, scores: polars.LazyFrame, root: Path) -> str:
    """A folded place a head: the photos it was made from, its views with what was read there, its meshes.

    Args:
        protocol: of the run.
        summary: as `summary.json` holds it.
        scores: rows of `scores.parquet`, scanned.
        root: the run's folder.
    """
    rows = [row for row in summary["rows"] if row.get("heads_of", row["label"]) == row["label"]]
    count = len(rows) * len(protocol.population.identities) * len(protocol.seeds)
    if count > MANY_HEADS or _count(scores) > MANY_ROWS:
        return (
            f"<p>{count:,} heads are too many to list here. Each has its files in the run's folder: "
            "<code>heads/ROW/IDENTITY/seed-N/EXPRESSION.glb</code>, "
            "<code>views/ROW/IDENTITY/seed-N/EXPRESSION/VIEW.png</code>, <code>identities/IDENTITY/</code>; "
            "<code>scores.parquet</code> has what was measured of them.</p>"
        )
    values = _view_values(scores)
    parts = []
    for row in rows:
        places = "".join(
            _head(protocol, row, identity, values, root) for identity in protocol.population.identities
        )
        parts.append(f"<details><summary>{breakable(row['label'])}</summary>{places}</details>")
    return "".join(parts)


def cards(summary: Entry) -> str:
    """Every metric's card."""
    hashes: Mapping[str, str] = summary["provenance"]["weights_sha256"]
    parts = []
    for metric in summary["metrics"]:
        facts = card_facts(metric, hashes)
        terms = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
        parts.append(
            f"<details><summary>{escape(metric['title'])} <small>{escape(metric['family'])}</small></summary>"
            f'<dl id="{card_place(metric["name"])}">{terms}</dl></details>'
        )
    return "".join(parts)


def _by_identity(summary: Entry, row: Entry, metrics: Sequence[Entry], measured: Measured) -> str:
    people = tuple(summary["protocol"]["population"]["identities"])
    few = len(people) <= MANY_PEOPLE
    own = row.get("heads_of", row["label"])
    heads = [f'<a href="#{head_place(own, name)}">{escape(name)}</a>' for name in people]
    lines = []
    for metric in metrics:
        cell, unit, name = row["cells"][metric["name"]], metric["unit"], metric["name"]
        column = measured.get(row["label"], name)
        told = [escape(text) for text in details(cell, unit)]
        told[3] = (
            f'<span title="{escape(why_not(cell, most=20))}">{_shortened(told[3])}</span>' if told[3] else ""
        )
        found = (
            [number(value, unit) for value in column.on(people).tolist()] if few else [_ends(column, unit)]
        )
        lines.append((metric, [*told[:3], *found, *told[3:]]))
    titles = [*_FACTS[:3], *(heads if few else ["lowest and highest identities"]), *_FACTS[3:]]
    shown = [at for at in range(len(titles)) if any(cells[at] not in {"", NONE} for _, cells in lines)]
    body = "".join(_line(row["label"], metric, [cells[at] for at in shown]) for metric, cells in lines)
    top = "".join(f"<th>{title}</th>" for title in ["metric", *(titles[at] for at in shown)])
    return f'<div class="scroll tight"><table><tr>{top}</tr>{body}</table></div>'


def _line(label: str, metric: Entry, cells: Sequence[str]) -> str:
    title = f'<a href="#{card_place(metric["name"])}">{escape(metric["title"])}</a>'
    told = "".join(f"<td>{text}</td>" for text in (title, *cells))
    return f'<tr id="{figure_place(label, metric["name"])}">{told}</tr>'


def _means(row: Entry, metrics: Sequence[Entry], scores: polars.LazyFrame, by: str) -> str:
    """Means over identities of the rows that have an expression, or a view."""
    import polars

    own = scores.filter((polars.col("method") == row["label"]) & (polars.col(by) != ""))
    finite = own.filter(polars.col("value").is_finite())
    each = finite.group_by("metric", by, "identity").agg(polars.col("value").sort().mean())
    means = each.sort("identity").group_by("metric", by, maintain_order=True).agg(polars.col("value").mean())
    found = {(metric, place): value for metric, place, value in means.collect().iter_rows()}
    places = sorted({place for _, place in found})
    shown = [metric for metric in metrics if any((metric["name"], place) in found for place in places)]
    if len(places) < 2 or not shown:
        return ""
    body = [
        [
            escape(metric["title"]),
            *(number(found.get((metric["name"], place)), metric["unit"]) for place in places),
        ]
        for metric in shown
    ]
    return (
        f'<h4>By {by}</h4><div class="tight">{table([f"mean by {by}", *map(escape, places)], body, 1)}</div>'
    )


def _view_values(scores: polars.LazyFrame) -> dict[Place, dict[str, float]]:
    """(Method, identity, seed, expression, view) -> metric -> what was measured there."""
    import polars

    asked = scores.filter(polars.col("expression") != "")
    each = asked.group_by("method", "identity", "seed", "expression", "view").agg("metric", "value")
    return {
        tuple(key): dict(zip(metrics, values, strict=True))
        for *key, metrics, values in each.collect().iter_rows()
    }


def _head(
    protocol: Protocol, row: Entry, identity: str, values: Mapping[Place, Mapping[str, float]], root: Path
) -> str:
    label, parts = row["label"], []
    views = [view.name for view in protocol.views]
    for seed in protocol.seeds:
        place = f"{label}/{identity}/seed-{seed}"
        meshes = ", ".join(_link(f"heads/{place}/{name}.glb", f"{name}.glb") for name in protocol.expressions)
        whole, seen = (
            {
                (expression, view): values.get((label, identity, seed, expression, view), {})
                for expression in protocol.expressions
                for view in kind
            }
            for kind in ([""], views)
        )
        of_heads, in_views = (
            sorted(name for name in set().union(*own.values()) if name in row["cells"])
            for own in (whole, seen)
        )
        folder = quote(f"views/{place}")
        lines = [
            [
                escape(expression),
                *(
                    _view(f"{folder}/{quote(f'{expression}/{view}.png')}", seen[expression, view], in_views)
                    for view in views
                ),
            ]
            for expression in protocol.expressions
        ]
        heads = [f"seed {seed}", *map(escape, views)]
        figures = [
            [
                _card(name),
                *(number(whole[expression, ""].get(name), "1") for expression in protocol.expressions),
            ]
            for name in of_heads
        ]
        told = f"<p class='faint'>In each view: {', '.join(map(_card, in_views))}.</p>" if in_views else ""
        told += table(["whole head", *map(escape, protocol.expressions)], figures, 1) if figures else ""
        log = _link(f"logs/heads/{place}.log", "log")
        parts.append(f"{table(heads, lines, 1)}{told}<p class='faint'>Meshes: {meshes}; {log}.</p>")
    given = protocol.conditioning_identity(protocol.row(label), identity)
    photos = _photos(root, f"identities/{given}/conditioning", "photos that it was made from")
    photos += _photos(root, f"identities/{identity}/scoring", "photos that it is scored by")
    body = f'<div class="views tight" id="{head_place(label, identity)}">{photos}{"".join(parts)}</div>'
    return f"<details><summary>{escape(identity)}</summary>{body}</details>"


def _photos(root: Path, folder: str, what: str) -> str:
    """Photos side by side, loaded when they are seen."""
    names = sorted(path.name for path in (root / folder).glob("*"))
    shown = "".join(f'<img loading="lazy" alt="" src="{quote(f"{folder}/{name}")}">' for name in names)
    return f'<p class="faint">{what}: {_link(folder + "/")}</p><div class="row">{shown}</div>'


def _view(path: str, values: Mapping[str, float], names: Sequence[str]) -> str:
    told = "<br>".join(number(values.get(name), "1") for name in names)
    return f'<img loading="lazy" alt="" src="{path}"><small>{told}</small>'


def _card(name: str) -> str:
    title = METRICS[name].title if name in METRICS else name
    return f'<a href="#{card_place(name)}">{escape(title)}</a>'


def _ends(column: Column, unit: str) -> str:
    known = sorted(
        (value, name) for name, value in column.by_identity().items() if value == value and name != ""
    )
    if not known:
        return NONE
    low, high = known[:_ENDS], known[-_ENDS:]
    return (
        "<small>"
        + " … ".join(
            ", ".join(f"{escape(name)} {number(value, unit)}" for value, name in end) for end in (low, high)
        )
        + "</small>"
    )


def _link(path: str, text: str = "") -> str:
    return f'<a href="{quote(path)}">{escape(text or path)}</a>'


def _shortened(text: str, most: int = 44) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _count(scores: polars.LazyFrame) -> int:
    import polars

    return int(scores.select(polars.len()).collect().item())
