"""Methods × identities × expressions as pictures, beside the photos that the heads were made from."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from idto3d_eval.plan import Plan
from idto3d_eval.store import Record, Store

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font = FreeTypeFont | ImageFont

CELL = 128  # pixels of a picture's side
_SIDE = 84  # pixels of the column of expressions' names
_PHOTO_COLUMNS = 2
_HEADER = 30
_GAP = 4
_PAPER, _INK, _FAINT = (250, 250, 248), (35, 38, 42), (140, 142, 146)
_MAX_PHOTOS = 4
_JPEG_QUALITY = 84


@dataclass(frozen=True)
class Strip:
    """One method's heads of one person: an image file an expression, or why there is none."""

    label: str
    images: tuple[Path | None, ...]
    reason: str


@dataclass(frozen=True)
class PersonSheet:
    """One person: conditioning photos and a strip a method."""

    identity: str
    photos: tuple[Path, ...]
    strips: tuple[Strip, ...]


def person_sheets(plan: Plan, store: Store, settled: Mapping[str, Record]) -> list[PersonSheet]:
    """What there is to show, in the protocol's order; the first seed, the first frontal view."""
    protocol = plan.protocol
    view = next(view.name for view in protocol.views if view.frontal)
    sheets = []
    for identity in protocol.population.identities:
        photos = store.artefact(f"identities/{identity}") / "conditioning"
        strips = []
        for row in protocol.methods:
            job = f"views/{row.label}/{identity}/seed-{protocol.seeds[0]}"
            folder = store.artefact(job)
            files = [folder / expression / f"{view}.png" for expression in protocol.expressions]
            made = settled[job].done
            images = tuple(file if made and file.is_file() else None for file in files)
            strips.append(Strip(row.label, images, settled[job].reason))
        shown = tuple(sorted(photos.iterdir())[:_MAX_PHOTOS]) if photos.is_dir() else ()
        sheets.append(PersonSheet(identity, shown, tuple(strips)))
    return sheets


def thumbnail(path: Path, side: int = CELL) -> bytes:
    """A picture as a small JPEG."""
    buffer = io.BytesIO()
    _square(path, side).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def contact_sheet_png(plan: Plan, store: Store, settled: Mapping[str, Record]) -> bytes:
    """One PNG of all people: photos on the left, methods in columns, expressions in rows."""
    from PIL import Image, ImageDraw, ImageFont

    sheets = person_sheets(plan, store, settled)
    expressions = plan.protocol.expressions
    step = CELL + _GAP
    left = _PHOTO_COLUMNS * step + _GAP + _SIDE
    height = _HEADER + max(len(expressions), 2) * step + 3 * _GAP
    canvas = Image.new("RGB", (left + len(plan.protocol.methods) * step, height * len(sheets)), _PAPER)
    draw = ImageDraw.Draw(canvas)
    large, small = ImageFont.load_default(17), ImageFont.load_default(13)
    for number, sheet in enumerate(sheets):
        top = number * height
        draw.text((_GAP, top + 6), sheet.identity, fill=_INK, font=large)
        for index, photo in enumerate(sheet.photos):
            spot = (
                _GAP + index % _PHOTO_COLUMNS * step,
                top + _HEADER + index // _PHOTO_COLUMNS * step,
            )
            canvas.paste(_square(photo, CELL), spot)
        for row, expression in enumerate(expressions):
            y = top + _HEADER + row * step + CELL // 2 - 8
            draw.text((left - _SIDE + _GAP, y), expression, fill=_FAINT, font=small)
        for column, strip in enumerate(sheet.strips):
            x = left + column * step
            label = _shortened(draw, strip.label, small, CELL)
            draw.text((x, top + 8), label, fill=_INK, font=small)
            for row, path in enumerate(strip.images):
                y = top + _HEADER + row * step
                if path is not None:
                    canvas.paste(_square(path, CELL), (x, y))
                else:
                    draw.rectangle((x, y, x + CELL - 1, y + CELL - 1), outline=_FAINT)
                    draw.text((x + 34, y + CELL // 2 - 8), "no head", fill=_FAINT, font=small)
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _shortened(draw: ImageDraw, text: str, font: Font, width: int) -> str:
    """A text that fits, with an ellipsis where it had to be cut."""
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(text + "…", font=font) > width:
        text = text[:-1]
    return text + "…"


def _square(path: Path, side: int) -> Image:
    """The middle square of a picture, scaled."""
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        return ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.LANCZOS)
