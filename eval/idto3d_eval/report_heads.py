"""The report's pictures: each person's photos, and beside them the heads, methods × expressions."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from idto3d_eval.contact_sheet import PersonSheet, Strip, thumbnail

if TYPE_CHECKING:
    from pathlib import Path

_SPLIT_AFTER = 12  # people shown open; more are folded away


def people(sheets: Sequence[PersonSheet], expressions: Sequence[str]) -> str:
    """Every person's photos and heads; beyond the first twelve, folded away."""
    shown = "".join(_person(sheet, expressions) for sheet in sheets[:_SPLIT_AFTER])
    rest = "".join(_person(sheet, expressions) for sheet in sheets[_SPLIT_AFTER:])
    more = f"Others: {len(sheets) - _SPLIT_AFTER}"
    folded = f"<details><summary>{more}</summary>{rest}</details>" if rest else ""
    return (
        f"<p class='faint'>First the photos that the heads were made from, then the heads.</p>{shown}{folded}"
    )


def _person(sheet: PersonSheet, expressions: Sequence[str]) -> str:
    """Photos on the left, methods in columns, expressions in rows."""
    photos = "".join(_picture(path, f"photo of {sheet.identity}") for path in sheet.photos)
    columns = f"grid-template-columns:minmax(52px,80px) repeat({len(sheet.strips)}, minmax(68px,132px))"
    top = "".join(f'<span class="top">{breakable(strip.label)}</span>' for strip in sheet.strips)
    rows = "".join(
        f'<span class="side">{escape(expression)}</span>'
        + "".join(_head(strip, index, sheet.identity, expression) for strip in sheet.strips)
        for index, expression in enumerate(expressions)
    )
    return (
        f'<div class="person"><h3>{escape(sheet.identity)}</h3><div class="sides">'
        f'<div class="photos">{photos}</div>'
        f'<div class="heads" style="{columns}"><span></span>{top}{rows}</div></div></div>'
    )


def _head(strip: Strip, index: int, identity: str, expression: str) -> str:
    path = strip.images[index]
    if path is None:
        return f'<span class="none" title="{escape(strip.reason)}">{strip.absent}</span>'
    return _picture(path, f"{strip.label}, {identity}, {expression}")


def _picture(path: Path, alt: str) -> str:
    data = base64.b64encode(thumbnail(path)).decode("ascii")
    return f'<img alt="{escape(alt)}" title="{escape(alt)}" src="data:image/jpeg;base64,{data}">'


def breakable(name: str) -> str:
    """A name that may wrap after its underscores."""
    return escape(name).replace("_", "_<wbr>")
