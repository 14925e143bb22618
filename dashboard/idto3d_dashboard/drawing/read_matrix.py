"""Asked against read: for one method, which expression its heads show when one is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from idto3d.expressions import EXPRESSIONS
from idto3d_eval.breakdowns import UNREAD

if TYPE_CHECKING:
    import polars

# Dark means many on light and on dark paper alike; ColorBrewer's PuBu, without its white end.
SCALE = ((0xD0, 0xD1, 0xE6), (0x36, 0x90, 0xC0), (0x02, 0x38, 0x58))
EVEN = 0.18  # the luminance on which black and white read equally well


def read_columns(matrices: Mapping[str, Any], chosen: Sequence[str]) -> tuple[str, ...]:
    """What was asked of any of the chosen methods or read on its heads, in the list's order."""
    named: set[str] = set()
    for label in chosen:
        for asked, shares in matrices.get(label, {}).get("shares", {}).items():
            named |= {asked, *shares}
    return tuple(name for name in (*EXPRESSIONS, UNREAD) if name in named)


def read_table(label: str, found: Mapping[str, Any], columns: Sequence[str]) -> str:
    """One method's matrix as HTML; frames mark where a head belongs.

    Args:
        label: of the method.
        found: {"heads": of each asked expression, "shares": asked -> read -> share}.
        columns: what may be read.
    """
    lines = []
    for asked, shares in found["shares"].items():
        cells = "".join(_cell(asked, read, shares.get(read)) for read in columns)
        lines.append(f'<tr><th scope="row">{_spaced(asked)}</th>{cells}</tr>')
    tops = "".join(f'<th scope="col"><span>{_spaced(read)}</span></th>' for read in columns)
    heads = max(found["heads"].values(), default=0)
    told = escape(f"{label}, {heads} heads a row, % of them")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="asked and read, {escape(label)}">'
        f'<table class="idto3d read"><caption>{told}</caption><thead><tr><th scope="col">asked ↓ read →</th>'
        f"{tops}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(asked: str, read: str, share: float | None) -> str:
    own = ' class="own"' if asked == read else ""
    if share is None:
        return f"<td{own}></td>"
    told = f"asked {_spaced(asked)}, read {_spaced(read)}: {share:.0%} of heads"
    return f'<td{own} style="{_shade(share)}" title="{told}">{100 * share:.0f}</td>'


def _shade(share: float) -> str:
    """A share's colour, and of black and white the one that reads better on it."""
    at = min(int(share * (len(SCALE) - 1)), len(SCALE) - 2)
    part = share * (len(SCALE) - 1) - at
    red, green, blue = (round(a + part * (b - a)) for a, b in zip(SCALE[at], SCALE[at + 1], strict=True))
    linear = [(level / 255) ** 2.2 for level in (red, green, blue)]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]  # WCAG 2's relative luminance
    return f"background:rgb({red},{green},{blue});color:{'#000' if light > EVEN else '#fff'}"


def _spaced(name: str) -> str:
    return escape(name.replace("_", " "))


def read_rows(matrices: Mapping[str, Any], chosen: Sequence[str]) -> polars.DataFrame:
    """What the chosen methods' matrices hold, a line a cell that is not empty, for a download."""
    import polars

    lines = [
        {"method": label, "asked": asked, "read": read, "share": share, "heads": own["heads"][asked]}
        for label in chosen
        if (own := matrices.get(label)) is not None
        for asked, shares in own["shares"].items()
        for read, share in shares.items()
    ]
    schema = {
        "method": polars.String,
        "asked": polars.String,
        "read": polars.String,
        "share": polars.Float64,
        "heads": polars.Int64,
    }
    return polars.DataFrame(lines, schema)
