"""The report's pictures: each person's photos, and beside them the heads, methods × expressions."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from idto3d_eval.contact_sheet import PersonSheet, Strip, thumbnail

if TYPE_CHECKING:
    from pathlib import Path

_SPLIT_AFTER = 12  # people shown open; more are folded away
_HELD = 1600  # pictures that the page holds itself; more are loaded from the run's folder when they are seen
_MOST = 6000  # pictures that the page shows at all


def head_place(label: str, identity: str) -> str:
    """The id of the place where all that is behind a head stands."""
    return f"h-{label}-{identity}"


def people(sheets: Sequence[PersonSheet], expressions: Sequence[str], root: Path) -> str:
    """Every person's photos and heads; beyond the first twelve, folded away and loaded when they are opened.

    Args:
        sheets: a person each.
        expressions: the protocol's, in order.
        root: the run's folder, where the report will lie.
    """
    each = max(1, len(sheets[0].strips) * len(expressions)) if sheets else 1
    held, most = min(_SPLIT_AFTER, max(1, _HELD // each)), max(1, _MOST // each)
    left = len(sheets) - most
    pages = [
        _person(sheet, expressions, None if index < held else root)
        for index, sheet in enumerate(sheets[:most])
    ]
    shown, rest = "".join(pages[:_SPLIT_AFTER]), "".join(pages[_SPLIT_AFTER:])
    rest += (
        f"<p class='faint'>{left:,} more people are in contact_sheet.png.</p>" if left > 0 and rest else ""
    )
    more = f"Others: {len(sheets) - _SPLIT_AFTER}"
    folded = f"<details><summary>{more}</summary>{rest}</details>" if rest else ""
    return (
        f"<p class='faint'>First the photos that the heads were made from, then the heads.</p>{shown}{folded}"
    )


def _person(sheet: PersonSheet, expressions: Sequence[str], root: Path | None) -> str:
    """Photos on the left, methods in columns, expressions in rows."""
    photos = "".join(_picture(path, f"photo of {sheet.identity}", root) for path in sheet.photos)
    columns = f"grid-template-columns:minmax(52px,80px) repeat({len(sheet.strips)}, minmax(68px,132px))"
    top = "".join(f'<span class="top">{breakable(strip.label)}</span>' for strip in sheet.strips)
    rows = "".join(
        f'<span class="side">{escape(expression)}</span>'
        + "".join(_head(strip, index, sheet.identity, expression, root) for strip in sheet.strips)
        for index, expression in enumerate(expressions)
    )
    return (
        f'<div class="person"><h3>{escape(sheet.identity)}</h3><div class="sides">'
        f'<div class="photos">{photos}</div>'
        f'<div class="heads" style="{columns}"><span></span>{top}{rows}</div></div></div>'
    )


def _head(strip: Strip, index: int, identity: str, expression: str, root: Path | None) -> str:
    path = strip.images[index]
    if path is None:
        return f'<span class="none" title="{escape(strip.reason)}">{strip.absent}</span>'
    picture = _picture(path, f"{strip.label}, {identity}, {expression}", root)
    return f'<a href="#{head_place(strip.label, identity)}">{picture}</a>'


def _picture(path: Path, alt: str, root: Path | None) -> str:
    """A picture that the page holds, or with a root one that is loaded from beside it."""
    if root is not None:
        place = quote(path.relative_to(root).as_posix())
        return f'<img loading="lazy" alt="{escape(alt)}" title="{escape(alt)}" src="{place}">'
    data = base64.b64encode(thumbnail(path)).decode("ascii")
    return f'<img alt="{escape(alt)}" title="{escape(alt)}" src="data:image/jpeg;base64,{data}">'


def breakable(name: str) -> str:
    """A name that may wrap after its underscores."""
    return escape(name).replace("_", "_<wbr>")
