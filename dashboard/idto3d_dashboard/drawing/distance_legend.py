"""What the colours of a geometry heat map mean: a bar in millimetres, the same for every head."""

from __future__ import annotations

import numpy as np

from idto3d_eval.heat_map import FULL_MM, colours_of

STOPS = 11


def distance_legend() -> str:
    """The bar from 0 to `FULL_MM`, with its numbers, as HTML."""
    stops = ", ".join(
        f"rgb({r}, {g}, {b})" for r, g, b in colours_of(np.linspace(0.0, FULL_MM, STOPS)).tolist()
    )
    marks = [f"{mm:g}" for mm in np.arange(FULL_MM)] + [f"≥ {FULL_MM:g} mm"]
    numbers = "".join(
        f'<span style="position:absolute;left:{100 * at / FULL_MM:.0f}%;'
        f'white-space:nowrap;transform:translateX({-100 * at / FULL_MM:.0f}%)">{text}</span>'
        for at, text in enumerate(marks)
    )
    return (
        '<div role="img" aria-label="Colours from blue at 0 mm through yellow to dark red at '
        f'{FULL_MM:g} mm and more" style="max-width:420px;font-size:.78rem">'
        f'<div style="height:12px;border-radius:3px;background:linear-gradient(to right, {stops})"></div>'
        f'<div style="position:relative;height:1.4em;opacity:.8">{numbers}</div></div>'
    )
