"""A drawing as lines, dots and words, laid out once and written twice: as SVG that follows light and dark,
and as PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Place = tuple[float, float]  # x to the right, y down, pixels

# Colours by the names of `report.css`, whose page gives them their values; here they are for drawings alone.
LIGHT = {
    "paper": "#fbfbf9",
    "ink": "#22262b",
    "faint": "#6b7280",
    "line": "#e4e4df",
    "accent": "#2f6f68",
    "s0": "#2f6f68",
    "s1": "#b0662c",
}
DARK = {
    "paper": "#16181b",
    "ink": "#e6e6e2",
    "faint": "#9aa1ab",
    "line": "#2f343a",
    "accent": "#7cc4ba",
    "s0": "#7cc4ba",
    "s1": "#e0a06a",
}
_FINE, _SHOWN = 4, 2  # pixels of the PNG for one of the scene: as drawn, and as kept
_FONT = 'system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif'


@dataclass(frozen=True)
class Line:
    """A line through two or more places."""

    points: tuple[Place, ...]
    colour: str
    width: float = 1.0
    dash: float = 0.0  # pixels of a dash and of a gap; 0 for a line without
    opacity: float = 1.0

    def moved(self, dx: float, dy: float) -> Line:
        return replace(self, points=tuple((x + dx, y + dy) for x, y in self.points))


@dataclass(frozen=True)
class Dot:
    """A disc, or a diamond; hollow ones show the paper."""

    at: Place
    radius: float
    colour: str
    hollow: bool = False
    diamond: bool = False

    def moved(self, dx: float, dy: float) -> Dot:
        return replace(self, at=(self.at[0] + dx, self.at[1] + dy))


@dataclass(frozen=True)
class Words:
    """A line of text; `at` is the left end, the middle or the right end of its baseline."""

    at: Place
    text: str
    colour: str = "ink"
    size: float = 12.0
    anchor: str = "start"  # "start", "middle" or "end"
    bold: bool = False

    def moved(self, dx: float, dy: float) -> Words:
        return replace(self, at=(self.at[0] + dx, self.at[1] + dy))


Shape = Line | Dot | Words


@dataclass(frozen=True)
class Scene:
    """Shapes, drawn in their order on paper of a size in pixels."""

    width: float
    height: float
    title: str
    shapes: tuple[Shape, ...]


def text_width(text: str, size: float) -> float:
    """Pixels that a text takes, a little more than most fonts give it."""
    from PIL import ImageFont

    return float(ImageFont.load_default(size).getlength(text)) * 1.04


def inline_svg(scene: Scene) -> str:
    """For a page that gives the colours their values."""
    return _svg(scene, "", "")


def standalone_svg(scene: Scene) -> str:
    """A file of its own, light or dark as whoever opens it likes."""
    colours = ";".join(f"--{name}:{value}" for name, value in LIGHT.items())
    dark = ";".join(f"--{name}:{value}" for name, value in DARK.items())
    style = f"<style>svg{{{colours}}}@media (prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
    paper = f'<rect width="{scene.width:g}" height="{scene.height:g}" style="fill:var(--paper)"/>'
    size = f' xmlns="http://www.w3.org/2000/svg" width="{scene.width:g}" height="{scene.height:g}"'
    return _svg(scene, size, style + paper) + "\n"


def png(scene: Scene) -> bytes:
    """The scene in its light colours, two pixels for one."""
    from PIL import Image, ImageDraw

    size = (round(scene.width * _FINE), round(scene.height * _FINE))
    canvas = Image.new("RGB", size, LIGHT["paper"])
    draw = ImageDraw.Draw(canvas)
    for shape in scene.shapes:
        _draw(draw, shape)
    buffer = io.BytesIO()
    canvas.reduce(_FINE // _SHOWN).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _svg(scene: Scene, attributes: str, first: str) -> str:
    title = escape(scene.title)
    return (
        f'<svg viewBox="0 0 {scene.width:g} {scene.height:g}" role="img" aria-label="{title}"{attributes}>'
        f"{first}{''.join(map(_element, scene.shapes))}</svg>"
    )


def _element(shape: Shape) -> str:
    if isinstance(shape, Line):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
        dash = f";stroke-dasharray:{shape.dash:g} {shape.dash:g}" if shape.dash else ""
        return (
            f'<polyline points="{points}" style="fill:none;stroke:var(--{shape.colour});stroke-width:'
            f'{shape.width:g};stroke-linecap:round;opacity:{shape.opacity:g}{dash}"/>'
        )
    if isinstance(shape, Dot):
        fill = "var(--paper)" if shape.hollow else f"var(--{shape.colour})"
        style = f'style="fill:{fill};stroke:var(--{shape.colour});stroke-width:1.6"'
        if shape.diamond:
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in _corners(shape))
            return f'<polygon points="{points}" {style}/>'
        return f'<circle cx="{shape.at[0]:.1f}" cy="{shape.at[1]:.1f}" r="{shape.radius:g}" {style}/>'
    weight = ";font-weight:600" if shape.bold else ""
    return (
        f'<text x="{shape.at[0]:.1f}" y="{shape.at[1]:.1f}" text-anchor="{shape.anchor}" style=\'fill:var(--'
        f"{shape.colour});font:{shape.size:g}px {_FONT}{weight}'>{escape(shape.text)}</text>"
    )


def _corners(dot: Dot) -> list[Place]:
    (x, y), r = dot.at, dot.radius * 1.25
    return [(x, y - r), (x + r, y), (x, y + r), (x - r, y)]


def _draw(draw: ImageDraw, shape: Shape) -> None:
    colour = LIGHT[shape.colour]
    if isinstance(shape, Line):
        width = max(1, round(shape.width * _FINE))
        tone = _mixed(colour, shape.opacity)
        for piece in _pieces(shape):
            draw.line([(x * _FINE, y * _FINE) for x, y in piece], fill=tone, width=width, joint="curve")
    elif isinstance(shape, Dot):
        fill, edge = LIGHT["paper"] if shape.hollow else colour, round(1.6 * _FINE)
        if shape.diamond:
            corners = [(x * _FINE, y * _FINE) for x, y in _corners(shape)]
            draw.polygon(corners, fill=fill, outline=colour, width=edge)
        else:
            (x, y), r = shape.at, shape.radius
            box = [(x - r) * _FINE, (y - r) * _FINE, (x + r) * _FINE, (y + r) * _FINE]
            draw.ellipse(box, fill=fill, outline=colour, width=edge)
    else:
        _write(draw, shape, colour)


def _write(draw: ImageDraw, words: Words, colour: str) -> None:
    font = _font(words.size * _FINE)
    anchor = {"start": "ls", "middle": "ms", "end": "rs"}[words.anchor]
    place = (words.at[0] * _FINE, words.at[1] * _FINE)
    stroke = _FINE // 4 if words.bold else 0  # the default font has one weight
    draw.text(place, words.text, fill=colour, font=font, anchor=anchor, stroke_width=stroke)


@lru_cache
def _font(size: float) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _pieces(line: Line) -> Iterable[Sequence[Place]]:
    """The line as it is drawn: whole, or cut into dashes."""
    if not line.dash:
        return [line.points]
    pieces = []
    for (x1, y1), (x2, y2) in zip(line.points, line.points[1:], strict=False):
        length = math.hypot(x2 - x1, y2 - y1) or 1.0
        for step in range(0, math.ceil(length / line.dash), 2):
            ends = (min(step * line.dash / length, 1.0), min((step + 1) * line.dash / length, 1.0))
            pieces.append([(x1 + t * (x2 - x1), y1 + t * (y2 - y1)) for t in ends])
    return pieces


def _mixed(colour: str, opacity: float) -> tuple[int, int, int]:
    """A colour on the paper, as if it let it through."""
    own, paper = ([int(text[at : at + 2], 16) for at in (1, 3, 5)] for text in (colour, LIGHT["paper"]))
    red, green, blue = (round(opacity * a + (1 - opacity) * b) for a, b in zip(own, paper, strict=True))
    return red, green, blue
